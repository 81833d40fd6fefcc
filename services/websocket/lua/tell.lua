-- Adds something to a member's own events, once, and wakes the instances that hold sockets of the member. The events are the truth, the wake-up is a hint.
--
-- KEYS  1 the last version of what it is about, as the member was told it   2 the member's events   3 the member's sockets
-- ARGV  1 version   2 time of the event (ms)   3 events kept   4 kept for (ms)   5 prefix of all keys   6 traceparent   7 member
--       8 and more, of each: the frame's type, its fields (JSON), what the member must be allowed to do to itself
-- Answers 1; 0 for an event that was here before, or is older than what is kept

local version, at, kept, kept_ms, prefix, traceparent, member = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- As of jobs (deliver.lua).
if tonumber(at) < now - kept_ms then return 0 end
if version <= tonumber(redis.call('GET', KEYS[1]) or '0') then return 0 end
redis.call('SET', KEYS[1], version, 'PX', kept_ms + math.max(0, tonumber(at) - now))

for i = 8, #ARGV, 3 do
  redis.call(
    'XADD', KEYS[2], 'MAXLEN', kept, '*',
    'type', ARGV[i], 'fields', ARGV[i + 1], 'needs', ARGV[i + 2], 'traceparent', traceparent, 'time', at
  )
end
redis.call('PEXPIRE', KEYS[2], kept_ms)

local told = {}
for _, value in ipairs(redis.call('HVALS', KEYS[3])) do
  local instance = value:match('^%S+')
  -- What a dead one left behind is cleared with the next job's event.
  if not told[instance] then redis.call('PUBLISH', prefix .. 'ws:wake:' .. instance, member) end
  told[instance] = true
end
return 1
