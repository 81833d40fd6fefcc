-- Begins a closing of a member's sockets: each must ask Auth again whether its session is good. What Auth said of the member
-- before is no reason any more to register one (register.lua).
--
-- KEYS  1 the member's sockets   2 the number of the last closing   3 the number of the member's last one
-- ARGV  1 member   2 for how long the closing is remembered (ms)   3 prefix of all keys
-- Answers the closing's number: above all before it, also those that Redis has lost

local sockets, member, for_ms, prefix = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local time = redis.call('TIME')
local next = tonumber(redis.call('GET', KEYS[2]) or '0') + 1
local number = string.format('%.0f', math.max(next, time[1] * 1000000 + time[2]))
redis.call('SET', KEYS[2], number)
redis.call('SET', KEYS[3], number, 'PX', for_ms)

local told = {}
for _, value in ipairs(redis.call('HVALS', sockets)) do
  local home = value:match('^%S+')
  if not told[home] then redis.call('PUBLISH', prefix .. 'ws:check:' .. home, member) end
  told[home] = true
end
return number
