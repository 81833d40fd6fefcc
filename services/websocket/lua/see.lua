-- Notes what a member may hear of topics, as Auth has said, and answers since when it could without a break. That is no longer so once it was narrowed
-- while none of its sockets followed the topic: it may have been less meanwhile.
--
-- KEYS  1 the number of the member's last closing or narrowing   2 that of the last narrowing of all
--       3 and more, of each topic: what was noted (since which cursor, the last closing or narrowing before Auth was asked, what it may hear), and its stream
-- ARGV  1 the last closing or narrowing before Auth was asked   2 for how long (ms)   3 'goes on': a socket has followed them until now
--       4 and more: what it may hear of each topic, a letter for each kind
-- Answers a cursor for each topic

local asked, for_ms, goes_on = ARGV[1], ARGV[2], ARGV[3] == 'goes on'
local narrowed = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(redis.call('GET', KEYS[2]) or '0'))
local time = redis.call('TIME')
local before = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - 1)

local function covers(had, has)
  for letter in has:gmatch('.') do
    if not had:find(letter, 1, true) then return false end
  end
  return true
end

-- As of who takes a topic up (take-up.lua).
local function now(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if last and tonumber(last[1]:match('^%d+')) >= tonumber(before) then return last[1] end
  return before .. '-0'
end

local answer = {}
for i = 3, #KEYS, 2 do
  local has = ARGV[4 + (i - 3) / 2]
  local since, last_asked, had = (redis.call('GET', KEYS[i]) or ''):match('^(%S+) (%d+) (%a*)$')
  local holds = since and (goes_on or tonumber(last_asked) >= narrowed) and covers(had, has)
  if not holds then since = now(KEYS[i + 1]) end
  -- What Auth has said before the last answer is noted no more.
  if not last_asked or tonumber(last_asked) <= tonumber(asked) then
    redis.call('SET', KEYS[i], since .. ' ' .. asked .. ' ' .. has, 'PX', for_ms)
  end
  answer[#answer + 1] = since
end
return answer
