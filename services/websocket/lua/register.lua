-- Registers a member's socket, unless the member has too many, and says where its events begin.
--
-- KEYS  1 the member's sockets (socket ID → instance, until when in ms, and the last closing before Auth was asked)
--       2 the member's events
--       3 the number of the last closing of the member's sockets   4 the instance's sockets that are cut off
-- ARGV  1 socket ID   2 instance   3 for how long (ms)   4 sockets allowed   5 prefix of instance leases
--       6 the last closing before Auth was asked
-- Answers the cursor of "now", 'too many', or 'closed' when they were closed after Auth was asked

local sockets, events = KEYS[1], KEYS[2]
local id, instance, for_ms, allowed, leases = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
if tonumber(redis.call('GET', KEYS[3]) or '0') > tonumber(ARGV[6]) then return 'closed' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local held = redis.call('HGETALL', sockets)
local count = 0
for i = 1, #held, 2 do
  local home, until_ms = held[i + 1]:match('^(%S+) (%d+)')
  if tonumber(until_ms) < now or redis.call('EXISTS', leases .. home) == 0 then
    -- Its instance died, or could not tell that it was closed.
    redis.call('HDEL', sockets, held[i])
  elseif held[i] ~= id then
    count = count + 1
  end
end
if count >= allowed then return 'too many' end

redis.call('SREM', KEYS[4], id)
redis.call('HSET', sockets, id, instance .. ' ' .. string.format('%.0f', now + for_ms) .. ' ' .. ARGV[6])
if redis.call('PTTL', sockets) < for_ms then redis.call('PEXPIRE', sockets, for_ms) end

local last = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
if last then return last[1] end
-- No event yet: the next one may come within this millisecond, and must be after the cursor.
return string.format('%.0f-0', now - 1)
