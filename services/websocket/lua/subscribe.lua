-- Has the events of a job be among a member's events, too, for a time.
--
-- KEYS  1 the members who subscribed to the job (member → until when in ms)
-- ARGV  1 member   2 for how long (ms)

local job, member, for_ms = KEYS[1], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('HSET', job, member, string.format('%.0f', now + for_ms))
if redis.call('PTTL', job) < for_ms then redis.call('PEXPIRE', job, for_ms) end
return 1
