-- Has the events of jobs be among a member's events, too, for a time.
--
-- KEYS  of each job, the members who subscribed to it (member → until when in ms)
-- ARGV  1 member   2 for how long (ms)

local member, for_ms = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for _, job in ipairs(KEYS) do
  redis.call('HSET', job, member, string.format('%.0f', now + for_ms))
  if redis.call('PTTL', job) < for_ms then redis.call('PEXPIRE', job, for_ms) end
end
return #KEYS
