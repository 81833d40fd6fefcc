-- Writes one job: its hash, the member's index, its idempotency key, all their lifetimes, its event
-- in the outbox, and the wake-up of those who await it. All of it or nothing, and only if the job
-- still has the version that the change was computed from.
--
-- KEYS  1 the job   2 the member's jobs by creation   3 the same by expiry   4 idempotency key, or ''   5 outbox
-- ARGV  1 job ID   2 version expected ('0': none yet)   3 created at (ms)   4 expires at (ms)
--       5 hash fields (JSON list)   6 what `emit` takes of the event (JSON list), or ''   7 channel to wake, or ''
--       8 prefix of job keys   9 fingerprint
-- Answers {'written'}, {'stale'}, {'reused', job ID} or {'conflict'}

local job, byCreation, byExpiry, key, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, expected, createdAt, expiresAt = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if (redis.call('HGET', job, 'version') or '0') ~= expected then return { 'stale' } end

if key ~= '' then
  if expected == '0' then
    local known = redis.call('HMGET', key, 'job', 'fingerprint')
    if known[1] and redis.call('EXISTS', ARGV[8] .. known[1]) == 1 then
      if known[2] ~= ARGV[9] then return { 'conflict' } end
      return { 'reused', known[1] }
    end
  end
  redis.call('HSET', key, 'job', id, 'fingerprint', ARGV[9])
  redis.call('PEXPIREAT', key, expiresAt)
end

redis.call('HSET', job, unpack(cjson.decode(ARGV[5])))
redis.call('PEXPIREAT', job, expiresAt)

redis.call('ZADD', byCreation, createdAt, id)
redis.call('ZADD', byExpiry, expiresAt, id)
-- Expired jobs leave the index here, more of them than are added, so that it can't grow for ever.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
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
