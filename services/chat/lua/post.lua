-- Adds a message to a room.
-- KEYS: 1 members, 2 log, 3 messages, 4 ids, 5 read, 6 unarchived, 7 outbox, 8 epoch
-- ARGV: 1 member, 2 message, 3 the message as JSON without its sequence, 4 room, 5 the message that it answers, or '',
--   6 the event's ID, 7 its trace, 8 its time, ms, 9 '1': the archive may have this message already
-- Answers { what came of it, JSON }: 'posted', 'repeated', 'given up' where that is to be asked, or the code of the refusal.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return { 'ROOM_NOT_FOUND' } end
local there = redis.call('HGET', KEYS[4], ARGV[2])
if there then return { 'repeated', redis.call('HGET', KEYS[3], there) } end
if ARGV[9] == '1' and redis.call('HGET', KEYS[2], 'archived') then return { 'given up' } end
if ARGV[5] ~= '' and redis.call('HEXISTS', KEYS[4], ARGV[5]) == 0 then return { 'MESSAGE_NOT_FOUND' } end

local epoch = redis.call('HGET', KEYS[8], 'number')
local last, since, gaps = unpack(redis.call('HMGET', KEYS[2], 'last', 'epoch', 'gaps'))
last = tonumber(last)
if since ~= epoch then
  -- What was lost may have had the next numbers: they are given to nobody.
  local after = last + 10000
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'gaps', string.format('%s%.0f-%.0f ', gaps or '', last + 1, after))
  last = after
end
local sequence = string.format('%.0f', last + 1)
local message = '{"sequence":' .. sequence .. ',' .. string.sub(ARGV[3], 2)
emit(KEYS[7], ARGV[6], ARGV[7], ARGV[8], 'message', ARGV[2], 1, 'message.posted',
  '{"messageId":"' .. ARGV[2] .. '","roomId":"' .. ARGV[4] .. '","version":1,"message":' .. message .. '}', ARGV[4])
redis.call('HSET', KEYS[2], 'last', sequence)
redis.call('HSET', KEYS[3], sequence, message)
redis.call('HSET', KEYS[4], ARGV[2], sequence)
redis.call('HSET', KEYS[5], ARGV[1], sequence)
redis.call('ZADD', KEYS[6], ARGV[8], ARGV[4] .. '/' .. sequence)
return { 'posted', message }
