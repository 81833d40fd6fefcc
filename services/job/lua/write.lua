-- Writes one job: its hash, the member's index, that of unfinished jobs, its idempotency key, its place among the jobs
-- under way, all their lifetimes, its event in the outbox, and the wake-up of those who await it. All of it or nothing, and only
-- if the job still has the version that the change was computed from.
--
-- KEYS  1 the job   2 the member's jobs by creation   3 the same by expiry   4 outbox
--       5 the member's jobs under way   6 those of them on the same aggregate: each by the time its place lapses
--       7 the member's token bucket: when it will be full (ms); a full one is not there
--       8 everybody's unfinished jobs by the time of their last change   9 idempotency key, if there is one
-- ARGV  1 job ID   2 version expected ('0': none yet)   3 created at (ms)   4 expires at (ms)
--       5 hash fields (JSON list)   6 what `emit` takes of the event (JSON list), or ''   7 channel to wake, or ''
--       8 prefix of job keys   9 fingerprint   10 how long it holds its place from now on (ms), or '' for no longer
--       11 places of the member   12 places on the aggregate   13 new jobs at once   14 then one every so many ms
--       15 changed at (ms), or '' once it is final   16 as how many new jobs it counts
-- Answers {'written'}, {'stale'}, {'reused', job ID}, {'conflict'}, {'member full'}, {'aggregate full'} or
--       {'too fast', ms until the next may be issued}

local job, byCreation, byExpiry, outbox, ofMember, onAggregate, bucket, unfinished, key = unpack(KEYS)
local id, expected, createdAt, expiresAt, holds = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[10]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A place that lapsed is free, also if its job goes on. Lapsed places are removed only below: Redis refuses a script
-- for a full store only until its first write, and would then accept the whole job.
local function taken(places) return redis.call('ZCOUNT', places, '(' .. now, '+inf') end

if (redis.call('HGET', job, 'version') or '0') ~= expected then return { 'stale' } end

if key and expected == '0' then
  local known = redis.call('HMGET', key, 'job', 'fingerprint')
  if known[1] and redis.call('EXISTS', ARGV[8] .. known[1]) == 1 then
    if known[2] ~= ARGV[9] then return { 'conflict' } end
    return { 'reused', known[1] }
  end
end

-- A lost job that is written again at its end needs no place.
if expected == '0' and holds ~= '' then
  if taken(onAggregate) >= tonumber(ARGV[12]) then return { 'aggregate full' } end
  if taken(ofMember) >= tonumber(ARGV[11]) then return { 'member full' } end
  local every = tonumber(ARGV[14])
  local left = math.max((redis.call('GET', bucket) or now) - now, 0)
  -- What would never fit in takes all there is.
  local cost = math.min(ARGV[16], ARGV[13])
  local wait = left - (ARGV[13] - cost) * every
  if wait > 0 then return { 'too fast', tostring(wait) } end
  left = left + cost * every
  redis.call('SET', bucket, now + left, 'PX', left)
end

if key then
  redis.call('HSET', key, 'job', id, 'fingerprint', ARGV[9])
  redis.call('PEXPIREAT', key, expiresAt)
end

redis.call('HSET', job, unpack(cjson.decode(ARGV[5])))
redis.call('PEXPIREAT', job, expiresAt)

for _, places in ipairs({ ofMember, onAggregate }) do
  redis.call('ZREMRANGEBYSCORE', places, '-inf', now)
  if holds == '' then
    redis.call('ZREM', places, id)
  else
    redis.call('ZADD', places, now + holds, id)
    redis.call('PEXPIRE', places, holds)
  end
end

if ARGV[15] == '' then
  redis.call('ZREM', unfinished, id)
else
  redis.call('ZADD', unfinished, ARGV[15], id)
end

redis.call('ZADD', byCreation, createdAt, id)
redis.call('ZADD', byExpiry, expiresAt, id)
-- Expired jobs leave the index here, more of them than are added, so that it can't grow for ever.
local gone = redis.call('ZRANGEBYSCORE', byExpiry, '-inf', now, 'LIMIT', 0, 20)
if #gone > 0 then
  redis.call('ZREM', byCreation, unpack(gone))
  redis.call('ZREM', byExpiry, unpack(gone))
end
local last = redis.call('ZREVRANGE', byExpiry, 0, 0, 'WITHSCORES')[2]
if last then
  redis.call('PEXPIREAT', byCreation, last)
  redis.call('PEXPIREAT', byExpiry, last)
end

if ARGV[6] ~= '' then emit(outbox, unpack(cjson.decode(ARGV[6]))) end
if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[7], id) end
return { 'written' }
