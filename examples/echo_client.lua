-- Sends lines to an echo server and prints what comes back.
-- usage: echo_client.lua port [host] [line ...]

local ffi = require'ffi'
local socket = require'socket2'

local port, host = assert(tonumber(arg[1]), 'port expected'), arg[2] or '127.0.0.1'
local lines = #arg > 2 and {unpack(arg, 3)} or {'hello', 'world'}

socket.newthread(function()
	local s = assert(socket.tcp())
	assert(s:connect(host, port))
	-- one thread writes, this one reads: neither waits for the other
	socket.newthread(function()
		for _, line in ipairs(lines) do
			assert(s:send(line .. '\n'))
		end
		assert(s:shutdown'w')
	end)
	local buf = ffi.new'char[4096]'
	while true do
		local n = assert(s:recv(buf, 4096))
		if n == 0 then break end
		io.write(ffi.string(buf, n))
	end
	s:close()
end)
socket.start()
