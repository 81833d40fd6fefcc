-- Has the events of jobs be among a member's events, too, and has the member be found as one who follows groups, both for a time, unless what the
-- member may follow was narrowed after Auth was asked.
--
-- KEYS  1 the number of the member's last closing or narrowing   2 that of the last narrowing of all
--       3 the members who follow what is others' (until when in ms)   4 the groups that are followed (until when in ms)
--       5 and more: of each job and of each group, the members who follow it (member → until when in ms)
-- ARGV  1 member   2 for how long (ms)   3 the last closing or narrowing before Auth was asked; empty: follow in any case
--       4 and more: the groups
-- Answers 1; 0: narrowed since, so nothing was done

local member, for_ms, asked = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 1, 2 do
  if asked and tonumber(redis.call('GET', KEYS[i]) or '0') > asked then return 0 end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms = string.format('%.0f', now + for_ms)

for i = 5, #KEYS do
  redis.call('HSET', KEYS[i], member, until_ms)
  if redis.call('PTTL', KEYS[i]) < for_ms then redis.call('PEXPIRE', KEYS[i], for_ms) end
end
local function add(key, those)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.0f', now))
  for _, one in ipairs(those) do redis.call('ZADD', key, 'GT', until_ms, one) end
  if redis.call('PTTL', key) < for_ms then redis.call('PEXPIRE', key, for_ms) end
end
add(KEYS[3], { member })
if #ARGV > 3 then add(KEYS[4], { unpack(ARGV, 4) }) end
return 1
