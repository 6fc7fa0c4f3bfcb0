-- CPU time of receive'*l' of LuaSocket, or of what stands in its place: prints "line NS", and of a line of
-- 50 MB "long_ms MS" and "long_mb MB", the most memory that the process had.
-- usage: receive.lua [line-bytes]

local socket = require'socket'
local cpu_time = require'bench.cpu_time'

local size = tonumber(arg[1]) or 30
local BUFFER, ROUNDS, WARM_UP, LONG = 16000, 2000, 300, 50e6

local function pair()
	local server = assert(socket.bind('127.0.0.1', 0))
	local _, port = server:getsockname()
	return assert(socket.connect('127.0.0.1', port)), assert(server:accept())
end

local function measure_lines()
	local line = ('x'):rep(size - 2) .. '\r\n'
	local count = math.floor(BUFFER / size)
	local block = line:rep(count)
	local c, d = pair()
	local times = {}
	for round = 1, ROUNDS do
		assert(c:send(block))
		local began = cpu_time()
		for _ = 1, count do
			assert(d:receive'*l')
		end
		times[round - WARM_UP] = (cpu_time() - began) / count * 1e9
	end
	table.sort(times)
	print(('line %.1f'):format(times[math.floor(#times / 2)]))
end

local function measure_long_line()
	local server = assert(socket.bind('127.0.0.1', 0))
	local _, port = server:getsockname()
	local source = assert(io.popen(([[exec bash -c '
		exec 3<>/dev/tcp/127.0.0.1/%d
		head -c %d /dev/zero >&3; echo >&3; read -r -u 3']]):format(port, LONG), 'w'))
	local d = assert(server:accept())
	local began = cpu_time()
	assert(#assert(d:receive'*l') == LONG)
	print(('long_ms %.0f'):format((cpu_time() - began) * 1e3))
	for line in io.lines'/proc/self/status' do
		local kb = line:match'^VmHWM:%s*(%d+)'
		if kb then
			print(('long_mb %.0f'):format(kb / 1024))
		end
	end
	d:close()
	source:close()
end

measure_long_line()
measure_lines()
os.exit(0)
