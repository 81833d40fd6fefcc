-- Notes what a member may hear of topics, as Auth has said, and answers since when it could without a break. That is no longer so once the member was narrowed,
-- or what Auth goes by has changed, while none of its sockets followed the topic: it may have been less meanwhile.
--
-- KEYS  1 the number of the member's last closing or narrowing
--       2 and more, of each topic: what was noted (since which cursor, the last closing or narrowing before Auth was asked, what it may hear, the stamp), and its stream
-- ARGV  1 the last closing or narrowing before Auth was asked   2 for how long (ms)   3 'goes on': a socket has followed them until now
--       4 and more, of each topic: what it may hear, a letter for each kind, and with a blank before it the stamp of Auth's answer
-- Answers a cursor for each topic

local asked, for_ms, goes_on = ARGV[1], ARGV[2], ARGV[3] == 'goes on'
local narrowed = tonumber(redis.call('GET', KEYS[1]) or '0')
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
for i = 2, #KEYS, 2 do
  local has, stamp = ARGV[4 + (i - 2) / 2]:match('^(%a*) (%S*)$')
  local since, last_asked, had, stamped = (redis.call('GET', KEYS[i]) or ''):match('^(%S+) (%d+) (%a*) (%S*)$')
  local holds = since and (goes_on or (tonumber(last_asked) >= narrowed and stamped == stamp)) and covers(had, has)
  if not holds then since = now(KEYS[i + 1]) end
  -- What Auth has said before the last answer is noted no more.
  if not last_asked or tonumber(last_asked) <= tonumber(asked) then
    redis.call('SET', KEYS[i], since .. ' ' .. asked .. ' ' .. has .. ' ' .. stamp, 'PX', for_ms)
  end
  answer[#answer + 1] = since
end
return answer
