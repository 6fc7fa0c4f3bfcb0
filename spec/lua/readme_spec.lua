-- The README is true: its programs run, its links lead somewhere, and its examples are there.

local socket = require'socket2'
local process = require'process'
local blocks = require'blocks'

local readme = assert(process.read'README.md')

-- The Lua blocks as files, with a port that is free here.
local port = process.free_port()
local programs = blocks.of'README.md'
local scripts = {}
for i, block in ipairs(programs) do
	scripts[i] = os.tmpname()
	local f = assert(io.open(scripts[i], 'w'))
	f:write((block.code:gsub('8080', port)))
	f:close()
end

-- Starts one that serves, and waits until it does.
local function serve(i)
	local server = process.start(('timeout 100 tools/run %s'):format(scripts[i]))
	process.wait_for(function()
		return process.output(('nc -z 127.0.0.1 %d && echo up'):format(port)) == 'up\n'
	end, 30)
	return server
end

-- Runs the client beside it: does it print what the README says?
local function talk()
	local p = {block = programs[2]}
	local path = os.tmpname()
	p.output = process.output(('timeout 30 tools/run %s 2>%s'):format(scripts[2], path))
	p.errors, p.status = process.read(path), 0
	os.remove(path)
	return blocks.failure(p)
end

describe('the README', function()
	local server

	after_each(function()
		if server then
			server:stop()
			server = nil
		end
	end)

	teardown(function()
		for _, path in ipairs(scripts) do os.remove(path) end
	end)

	it('has a server, a client, a server on all processors, and no program else', function()
		assert.equal(3, #programs)
	end)

	it('has a server that serves nc and the client', function()
		server = serve(1)
		assert.equal('hello\n', process.output(('echo hello | timeout 10 nc -N 127.0.0.1 %d'):format(port)))
		assert.is_nil(talk())
	end)

	it('has a server on all processors, which serves the client', function()
		server = serve(3)
		assert.is_nil(talk())
	end)

	it('runs an example as it says', function()
		local raw, err = socket.raw('inet', 'icmp')
		if not raw then
			return pending('raw sockets: ' .. err)
		end
		raw:close()
		assert.matches('icmp_seq=1', process.output'timeout 10 tools/run examples/ping.lua 127.0.0.1 1 2>&1')
	end)

	it('has links that lead somewhere', function()
		assert.is_nil(blocks.bad_link'README.md')
	end)

	it('names examples that exist', function()
		for name in readme:match'%[examples/%].-\n%- ':gmatch'`([%w_]+%.lua)`' do
			assert(process.read('examples/' .. name), name)
		end
	end)
end)
