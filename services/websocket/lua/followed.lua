-- Begins a narrowing of those who follow some of all groups: what Auth allowed before, to whomever, is no reason any more to follow something
-- (subscribe.lua). So who follows one of them by that is found from now on.
--
-- KEYS  1 the number of the last closing or narrowing   2 that of the last narrowing of all   3 the members who follow what is others' (until when in ms)
-- ARGV  1 for how long its number is remembered (ms)
-- Answers 1 if anybody follows what is others', else 0

local time = redis.call('TIME')
local next = tonumber(redis.call('GET', KEYS[1]) or '0') + 1
local number = string.format('%.0f', math.max(next, time[1] * 1000000 + time[2]))
redis.call('SET', KEYS[1], number)
redis.call('SET', KEYS[2], number, 'PX', ARGV[1])
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return redis.call('ZCOUNT', KEYS[3], now, '+inf') > 0 and 1 or 0
