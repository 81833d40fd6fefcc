-- After which cursors everything is still kept.
--
-- KEYS  1 the member's events
-- ARGV  1 kept for (ms)
-- Answers the oldest of these cursors, and the time of now (ms): a later cursor is of another server, or of one that has lost its data

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = tonumber(ARGV[1])

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
-- The events vanish as a whole, `kept` after the last one.
if not first then return { string.format('%.0f-0', now - kept), string.format('%.0f', now) } end

local info, added, length = redis.call('XINFO', 'STREAM', KEYS[1]), nil, nil
for i = 1, #info, 2 do
  if info[i] == 'entries-added' then added = info[i + 1] end
  if info[i] == 'length' then length = info[i + 1] end
end
if added ~= length then return { first[1], string.format('%.0f', now) } end
-- Nothing was dropped of these events; earlier ones that vanished were older than `kept` when these began.
return { string.format('%.0f-0', tonumber(first[1]:match('^%d+')) - kept), string.format('%.0f', now) }
