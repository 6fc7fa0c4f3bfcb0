-- The echo server on the drop-in: LuaSocket's blocking calls, a socket2 thread for each connection.
-- usage: luajit -lsocket2.dropin dropin_socket2.lua [message-bytes]

local socket2 = require'socket2'
local socket = require'socket'

local size = tonumber(arg[1]) or 64

local function serve(c)
	while true do
		local data = c:receive(size)
		if not data or not c:send(data) then break end
	end
	c:close()
end

local server = assert(socket.bind('127.0.0.1', 0, 1024))
local _, port = server:getsockname()
print('port ' .. port)
io.stdout:flush()

socket2.newthread(function()
	while true do
		socket2.newthread(serve, assert(server:accept()))
	end
end)

socket2.start()
