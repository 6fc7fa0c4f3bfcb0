-- CPU time of a line that is in the buffer: prints "NAME NS" for each kind of read.
-- usage: lines.lua [line-bytes]

local socket = require'socket2'
local cpu_time = require'bench.cpu_time'

local size = tonumber(arg[1]) or 30
local BUFFER, ROUNDS, WARM_UP = 16000, 3000, 300

local line = ('x'):rep(size - 2) .. '\r\n'
local count = math.floor(BUFFER / size)
local block = line:rep(count)

local server = assert(socket.tcp())
assert(server:listen('127.0.0.1', 0))

socket.newthread(function()
	local c = assert(socket.connect(server:localaddr()))
	local d = assert(server:accept())

	local function measure(name, read)
		local times = {}
		for round = 1, ROUNDS do
			assert(c:send(block))
			assert(d:peek(#block)) -- all of it is in the buffer
			local began = cpu_time()
			read(count)
			times[round - WARM_UP] = (cpu_time() - began) / count * 1e9
		end
		table.sort(times)
		print(('%s %.1f'):format(name, times[math.floor(#times / 2)]))
	end

	measure('readline', function(n) for _ = 1, n do d:readline() end end)
	local next_line = d:lines()
	measure('lines', function(n) for _ = 1, n do next_line() end end)
	measure('readuntil', function(n) for _ = 1, n do d:readuntil'\n' end end)
	measure('read', function(n) for _ = 1, n do d:read(size) end end)
	os.exit(0)
end)

socket.start()
