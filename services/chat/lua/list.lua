-- The messages of a room that are here, for who is in it.
-- KEYS: 1 members, 2 log, 3 messages
-- ARGV: 1 member, 2 'before' or 'after', 3 a sequence, or '': from the last on, 4 how many at most
-- Answers { last, archived, gaps, message… }; nothing: who asks is not in the room.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
local last, archived, gaps = unpack(redis.call('HMGET', KEYS[2], 'last', 'archived', 'gaps'))
local found = { last or '0', archived or '0', gaps or '' }
local low, high = tonumber(found[2]) + 1, tonumber(found[1])
local down = ARGV[2] == 'before'
local at = down and high or low
if ARGV[3] ~= '' then at = down and math.min(high, tonumber(ARGV[3]) - 1) or math.max(low, tonumber(ARGV[3]) + 1) end
local holes = {}
for first, until_ in string.gmatch(found[3], '(%d+)-(%d+)') do holes[#holes + 1] = { tonumber(first), tonumber(until_) } end
while at >= low and at <= high and #found - 3 < tonumber(ARGV[4]) do
  local message = redis.call('HGET', KEYS[3], string.format('%.0f', at))
  if message then found[#found + 1] = message end
  at = down and at - 1 or at + 1
  for _, hole in ipairs(holes) do
    if at >= hole[1] and at <= hole[2] then at = down and hole[1] - 1 or hole[2] + 1 end
  end
end
return found
