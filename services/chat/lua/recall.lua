-- Has a message here again that was left to the archive, so that it can be changed. It is archived once more, and then goes.
-- KEYS: 1 log, 2 messages, 3 ids, 4 unarchived
-- ARGV: 1 sequence, 2 message, 3 its JSON, 4 room, 5 now, ms
if tonumber(ARGV[1]) > tonumber(redis.call('HGET', KEYS[1], 'archived') or 0) then return 0 end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[3]) == 0 then return 0 end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[5], ARGV[4] .. '/' .. ARGV[1])
return 1
