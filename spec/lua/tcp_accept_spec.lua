-- Accepting connections.

local bit = require'bit'
local socket = require'socket2'
local connections = require'connections'
local spec = require'spec'

local fails, go, pair, listener, buffer, turn, runs =
	spec.fails, spec.go, spec.pair, spec.listener, spec.buffer, spec.turn, spec.runs
local close, accepted, reset = connections.close, connections.accepted, connections.reset

describe('tcp:accept', function()

	runs("gives the connection and the peer's address", function()
		local s, port = listener()
		local connection = accepted(s)
		local c = assert(socket.tcp())
		assert(c:connect('127.0.0.1', port))
		local d, a = connection()
		assert.equal(c:localaddr():tostring(), a:tostring())
		assert.equal(c:localaddr():tostring(), d:remoteaddr():tostring())
		assert.equal(c:remoteaddr():tostring(), d:localaddr():tostring())
		assert.same({'tcp', 'inet', 'tcp'}, {a:type(), a:family(), a:protocol()})
		assert.same({'tcp', 'inet', 'tcp'}, {d:type(), d:family(), d:protocol()})
		close(s, c, d)
	end)

	runs('takes connections that came before it, in their order', function()
		local s, port = listener()
		local clients = {}
		for i = 1, 5 do
			clients[i] = assert(socket.tcp())
			assert(clients[i]:connect('127.0.0.1', port))
		end
		for i = 1, 5 do
			local d, a = assert(s:accept())
			assert.equal(clients[i]:localaddr():tostring(), a:tostring())
			d:close()
		end
		close(s, unpack(clients))
	end)

	runs('gives sockets that are close-on-exec, non-blocking and without delay', function()
		local O_NONBLOCK, O_CLOEXEC = 0x800, 0x80000
		for _, family in ipairs{'inet', 'inet6'} do
			local c, d = pair(family)
			for _, s in ipairs{c, d} do
				local f = assert(io.open('/proc/self/fdinfo/' .. s:fd()))
				local flags = tonumber(f:read'*a':match'flags:%s*(%d+)', 8)
				f:close()
				assert.equal(O_NONBLOCK, bit.band(flags, O_NONBLOCK))
				assert.equal(O_CLOEXEC, bit.band(flags, O_CLOEXEC))
				assert.is_true(s:getopt'tcp_nodelay')
			end
			close(c, d)
		end
	end, '/proc')

	runs('fails on a socket that does not listen', function()
		local s = assert(socket.tcp())
		fails('not_listening', s:accept())
		assert(s:bind('127.0.0.1', 0))
		fails('not_listening', s:accept())
		s:close()
		local c, d = pair()
		fails('not_listening', c:accept())
		close(c, d)
	end)

	runs('gives a connection that was reset in the queue, which then fails', function()
		local s, port = listener()
		local c = assert(socket.tcp())
		assert(c:connect('127.0.0.1', port))
		reset(c)
		turn()
		local e = spec.windows and assert(socket.tcp())
		if e then
			assert(e:connect('127.0.0.1', port))
		end
		local d = assert(s:accept())
		if e and d:remoteaddr() then -- Windows may go on to the next
			assert.equal(tostring(e:localaddr()), tostring(d:remoteaddr()))
		else
			fails('connection_reset', d:recv(buffer(1), 1))
		end
		close(d, s)
		if e then e:close() end
	end)

	runs('waits for those that were called before', function()
		local s, port = listener()
		local first, second = accepted(s), accepted(s)
		local c, e = assert(socket.tcp()), assert(socket.tcp())
		assert(c:connect('127.0.0.1', port))
		assert(e:connect('127.0.0.1', port))
		local d, f = first(), second()
		assert.equal(tostring(c:localaddr()), tostring(d:remoteaddr()))
		assert.equal(tostring(e:localaddr()), tostring(f:remoteaddr()))
		close(s, c, d, e, f)
	end)

	runs('is woken by close', function()
		local s = listener()
		local waiting = go(function() return s:accept() end)
		turn()
		assert.is_false(waiting'done?')
		s:close()
		fails('closed', waiting())
	end)

	it('outside a thread raises, as all I/O does', function()
		local s = listener()
		local calls = {
			accept = {}, connect = {'127.0.0.1', 1}, send = {'x'}, recv = {buffer(1), 1},
		}
		for name, args in pairs(calls) do
			local ok, err = pcall(function()
				local r = s[name](s, unpack(args))
				return r
			end)
			assert.is_false(ok)
			assert.matches(name .. '%(%) outside a socket thread', err)
			assert.matches('^[^:]*tcp_accept_spec%.lua:%d+: ', err)
		end
		s:close()
	end)

end)
