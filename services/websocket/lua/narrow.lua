-- Begins a narrowing: each socket of the members who follow what is others' must ask Auth again what it may follow. What Auth allowed
-- before is no reason any more to follow something (subscribe.lua).
--
-- KEYS  1 the number of the last closing or narrowing   2 the members who follow what is others' (until when in ms)
--       3 and more: the numbers of the last ones that concern those who are narrowed: each member's, or that of all
-- ARGV  1 for how long its number is remembered (ms)   2 prefix of all keys   3 and more: the members; none: all
-- Answers the narrowing's number, and the members who are to ask

local followers, for_ms, prefix = KEYS[2], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local next = tonumber(redis.call('GET', KEYS[1]) or '0') + 1
local number = string.format('%.0f', math.max(next, time[1] * 1000000 + time[2]))
redis.call('SET', KEYS[1], number)
for i = 3, #KEYS do redis.call('SET', KEYS[i], number, 'PX', for_ms) end

redis.call('ZREMRANGEBYSCORE', followers, '-inf', string.format('(%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
local members = {}
if #ARGV < 3 then members = redis.call('ZRANGE', followers, 0, -1) end
for i = 3, #ARGV do
  if redis.call('ZSCORE', followers, ARGV[i]) then table.insert(members, ARGV[i]) end
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
