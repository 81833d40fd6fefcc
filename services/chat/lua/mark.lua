-- Notes up to where a member has read; never back.
-- KEYS: 1 members, 2 log, 3 read
-- ARGV: 1 member, 2 sequence
-- Answers { mark, last, gaps }; nothing: who asks is not in the room. A mark that is too far is not noted.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
local last, gaps = unpack(redis.call('HMGET', KEYS[2], 'last', 'gaps'))
local mark = redis.call('HGET', KEYS[3], ARGV[1]) or '0'
if tonumber(ARGV[2]) <= tonumber(last) and tonumber(ARGV[2]) > tonumber(mark) then
  mark = ARGV[2]
  redis.call('HSET', KEYS[3], ARGV[1], mark)
end
return { mark, last, gaps or '' }
