-- Whether everything after a cursor is still kept.
--
-- KEYS  1 the member's events
-- ARGV  1 and 2 the cursor's time (ms) and number   3 kept for (ms)
-- Answers 1, or 0: something after it may be gone

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at, number, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- From the future: of another server, or of one that has lost its data.
if at > now then return 0 end

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
-- The events vanish as a whole, `kept` after the last one.
if not first then return at >= now - kept and 1 or 0 end

local firstAt, firstNumber = first[1]:match('^(%d+)-(%d+)$')
firstAt, firstNumber = tonumber(firstAt), tonumber(firstNumber)
if at > firstAt or (at == firstAt and number >= firstNumber) then return 1 end

local info, added, length = redis.call('XINFO', 'STREAM', KEYS[1]), nil, nil
for i = 1, #info, 2 do
  if info[i] == 'entries-added' then added = info[i + 1] end
  if info[i] == 'length' then length = info[i + 1] end
end
if added ~= length then return 0 end
-- Nothing was dropped of these events; earlier ones that vanished were older than `kept` when these began.
return at >= firstAt - kept and 1 or 0
