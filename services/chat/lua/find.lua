-- A message of a room, for who is in it.
-- KEYS: 1 members, 2 messages, 3 ids
-- ARGV: 1 member, or '': the service itself asks, 2 message
-- Answers { what the member is in the room, JSON of the message or '' }; nothing: it is not in the room.
local place = ARGV[1] == '' and '{"owner":true}' or redis.call('HGET', KEYS[1], ARGV[1])
if not place then return false end
local sequence = redis.call('HGET', KEYS[3], ARGV[2])
return { place, sequence and redis.call('HGET', KEYS[2], sequence) or '' }
