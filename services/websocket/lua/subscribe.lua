-- Has the events of jobs be among a member's events, too, and has the member be found as one who follows groups, both for a time, unless what the
-- member may follow was narrowed after Auth was asked.
--
-- KEYS  1 the number of the member's last closing or narrowing   2 that of the last narrowing of all
--       3 the members who follow what is others' (until when in ms), and then of each group those who follow it
--       the rest: of each job the members who follow it (member → until when in ms)
-- ARGV  1 member   2 for how long (ms)   3 the last closing or narrowing before Auth was asked; empty: follow in any case   4 how many groups
-- Answers 1; 0: narrowed since, so nothing was done

local member, for_ms, asked = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 1, 2 do
  if asked and tonumber(redis.call('GET', KEYS[i]) or '0') > asked then return 0 end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms = string.format('%.0f', now + for_ms)

for i = 3, #KEYS do
  if i <= 3 + tonumber(ARGV[4]) then
    -- Some are followed for as long as there are members: who does so no more is forgotten.
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', string.format('(%.0f', now))
    redis.call('ZADD', KEYS[i], 'GT', until_ms, member)
  else
    redis.call('HSET', KEYS[i], member, until_ms)
  end
  if redis.call('PTTL', KEYS[i]) < for_ms then redis.call('PEXPIRE', KEYS[i], for_ms) end
end
return 1
