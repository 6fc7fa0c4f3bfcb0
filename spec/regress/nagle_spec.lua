-- A request that is sent in two parts does not wait for the acknowledgement of the first: TCP sockets send at
-- once, those that connect like those that were accepted. In LuaSocket's place it is as there.

local socket = require'socket2'
local classic = require'socket2.luasocket.tcp'
local process = require'process'
local spec = require'spec'

local LOOPBACK = {inet = '127.0.0.1', inet6 = '::1'}

describe('Nagle\'s delay', function()

	it('is off on both ends', spec.threaded(function()
		for family, ip in pairs(LOOPBACK) do
			local a, b = spec.pair(family)
			assert.is_true(a:getopt'tcp_nodelay')
			assert.is_true(b:getopt'tcp_nodelay')
			a:close()
			b:close()
			local s, port = spec.listener(ip, family)
			local c = assert(socket.connect(ip, port))
			assert.is_true(c:getopt'tcp_nodelay')
			c:close()
			s:close()
		end
	end))

	it('stays on where the program wants it, whichever address answers', spec.threaded(function()
		local s, port = spec.listener()
		local refuses = spec.listener()
		local there = assert(socket.addr(refuses:localaddr():ip(), refuses:localaddr():port()))
		refuses:close()
		for _, ai in ipairs{s:localaddr(), there} do
			local c = assert(socket.tcp'inet')
			assert(c:setopt('tcp_nodelay', false))
			c:connect(ai)
			assert.is_false(c:getopt'tcp_nodelay')
			c:close()
		end
		local c = assert(socket.tcp())
		assert(c:setopt('tcp_nodelay', false))
		assert(c:connect('localhost', port))
		assert.is_false(c:getopt'tcp_nodelay')
		c:close()
		s:close()
	end))

	spec.with('unix sockets', it)('is nothing that unix sockets know', spec.threaded(function()
		local s = assert(socket.tcp'unix')
		spec.fails('not_supported', s:getopt'tcp_nodelay')
		s:close()
	end))

	it('is as in the original on its objects', function()
		for _, family in ipairs{'inet', 'inet6', false} do
			local server = assert(classic.tcp(family or nil))
			local ip = LOOPBACK[family or 'inet']
			assert(server:bind(ip, 0))
			assert(server:listen())
			local _, port = server:getsockname()
			for _, wanted in ipairs{false, true} do
				local c = assert(classic.tcp(family or nil))
				if family and wanted then
					assert(c:setoption('tcp-nodelay', true))
				end
				assert(c:connect(ip, port))
				assert.equal(family and wanted or false, c:getoption'tcp-nodelay')
				assert(c:setoption('tcp-nodelay', true))
				assert.is_true(c:getoption'tcp-nodelay')
				c:close()
			end
			server:close()
		end
	end)

	-- setsockopt() once for a tcp socket and for a connection, and never for a unix socket.
	it('costs a system call a socket, and none for unix sockets', function()
		if jit.os ~= 'Linux' or process.output'command -v strace' == '' then
			return pending'needs strace'
		end
		local function calls(code)
			local path = os.tmpname()
			spec.luajit(code, 'strace -f -e trace=setsockopt -o ' .. path)
			local _, n = process.read(path):gsub('setsockopt%(', '')
			os.remove(path)
			return n
		end
		local template = [[
			local socket = require'socket2'
			socket.newthread(function()
				local s = assert(socket.tcp'%s')
				%s
				s:close()
			end)
			socket.start()]]
		assert.equal(0, calls(template:format('unix', '')))
		assert.equal(1, calls(template:format('inet', 's:connect("127.0.0.1", 1)')))
	end)
end)
