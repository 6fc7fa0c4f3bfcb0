-- The echo server of lines on socket2: one thread for each connection, which reads with readline.
-- usage: line_server.lua [message-bytes]

local socket = require'socket2'

local function serve(c)
	while true do
		local line = c:readline()
		if not line then break end
		if not c:send(line .. '\n') then break end
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
