-- Connecting to real peers, and to none.

local socket = require'socket2'
local connections = require'connections'
local spec = require'spec'

local fails, go, pair, listener, recv_all, turn, runs =
	spec.fails, spec.go, spec.pair, spec.listener, spec.recv_all, spec.turn, spec.runs
local close, accepted, dead_port = connections.close, connections.accepted, connections.dead_port

describe('tcp:connect', function()

	runs('takes a host and port, a name, or an address', function()
		local s, port = listener()
		for _, args in ipairs{
			{'127.0.0.1', port}, {'127.0.0.1', tostring(port)}, {'localhost', port}, {false, port},
			{socket.addr('127.0.0.1', port)}, {s:localaddr()},
		} do
			local connection = accepted(s)
			local c = assert(socket.tcp())
			assert.is_true(c:connect(unpack(args)))
			assert.equal('127.0.0.1:' .. port, c:remoteaddr():tostring())
			close(c, (connection()))
		end
		s:close()
	end)

	runs('goes on from a socket that was bound', function()
		local s, port = listener()
		local c = assert(socket.tcp())
		assert(c:bind('127.0.0.1', 0))
		local a = c:localaddr():tostring()
		assert.is_true(c:connect('127.0.0.1', port))
		assert.equal(a, c:localaddr():tostring())
		close(s, c)
	end)

	runs('fails when nobody listens', function()
		local c = assert(socket.tcp())
		fails('connection_refused', c:connect('127.0.0.1', dead_port()))
		fails('not_connected', c:remoteaddr())
		c:close()
	end)

	runs('can be tried again on the same socket', function()
		local c = assert(socket.tcp())
		for _ = 1, 3 do
			fails('connection_refused', c:connect('127.0.0.1', dead_port()))
		end
		local s, port = listener()
		assert.is_true(c:connect('127.0.0.1', port))
		assert.equal(port, c:remoteaddr():port())
		close(s, c)
	end, 'sockets that connect again')

	runs('fails on bad addresses', function()
		local c = assert(socket.tcp'inet')
		local err = select(2, c:connect('nosuch.invalid', 80))
		assert.is_true(err == 'unknown_host' or err == 'temporary_lookup_failure', err)
		fails('unknown_service', c:connect('127.0.0.1', 'nosuchservice'))
		fails('invalid_port', c:connect('127.0.0.1', -1))
		fails('address_family_not_supported', c:connect('::1', 80))
		fails('address_family_not_supported', c:connect(socket.addr('::1', 80, 'tcp', 'inet6')))
		fails('address_family_not_supported', c:connect(assert(socket.addr('/x', 0, 'tcp', 'unix'))))
		local freed = socket.addr('127.0.0.1', 80)
		freed:free()
		fails('closed', c:connect(freed))
		for _, args in ipairs{{{}, 80}, {80}, {'127.0.0.1', {}}} do
			assert.error(function() c:connect(unpack(args)) end)
		end
		local c6 = assert(socket.tcp'inet6')
		fails('address_family_not_supported', c6:connect('127.0.0.1', 80))
		close(c, c6)
	end)

	runs('fails on a socket that is connected', function()
		local c, d = pair()
		local s, port = listener()
		fails('already_connected', c:connect('127.0.0.1', port))
		fails('already_connected', d:connect('127.0.0.1', port))
		-- the connection is as good as before
		assert.equal(2, c:send'hi')
		assert.equal('hi', recv_all(d, 2))
		close(s, c, d)
	end)

	runs('fails on a listener', function()
		local s, port = listener()
		local v, err = s:connect('127.0.0.1', port)
		assert.is_nil(v)
		assert.equal('string', type(err))
		s:close()
	end)

	runs('that waits is a writer, and woken by close', function()
		-- once the queue of a listener is full, a connect gets no answer
		local s = assert(socket.tcp())
		assert(s:listen('127.0.0.1', 0, 0))
		local queued, c, connecting = {}
		repeat
			assert.is_true(#queued < 20, 'the queue does not get full')
			c = assert(socket.tcp())
			queued[#queued + 1] = c
			connecting = go(c.connect, c, s:localaddr())
			for _ = 1, 20 do turn() end
		until not connecting'done?'
		fails('busy', c:connect(s:localaddr()))
		fails('timeout', c:send('x', nil, socket.clock()))
		c:close()
		fails('closed', connecting())
		close(s, unpack(queued))
	end)

end)
