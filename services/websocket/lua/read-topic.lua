-- Reads what was said in a topic, for all sockets of an instance that stand at the same place.
--
-- KEYS  1 the topic's stream   2 the instance's lease   3 its sockets that are cut off
-- ARGV  1 after this cursor   2 how many   3 the lapse of the lease after which all its sockets were registered again
-- Answers false when that is not the last lapse: others may have forgotten its sockets, and Auth has not vouched for all of them since. Else the
-- events, the sockets that are cut off, and where "now" is when some that came after the cursor are gone; '' when none are

local stream, after, count = KEYS[1], ARGV[1], ARGV[2]
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return false end

local function parts(id)
  local ms, number = id:match('^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end

local lost = ''
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
if first then
  local info, state = redis.call('XINFO', 'STREAM', stream), {}
  for i = 1, #info, 2 do state[info[i]] = info[i + 1] end
  local a_ms, a_number = parts(after)
  local f_ms, f_number = parts(first[1])
  local is_before = a_ms < f_ms or (a_ms == f_ms and a_number < f_number)
  if is_before and state['entries-added'] ~= state['length'] then lost = state['last-generated-id'] end
end
return { redis.call('XRANGE', stream, '(' .. after, '+', 'COUNT', count), redis.call('SMEMBERS', KEYS[3]), lost }
