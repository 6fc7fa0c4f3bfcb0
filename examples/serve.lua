-- An echo server on all processors, which stops gracefully.
-- usage: serve.lua [port] [host]                then, for example: nc 127.0.0.1 PORT
--
-- A line of standard input shows how many connections the thread of each processor has. "stop", or the end
-- of the input, stops the server: open connections have ten seconds to finish.

local ffi = require'ffi'
local socket = require'socket2'

-- Runs in other Lua states, with copies of its upvalues; a module is that state's own copy.
local function echo(c)
	local buf = ffi.new'char[4096]'
	while true do
		local n = c:recv(buf, 4096)
		if not n or n == 0 or not c:send(buf, n) then break end
	end
end

local server = assert(socket.serve{handler = echo,
	host = arg[2] or '127.0.0.1', port = tonumber(arg[1]) or 0})
io.stdout:setvbuf'no'
print(server:addr())

socket.newthread(function()
	local stdin, buf = assert(socket.wrapfd(0)), ffi.new'char[80]'
	repeat
		local n = stdin:recv(buf, 80)
		print('connections: ' .. table.concat(server:loads(), ' '))
	until not n or n == 0 or ffi.string(buf, n):find'stop'
	print(server:stop(socket.clock() + 10) and 'stopped' or 'stopped: some were cut off')
end)
socket.start()
