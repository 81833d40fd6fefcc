-- Has an instance hear of what is said in a topic, and says where "now" is in it.
--
-- KEYS  1 the instances that hold sockets for the topic   2 the topic's stream   3 since when nothing was lost   4 that it is followed
-- ARGV  1 instance   2 for how long at least (ms)   3 for how long events are kept (ms)
-- Answers the cursor of "now"

local holders, stream, instance, for_ms = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local before = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - 1)
-- A store that has lost its data begins anew: cursors of before are not of it.
redis.call('SET', KEYS[3], before, 'NX')
redis.call('SADD', holders, instance)
if redis.call('PTTL', holders) < for_ms then redis.call('PEXPIRE', holders, for_ms) end
local followed_ms = for_ms + tonumber(ARGV[3])
if redis.call('PTTL', KEYS[4]) < followed_ms then redis.call('SET', KEYS[4], '', 'PX', followed_ms) end

local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
-- The next one may come within this millisecond, and must be after the cursor.
if last and tonumber(last[1]:match('^%d+')) >= tonumber(before) then return last[1] end
return before .. '-0'
