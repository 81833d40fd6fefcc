-- Adds a job's event to the events of its owner and of those who subscribed to the job, once, and
-- wakes the instances that hold sockets of theirs. The events are the truth, the wake-up is a hint.
--
-- KEYS  1 the job's last version   2 the members who subscribed to the job (member → until when in ms)
-- ARGV  1 job ID   2 version   3 owner   4 job (JSON)   5 traceparent   6 time of the event (ms)
--       7 events kept   8 kept for (ms)   9 prefix of all keys
-- Answers how many members got it; 0 for an event that was here before, or is older than what is kept

local version = tonumber(ARGV[2])
local id, owner, job, traceparent, at, kept, keptMs, prefix = ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Kafka keeps events for longer than their versions are remembered here, and a group that lost its offsets begins with the oldest.
if tonumber(at) < now - keptMs then return 0 end
if version <= tonumber(redis.call('GET', KEYS[1]) or '0') then return 0 end
redis.call('SET', KEYS[1], version, 'PX', keptMs + math.max(0, tonumber(at) - now))

local members = { owner }
local subscribed = redis.call('HGETALL', KEYS[2])
for i = 1, #subscribed, 2 do
  if tonumber(subscribed[i + 1]) < now then
    redis.call('HDEL', KEYS[2], subscribed[i])
  elseif subscribed[i] ~= owner then
    members[#members + 1] = subscribed[i]
  end
end

local alive = {}
for _, member in ipairs(members) do
  local events = prefix .. 'ws:events:' .. member
  redis.call('XADD', events, 'MAXLEN', kept, '*', 'id', id, 'owner', owner, 'job', job, 'traceparent', traceparent, 'time', at)
  redis.call('PEXPIRE', events, keptMs)

  local sockets = prefix .. 'ws:sockets:' .. member
  local held = redis.call('HGETALL', sockets)
  local told = {}
  for i = 1, #held, 2 do
    local instance = held[i + 1]:match('^%S+')
    if alive[instance] == nil then alive[instance] = redis.call('EXISTS', prefix .. 'ws:instance:' .. instance) == 1 end
    if not alive[instance] then
      redis.call('HDEL', sockets, held[i])
    elseif not told[instance] then
      told[instance] = true
      redis.call('PUBLISH', prefix .. 'ws:wake:' .. instance, member)
    end
  end
end
return #members
