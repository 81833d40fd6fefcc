-- Reads a member's events for one of its sockets, as long as that is registered: one that is not may be of a process that
-- stood still while the member's sockets were closed.
--
-- KEYS  1 the member's sockets   2 the member's events
-- ARGV  1 socket ID   2 after this cursor   3 up to and including this one   4 how many
-- Answers the events, or false when the socket is not registered

local socket, after, last, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('HEXISTS', KEYS[1], socket) == 0 then return false end
return redis.call('XRANGE', KEYS[2], '(' .. after, last, 'COUNT', count)
