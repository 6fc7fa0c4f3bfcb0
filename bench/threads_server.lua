-- An echo server on several OS threads.
-- usage: threads_server.lua reuseport|handoff|shared threads [message-bytes]
--
-- shared: handoff, with all threads on one epoll. Prints "loads N N ..." (open connections of each thread)
-- for each line of stdin, and ends with stdin.

local ffi = require'ffi'
local socket = require'socket2'

local mode, threads = arg[1], tonumber(arg[2])
-- One byte more than a message: a read that fills its buffer does not show that nothing is left.
local size = (tonumber(arg[3]) or 64) + 1

local server = assert(socket.serve{
	host = '127.0.0.1', port = 0, threads = threads,
	balance = mode == 'reuseport' and mode or 'handoff', share_epoll = mode == 'shared',
	handler = function(c)
		local buf = ffi.new('char[?]', size)
		while true do
			local n = c:recv(buf, size)
			if not n or n == 0 then break end
			if not c:send(buf, n) then break end
		end
	end,
})
print('port ' .. server:addr():port())
io.stdout:flush()

socket.newthread(function()
	local stdin = assert(socket.wrapfd(0))
	while stdin:wait'r' and io.read() do
		print('loads ' .. table.concat(server:loads(), ' '))
		io.stdout:flush()
	end
	os.exit(0)
end)

socket.start()
