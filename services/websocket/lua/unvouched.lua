-- Counts the sockets of a member that Auth has not vouched for since a closing. Those of dead instances are forgotten.
--
-- KEYS  1 the member's sockets
-- ARGV  1 the closing's number   2 prefix of instance leases   3 'cut off': they are forgotten, too, so they get no event (read.lua)
--       4 prefix of the sockets that are cut off, by instance, which get nothing of topics either (read-topic.lua)
-- Answers how many there were in instances that live

local sockets, number, leases, cut = KEYS[1], tonumber(ARGV[1]), ARGV[2], ARGV[3] == 'cut off'
local held = redis.call('HGETALL', sockets)
local count = 0
for i = 1, #held, 2 do
  local home, until_ms, vouched = held[i + 1]:match('^(%S+) (%d+) ?(%d*)$')
  if redis.call('EXISTS', leases .. home) == 0 then
    redis.call('HDEL', sockets, held[i])
  elseif (tonumber(vouched) or 0) < number then
    count = count + 1
    if cut then
      redis.call('HDEL', sockets, held[i])
      redis.call('SADD', ARGV[4] .. home, held[i])
      -- By then its token has expired.
      if redis.call('PEXPIRETIME', ARGV[4] .. home) < tonumber(until_ms) then
        redis.call('PEXPIREAT', ARGV[4] .. home, until_ms)
      end
    end
  end
end
return count
