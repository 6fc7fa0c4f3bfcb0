-- Sends every datagram back to where it came from.
-- usage: udp_echo.lua [port] [host]            then, for example: nc -u 127.0.0.1 PORT

local ffi = require'ffi'
local socket = require'socket2'

local server = assert(socket.udp())
assert(server:bind(arg[2] or '127.0.0.1', tonumber(arg[1]) or 0))
io.stdout:setvbuf'no'
print(server)

socket.newthread(function()
	local size = 65536
	local buf = ffi.new('char[?]', size)
	while true do
		local n, from = server:recv(buf, size)
		if n then
			print(from, n)
			n, from = server:send(buf, n, from)
		end
		if not n then print(from) end
	end
end)
socket.start()
