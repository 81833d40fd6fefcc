-- Renews the lease of an instance, whose value says how often it had lapsed when it was taken. So a lapse of which the instance did not hear,
-- as the answer was lost, is one when it comes again.
--
-- KEYS  1 the lease
-- ARGV  1 how often it has lapsed before   2 for how long (ms)
-- Answers 1; 0: there was none, or one that the instance does not know of, which is a lapse more

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
redis.call('SET', KEYS[1], string.format('%.0f', tonumber(ARGV[1]) + 1), 'PX', ARGV[2])
return 0
