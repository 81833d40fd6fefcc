-- Has the sockets of a member ask whether their sessions are good, and counts them. What Auth said of the member before is
-- no reason any more to register one (register.lua).
--
-- KEYS  1 the member's sockets   2 the number of all closings   3 the number of the member's last one
-- ARGV  1 member; empty: only count   2 for how long the closing is remembered (ms)   3 prefix of all keys
-- Answers how many sockets there are in instances that live; those of dead ones are forgotten

local sockets, member, for_ms, prefix = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if member ~= '' then redis.call('SET', KEYS[3], redis.call('INCR', KEYS[2]), 'PX', for_ms) end

local held = redis.call('HGETALL', sockets)
local open, told = 0, {}
for i = 1, #held, 2 do
  local home = held[i + 1]:match('^%S+')
  if redis.call('EXISTS', prefix .. 'ws:instance:' .. home) == 0 then
    redis.call('HDEL', sockets, held[i])
  else
    open = open + 1
    if member ~= '' and not told[home] then redis.call('PUBLISH', prefix .. 'ws:check:' .. home, member) end
    told[home] = true
  end
end
return open
