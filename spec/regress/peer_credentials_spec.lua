-- A program could not ask which process is at the other end of a unix socket.

local socket = require'socket2'
local spec = require'spec'

local threaded, fails = spec.threaded, spec.fails
local it_with_unix = spec.with('unix sockets', it)

local function shell(command)
	local f = assert(io.popen(command))
	local text = f:read'*a'
	f:close()
	return tonumber(text)
end

describe('socket:peercred', function()
	it_with_unix('tells the process at the other end', threaded(function()
		local path = os.tmpname()
		os.remove(path)
		local server = assert(socket.tcp'unix')
		assert(server:listen(path))
		local client = assert(socket.tcp'unix')
		fails('not_connected', client:peercred())
		assert(client:connect(path))
		local peer = assert(server:accept())
		for _, s in ipairs{client, peer} do
			local pid, uid, gid = s:peercred()
			assert.is_true(pid == false or pid == spec.pid())
			assert.equal(shell'id -u', uid)
			assert.equal(shell'id -g', gid)
		end
		if jit.os == 'Linux' then
			assert.equal(spec.pid(), (client:peercred()))
		end
		client:close()
		fails('closed', client:peercred())
		server:close()
		peer:close()
		os.remove(path)
	end))

	it('is for connected unix streams alone', threaded(function()
		local a, b = spec.pair()
		fails('not_supported', a:peercred())
		a:close()
		b:close()
		local s = assert(socket.udp())
		fails('not_supported', s:peercred())
		s:close()
	end))

	spec.with('unix datagram sockets', it)('has none of a datagram socket', threaded(function()
		local a, b = assert(socket.udp'unix'), assert(socket.udp'unix')
		local path = os.tmpname()
		os.remove(path)
		assert(b:bind(path))
		fails('not_connected', a:peercred())
		assert(a:connect(path))
		fails('not_supported', a:peercred())
		a:close()
		b:close()
		os.remove(path)
	end))
end)
