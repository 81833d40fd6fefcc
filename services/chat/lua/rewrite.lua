-- Keeps a message as it is after a change.
-- KEYS: 1 messages, 2 unarchived, 3 outbox, 4 epoch
-- ARGV: 1 sequence, 2 its version before, 3 the message as JSON without its version, 4 room, 5 message, 6 the event's type, 7 the event's ID,
--   8 its trace, 9 its time, ms, 10 a version that it must have at least
-- Answers the message as JSON; nothing: it is another version by now, or not here.
local before = redis.call('HGET', KEYS[1], ARGV[1])
if not before or string.match(before, '"version":(%d+)') ~= ARGV[2] then return false end
-- Of no version that an earlier epoch may have given.
local epoch = tonumber(redis.call('HGET', KEYS[4], 'number'))
local version = string.format('%.0f', math.max(tonumber(ARGV[2]) + 1, epoch * 1000, tonumber(ARGV[10])))
local message = '{"version":' .. version .. ',' .. string.sub(ARGV[3], 2)
emit(KEYS[3], ARGV[7], ARGV[8], ARGV[9], 'message', ARGV[5], version, ARGV[6],
  '{"messageId":"' .. ARGV[5] .. '","roomId":"' .. ARGV[4] .. '","version":' .. version .. ',"message":' .. message .. '}', ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], message)
redis.call('ZADD', KEYS[2], ARGV[9], ARGV[4] .. '/' .. ARGV[1])
return message
