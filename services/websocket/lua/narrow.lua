-- Begins a narrowing: each socket of the members who follow jobs of others must ask Auth again what it may follow. What Auth allowed
-- before is no reason any more to follow a job (subscribe.lua).
--
-- KEYS  1 the number of the last closing or narrowing   2 the members who follow jobs of others (until when in ms)
--       3 the number of the last one that concerns those who are narrowed
-- ARGV  1 member, or '' for all   2 for how long its number is remembered (ms)   3 prefix of all keys
-- Answers the narrowing's number, and the members who are to ask

local followers, member, for_ms, prefix = KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local time = redis.call('TIME')
local next = tonumber(redis.call('GET', KEYS[1]) or '0') + 1
local number = string.format('%.0f', math.max(next, time[1] * 1000000 + time[2]))
redis.call('SET', KEYS[1], number)
redis.call('SET', KEYS[3], number, 'PX', for_ms)

redis.call('ZREMRANGEBYSCORE', followers, '-inf', string.format('(%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
local members
if member == '' then
  members = redis.call('ZRANGE', followers, 0, -1)
else
  members = redis.call('ZSCORE', followers, member) and { member } or {}
end
for _, one in ipairs(members) do
  local told = {}
  for _, value in ipairs(redis.call('HVALS', prefix .. 'ws:sockets:' .. one)) do
    local home = value:match('^%S+')
    if not told[home] then redis.call('PUBLISH', prefix .. 'ws:check:' .. home, one) end
    told[home] = true
  end
end
return { number, members }
