-- The UDP echo server on socket2: one thread on one socket, and one address for all senders.
-- usage: udp_echo_server.lua [message-bytes]

local ffi = require'ffi'
local socket = require'socket2'

local size = (tonumber(arg[1]) or 64) + 1
local buf = ffi.new('char[?]', size)

local s = assert(socket.udp())
assert(s:bind('127.0.0.1', 0))
print('port ' .. s:localaddr():port())
io.stdout:flush()

socket.newthread(function()
	local sender = s:localaddr()
	while true do
		local n = assert(s:recv(buf, size, nil, sender))
		assert(s:send(buf, n, sender))
	end
end)

socket.start()
