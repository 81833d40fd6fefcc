-- Lets a member type once more, by the generic cell rate algorithm: at most so many at once, and then one more every so often.
-- KEYS: 1 when all would be given back, ms
-- ARGV: 1 how many at once, 2 how often one more, ms
-- Answers 0; or in how many ms the next one may.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local every = tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + every
local wait = full - now - tonumber(ARGV[1]) * every
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - now))
return 0
