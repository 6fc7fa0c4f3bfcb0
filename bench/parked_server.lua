-- Keeps every connection in a thread that waits in recv with its own buffer, or in readline.
-- usage: parked_server.lua warm-up-connections connections recv|readline
--
-- After the connections of the warm-up, and again after the measured ones, one more connection comes as
-- a signal: the server then collects its garbage and prints "parked N heap KB", the number of threads
-- that wait and the size of the Lua heap.

local ffi = require'ffi'
local socket = require'socket2'

local warm_up = tonumber(arg[1])
local count = tonumber(arg[2])
local size = 64
local lines = arg[3] == 'readline'
local parked = 0

local function serve(c)
	local buf = not lines and ffi.new('char[?]', size)
	parked = parked + 1
	while true do
		local got
		if lines then
			got = c:readline()
		else
			got = c:recv(buf, size)
		end
		if not got or got == 0 then break end
	end
	parked = parked - 1
	c:close()
end

local function report()
	-- Twice: the second round collects what a finalizer of the first one has released.
	collectgarbage()
	collectgarbage()
	print(('parked %d heap %d'):format(parked, collectgarbage'count'))
	io.stdout:flush()
end

local s = assert(socket.tcp())
assert(s:listen('127.0.0.1', 0))
print('port ' .. s:localaddr():port())
io.stdout:flush()

socket.newthread(function()
	for _, n in ipairs{warm_up, count} do
		for _ = 1, n do
			local c = assert(s:accept())
			socket.newthread(serve, c)
		end
		local signal = assert(s:accept())
		report()
		signal:close()
	end
	s:accept()
end)

socket.start()
