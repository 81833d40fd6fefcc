-- Says an event in its topics, once, and wakes the instances that hold sockets for them. The streams are the truth, the wake-up is a hint.
--
-- KEYS  1 the last version of what it is about   2 and more, of each topic: its stream, and the instances that hold sockets for it
-- ARGV  1 version   2 time of the event (ms)   3 events kept   4 kept for (ms)   5 prefix of all keys   6 traceparent
--       7 'followed only': not in topics that nobody follows, or has followed lately
--       8 and more, of each topic: its name, the frame's type, the frame's fields (JSON), for whom it is, whom it concerns
-- Answers 1; 0 for an event that was here before, or is older than what is kept

local version, at, kept, kept_ms, prefix, traceparent = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- As of jobs (deliver.lua).
if tonumber(at) < now - kept_ms then return 0 end
if version <= tonumber(redis.call('GET', KEYS[1]) or '0') then return 0 end
redis.call('SET', KEYS[1], version, 'PX', kept_ms + math.max(0, tonumber(at) - now))

local followed_only, given = ARGV[7] == 'followed only', 8
for i = 2, #KEYS, 2 do
  local topic, type, fields, whom, of = ARGV[given], ARGV[given + 1], ARGV[given + 2], ARGV[given + 3], ARGV[given + 4]
  given = given + 5
  if not followed_only or redis.call('EXISTS', prefix .. 'ws:followed:' .. topic) == 1 then
    redis.call(
      'XADD', KEYS[i], 'MAXLEN', kept, '*',
      'type', type, 'fields', fields, 'whom', whom, 'of', of, 'traceparent', traceparent, 'time', at
    )
    redis.call('PEXPIRE', KEYS[i], kept_ms)
    for _, instance in ipairs(redis.call('SMEMBERS', KEYS[i + 1])) do
      if redis.call('EXISTS', prefix .. 'ws:instance:' .. instance) == 1 then
        redis.call('PUBLISH', prefix .. 'ws:said:' .. instance, topic)
      else
        redis.call('SREM', KEYS[i + 1], instance)
      end
    end
  end
end
return 1
