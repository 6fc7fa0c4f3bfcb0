-- The echo server on socket2: one thread for each connection.
-- usage: echo_server.lua [message-bytes]

local ffi = require'ffi'
local socket = require'socket2'

-- One byte more than a message: a read that fills its buffer does not show that nothing is left.
local size = (tonumber(arg[1]) or 64) + 1

local function serve(c)
	local buf = ffi.new('char[?]', size)
	while true do
		local n = c:recv(buf, size)
		if not n or n == 0 then break end
		if not c:send(buf, n) then break end
	end
	c:close()
end

local s = assert(socket.tcp())
assert(s:listen('127.0.0.1', 0))
print('port ' .. s:localaddr():port())
io.stdout:flush()

socket.newthread(function()
	while true do
		local c = assert(s:accept())
		socket.newthread(serve, c)
	end
end)

socket.start()
