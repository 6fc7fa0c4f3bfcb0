-- Sends back whatever comes, to any number of clients.
-- usage: echo_server.lua [port] [host]          then, for example: nc 127.0.0.1 PORT

local ffi = require'ffi'
local socket = require'socket2'

local function serve(c, addr)
	print(addr, 'connected')
	local buf = ffi.new'char[4096]'
	while true do
		local n, err = c:recv(buf, 4096)
		if not n or n == 0 then
			print(addr, err or 'has gone')
			break
		end
		if not c:send(buf, n) then break end
	end
	c:close()
end

local server = assert(socket.tcp())
assert(server:listen(arg[2] or '127.0.0.1', tonumber(arg[1]) or 0))
io.stdout:setvbuf'no'
print(server)
socket.newthread(function()
	while true do
		local c, addr = server:accept()
		if c then
			socket.newthread(serve, c, addr)
		elseif addr == 'closed' then
			break
		else
			print('accept', addr) -- for example out of descriptors: accept() rests, then goes on
		end
	end
end)
socket.start()
