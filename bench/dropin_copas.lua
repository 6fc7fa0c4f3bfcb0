-- The echo server on copas over LuaSocket.
-- usage: dropin_copas.lua [message-bytes]

local copas = require'copas'
local socket = require'socket'

local size = tonumber(arg[1]) or 64

local server = assert(socket.bind('127.0.0.1', 0, 1024))
local _, port = server:getsockname()
print('port ' .. port)
io.stdout:flush()

copas.addserver(server, function(c)
	c = copas.wrap(c)
	while true do
		local data = c:receive(size)
		if not data or not c:send(data) then break end
	end
end)

copas.loop()
