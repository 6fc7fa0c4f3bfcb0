-- Listening: where, for which peers and how many.

local socket = require'socket2'
local connections = require'connections'
local spec = require'spec'

local fails, pair, listener, recv_all, runs = spec.fails, spec.pair, spec.listener, spec.recv_all, spec.runs
local close, accepted, dead_port = connections.close, connections.accepted, connections.dead_port

describe('tcp:listen', function()

	local orders = {
		{'host, port', function(s, port) return s:listen('127.0.0.1', port) end},
		{'host, port, backlog', function(s, port) return s:listen('127.0.0.1', port, 5) end},
		{'backlog, host, port', function(s, port) return s:listen(5, '127.0.0.1', port) end},
		{'addr', function(s, port) return s:listen(socket.addr('127.0.0.1', port)) end},
		{'addr, backlog', function(s, port) return s:listen(socket.addr('127.0.0.1', port), 5) end},
		{'backlog, addr', function(s, port) return s:listen(5, socket.addr('127.0.0.1', port)) end},
		{'false, port', function(s, port) return s:listen(false, port) end},
		{'1/0, host, port', function(s, port) return s:listen(1/0, '127.0.0.1', port) end},
		{'host, port, 1/0', function(s, port) return s:listen('127.0.0.1', port, 1/0) end},
		{'host, port, 0', function(s, port) return s:listen('127.0.0.1', port, 0) end},
		{'0, host, port', function(s, port) return s:listen(0, '127.0.0.1', port) end},
	}
	for _, order in ipairs(orders) do
		runs(('takes (%s)'):format(order[1]), function()
			local port = dead_port()
			local s = assert(socket.tcp())
			assert.is_true(order[2](s, port))
			assert.equal('127.0.0.1:' .. port, s:localaddr():tostring())
			local connection = accepted(s)
			local c = assert(socket.tcp())
			assert.is_true(c:connect('127.0.0.1', port))
			close(s, c, (connection()))
		end)
	end

	runs('listens on all interfaces without a host', function()
		for _, args in ipairs{{n = 0}, {n = 2, nil, 0}, {n = 2, '*', 0}, {n = 3, 5, nil, 0}} do
			local s = assert(socket.tcp())
			assert.is_true(s:listen(unpack(args, 1, args.n)))
			local a = s:localaddr()
			assert.equal('0.0.0.0', a:ip())
			assert.is_true(a:port() > 0)
			local c = assert(socket.tcp())
			assert.is_true(c:connect('127.0.0.1', a:port()))
			close(s, c)
		end
	end)

	runs('ignores the address when the socket is bound', function()
		local s = assert(socket.tcp())
		assert.is_true(s:bind('127.0.0.1', 0))
		local a = s:localaddr():tostring()
		assert.is_true(s:listen('1.2.3.4', 1))
		assert.equal(a, s:localaddr():tostring())
		s:close()
	end)

	runs('again changes the backlog', function()
		local s = listener()
		assert.is_true(s:listen(1))
		assert.is_true(s:getopt'acceptconn')
		s:close()
	end)

	-- It could get one that another such socket is about to listen on.
	runs('has no SO_REUSEADDR from a bind to a port that the system picks', function()
		if spec.windows then return end
		local s = assert(socket.tcp())
		assert.is_true(s:bind('127.0.0.1', 0))
		assert.is_false(s:getopt'reuseaddr')
		local port = s:localaddr():port()
		s:close()
		s = assert(socket.tcp())
		assert.is_true(s:bind('127.0.0.1', port))
		assert.is_true(s:getopt'reuseaddr')
		s:close()
	end)

	runs('has SO_REUSEADDR on', function()
		local s, port = listener()
		assert.is_true(s:getopt'reuseaddr')
		-- a connection of the old server, closed by it first, stays in TIME_WAIT
		local connection = accepted(s)
		local c = assert(socket.tcp())
		assert(c:connect('127.0.0.1', port))
		connection():close()
		assert.equal('', recv_all(c))
		close(c, s)
		s = assert(socket.tcp())
		assert.is_true(s:listen('127.0.0.1', port))
		s:close()
	end)

	runs('fails on an address that is in use', function()
		local s, port = listener()
		local s1 = assert(socket.tcp())
		fails('address_already_in_use', s1:listen('127.0.0.1', port))
		close(s, s1)
	end)

	runs('fails on bad addresses', function()
		local s = assert(socket.tcp())
		fails('address_not_available', s:listen('1.2.3.4', 0))
		fails('invalid_port', s:listen('127.0.0.1', 65536))
		fails('address_family_not_supported', s:listen('::1', 0))
		fails('address_family_not_supported', s:listen(socket.addr('::1', 0, 'tcp', 'inet6')))
		fails('address_family_not_supported', s:listen(assert(socket.addr('/x', 0, 'tcp', 'unix'))))
		-- and works after all that
		assert.is_true(s:listen('127.0.0.1', 0))
		s:close()
	end)

	runs('raises for arguments of a wrong type', function()
		local s = assert(socket.tcp())
		for _, args in ipairs{{{}}, {true}, {'127.0.0.1', {}}, {'127.0.0.1', 0, {}}, {'127.0.0.1', 0, 'x'}} do
			assert.error(function() s:listen(unpack(args)) end)
		end
		s:close()
	end)

	runs('works for inet6', function()
		local s, port = listener(nil, 'inet6')
		assert.equal('[::1]:' .. port, s:localaddr():tostring())
		local c, d = pair'inet6'
		assert.equal('::1', c:remoteaddr():ip())
		assert.equal('inet6', d:family())
		close(s, c, d)
	end)

end)
