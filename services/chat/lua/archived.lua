-- Notes that the archive has messages of a room, and gives up those that are older than the newest of it.
-- KEYS: 1 log, 2 messages, 3 ids, 4 unarchived
-- ARGV: 1 room, 2 how many of the newest stay, 3 how many are given up at most, then of each message its sequence and its archived version
local function drop(sequence)
  local message = redis.call('HGET', KEYS[2], sequence)
  if not message then return end
  redis.call('HDEL', KEYS[3], string.match(message, '"messageId":"([^"]+)"'))
  redis.call('HDEL', KEYS[2], sequence)
end

local last, given_up = unpack(redis.call('HMGET', KEYS[1], 'last', 'archived'))
last, given_up = tonumber(last or 0), tonumber(given_up or 0)
for at = 4, #ARGV, 2 do
  local message = redis.call('HGET', KEYS[2], ARGV[at])
  if not message or string.match(message, '"version":(%d+)') == ARGV[at + 1] then
    redis.call('ZREM', KEYS[4], ARGV[1] .. '/' .. ARGV[at])
    -- It was here once more only to be changed.
    if tonumber(ARGV[at]) <= given_up then drop(ARGV[at]) end
  end
end
local oldest = given_up
for sequence = given_up + 1, math.min(last - tonumber(ARGV[2]), given_up + tonumber(ARGV[3])) do
  local name = string.format('%.0f', sequence)
  if redis.call('ZSCORE', KEYS[4], ARGV[1] .. '/' .. name) then break end
  drop(name)
  oldest = sequence
end
if oldest > given_up then redis.call('HSET', KEYS[1], 'archived', string.format('%.0f', oldest)) end
return 1
