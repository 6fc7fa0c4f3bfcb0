-- The README is true: its programs run, and its tables name what there is.

local socket = require'socket2'
local thread = require'socket2.thread'
local process = require'process'
local spec = require'spec'

local readme = assert(process.read'README.md')

-- The Lua blocks as files, with a port that is free here.
local port = process.free_port()
local scripts = {}
for block in readme:gmatch'```lua\n(.-)```' do
	local path = os.tmpname()
	local f = assert(io.open(path, 'w'))
	f:write((block:gsub('8080', port)))
	f:close()
	scripts[#scripts + 1] = path
end

describe('the README', function()
	local server

	setup(function()
		server = process.start(('timeout 60 tools/run %s'):format(scripts[1]))
		process.wait_for(function()
			return process.output(('nc -z 127.0.0.1 %d && echo up'):format(port)) == 'up\n'
		end)
	end)

	teardown(function()
		server:stop()
		for _, path in ipairs(scripts) do os.remove(path) end
	end)

	it('has a server that serves nc', function()
		assert.equal('hello\n', process.output(('echo hello | timeout 10 nc -N 127.0.0.1 %d'):format(port)))
	end)

	it('has a generator that reads from it', function()
		assert.equal('hello\n', process.output(('timeout 10 tools/run %s 2>&1'):format(scripts[2])))
	end)

	it('has a crowd of threads under a deadline', function()
		local output = process.output(('timeout 20 tools/run %s 2>&1'):format(scripts[3]))
		assert.equal(100, select(2, output:gsub('\n', '\n')))
		assert.not_matches('traceback', output)
	end)

	it('has a server on all processors', function()
		server:stop() -- its port is for this one
		server = process.start(('timeout 60 tools/run %s'):format(scripts[4]))
		process.wait_for(function()
			return process.output(('echo you | timeout 10 nc -N 127.0.0.1 %d 2>&1'):format(port)) == 'hello, you\n'
		end)
	end)

	it('has threads that compute', function()
		local output = process.output(('timeout 60 tools/run %s 2>&1'):format(scripts[5]))
		assert.equal(20, select(2, output:gsub('%d+\t%d+\n', '')))
	end)

	it('runs an example as it says', function()
		assert.matches('icmp_seq=1', process.output'timeout 10 tools/run examples/ping.lua 127.0.0.1 1 2>&1')
	end)

	it('names functions that exist', function()
		local ai = assert(socket.addr'127.0.0.1')
		local objects = {
			socket = socket,
			coro = require'coro',
			ai = ai,
			tcp = assert(socket.tcp()),
			udp = assert(socket.udp()),
			timer = assert(socket.runafter(0, function() end)),
			ts = socket.threadset(),
			event = socket.event(),
			semaphore = socket.semaphore(1),
			queue = socket.queue(),
			thread = thread,
			ch = thread.channel(),
			thr = assert(thread.new'return'),
			server = assert(socket.serve{handler = tostring, host = '127.0.0.1', port = 0, threads = 1}),
		}
		objects.s = objects.tcp
		local named = 0
		for object, name in readme:gmatch'`([%a]+)[.:]([%a_]+)%(' do
			named = named + 1
			assert(objects[object], object)
			assert.equal('function', type(objects[object][name]), object .. '.' .. name)
		end
		assert.is_true(named > 30)
		socket.newthread(function() assert(objects.server:stop()) end)
		assert(socket.start())
	end)

	spec.with('all options', it)('names options that exist', function()
		local list = readme:match'Options by the type.-\n\n(.-)\n\n###'
		local tcp = assert(socket.tcp())
		local udp = assert(socket.udp())
		for words in list:gmatch'`([^`]+)`' do
			for name in words:gmatch'%f[%w_][%a_][%w_]+%f[^%w_]' do
				if words:match'^[%l%d_%s]+$' and name ~= 'false' then
					local known = pcall(tcp.getopt, tcp, name) or udp.group_options[name]
					assert(known, 'no option ' .. name)
				end
			end
		end
	end)
end)
