-- TCP sockets, and unix sockets of the stream kind, against real peers.

local ffi = require'ffi'
local bit = require'bit'
local socket = require'socket2'
local C = require'socket2.lib'.C
local descriptor = require'descriptor'
local spec = require'spec'

local fails = spec.fails

local go, pair, listener, recv_all, buffer, turn =
	spec.go, spec.pair, spec.listener, spec.recv_all, spec.buffer, spec.turn

-- An it() whose function runs in a socket thread.
local function runs(what, f, needs)
	local it = needs and spec.with(needs, it) or it
	it(what, function()
		spec.run(f, 20)
	end)
end

-- Checks results: nil, err and the errcode of that word. Returns what follows.
local function close(...)
	for i = 1, select('#', ...) do
		select(i, ...):close()
	end
end

-- The next results of the listener's accept(), in order.
local function accepted(s)
	return go(function() return assert(s:accept()) end)
end

-- A port where nobody listens.
local function dead_port()
	local s, port = listener()
	s:close()
	return port
end

-- n bytes that differ from place to place.
local function pattern(n)
	local words = ffi.new('uint32_t[?]', math.ceil(n / 4))
	for i = 0, math.ceil(n / 4) - 1 do
		words[i] = i * 2654435761
	end
	return ffi.string(words, n)
end

local function temp_path()
	local path = os.tmpname()
	os.remove(path)
	return path
end

-- Makes the peer's close() a reset.
local function reset(s)
	assert(s:setopt('linger', 0))
	s:close()
end

-- Sends until the system takes no more: over() is then not done until the peer reads.
local function fill(s, size)
	local sending = go(function() return s:send(buffer(size or 2e7)) end)
	for _ = 1, 100 do turn() end
	assert.is_false(sending'done?')
	return sending
end

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
			assert.matches('^[^:]*tcp_spec%.lua:%d+: ', err)
		end
		s:close()
	end)

end)

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

describe('tcp:send', function()

	runs('sends strings, whole or in part', function()
		local c, d = pair()
		for _, t in ipairs{
			{'hello', 'hello'}, {'hello', 'hello', 5}, {'hel', 'hello', 3}, {'a\0b', 'a\0b'}, {'', ''},
			{'', 'hello', 0},
		} do
			local expected, s, len = unpack(t)
			assert.equal(#expected, c:send(s, len))
			assert.equal(expected, recv_all(d, #expected))
		end
		close(c, d)
	end)

	runs('sends any cdata', function()
		local c, d = pair()
		local chars = ffi.new('char[5]', 'hello')
		local point = ffi.new('struct { int32_t x, y; }', 1, 2)
		local const = ffi.cast('const char *', 'hello')
		for _, t in ipairs{
			{'hello', chars},
			{'hel', chars, 3},
			{'hello', ffi.cast('char *', chars), 5},
			{'llo', chars + 2, 3},
			{'hello', const, 5},
			{'hello', ffi.cast('void *', chars), 5},
			{ffi.string(point, 8), point},
			{ffi.string(point, 4), point, 4},
			{ffi.string(point, 8), ffi.new('int32_t[2]', 1, 2)},
			{'\1\0\0\0', ffi.new('int32_t[?]', 1, {1})},
			{'', ffi.new'char[5]', 0},
			{'', ffi.new('char[?]', 0)},
		} do
			local expected, data, len = unpack(t)
			assert.equal(#expected, c:send(data, len))
			assert.equal(expected, recv_all(d, #expected))
		end
		close(c, d)
	end)

	runs('sends a list in order, and keeps what is in it', function()
		local c, d = pair()
		assert.equal(0, c:send{})
		assert.equal(0, c:send{'', ''})
		assert.equal(12, c:send({'three', ' ', '', ffi.new('char[6]', 'slices')}))
		assert.equal('three slices', recv_all(d, 12))
		local list = {}
		for i = 1, 3000 do
			list[i] = tostring(i):rep(i % 11 * 997)
		end
		local all = table.concat(list)
		local n
		local sender = socket.newthread(function() n = c:send(list) end)
		socket.resume(sender)
		for i = 1, #list do
			list[i] = nil
		end
		collectgarbage()
		assert.is_true(recv_all(d, #all) == all)
		spec.wait_until(function() return n end)
		assert.equal(#all, n)
		close(c, d)
	end)

	runs('tells how much of a list was sent when the time is over', function()
		local c, d = pair()
		local list = {}
		for i = 1, 200 do
			list[i] = ('x'):rep(100000)
		end
		local n, err, _, sent = c:send(list, nil, socket.clock() + 0.05)
		assert.same({nil, 'timeout'}, {n, err})
		assert(c:shutdown'w')
		assert.equal(sent, #recv_all(d))
		close(c, d)
	end)

	runs('fails on a length that cannot be', function()
		local c, d = pair()
		assert.equal(4, c:send'good')
		local chars = buffer(8)
		for i, args in ipairs{
			{'hello', 6}, {'hello', -1}, {'hello', 1/0}, {'hello', -1/0}, {'hello', 0/0}, {'', 1},
			{chars, -1}, {chars, 2^31}, {chars, 2^53}, {chars, 2^64}, {chars, 1/0}, {chars, 0/0},
			{nil, 5}, {ffi.cast('char *', nil), 5},
		} do
			local sent = fails('invalid_argument', c:send(unpack(args, 1, 2)))
			assert.equal(0, sent, 'sent of ' .. i)
		end
		-- none of it was sent
		assert(c:shutdown'w')
		assert.equal('good', recv_all(d))
		close(c, d)
	end)

	runs('raises for data of a wrong type', function()
		local c, d = pair()
		local chars = buffer(8)
		for i, args in ipairs{
			{n = 0}, {5}, {5, 1}, {true}, {{}, 1}, {{1}}, {{true}}, {true, 1}, {print, 1},
			{newproxy(), 1}, {io.stdout, 1},
			{ffi.cast('char *', chars)}, {'hello', '5'}, {'hello', {}}, {chars, {}}, {chars, true}, {5LL, 8},
		} do
			assert.error(function() c:send(unpack(args, 1, args.n or #args)) end, nil, 'call ' .. i)
		end
		close(c, d)
	end)

	runs('fails on a socket without a connection', function()
		local s = listener()
		local c = assert(socket.tcp())
		for _, unconnected in ipairs{s, c} do
			local v, err, errcode, sent = unconnected:send'hello'
			assert.is_nil(v)
			assert.is_true(err == 'not_connected' or err == 'broken_pipe', err)
			assert.is_true(errcode < 0)
			assert.equal(0, sent)
		end
		close(s, c)
	end)

	runs('writes all of 20 MB to a slow reader', function()
		local c, d = pair()
		local size = 2e7
		local data = pattern(size)
		local sending = go(function() return c:send(data) end)
		local got, n = buffer(size), 0
		while n < size do
			local r = assert(d:recv(got + n, math.min(size - n, 50000)))
			assert.is_true(r > 0)
			n = n + r
			turn()
		end
		assert.equal(size, sending())
		assert.is_true(ffi.string(got, size) == data)
		close(c, d)
	end)

	runs('tells how much was sent when the peer closes in the middle', function()
		local c, d = pair()
		local sending = fill(c)
		recv_all(d, 1e5)
		d:close()
		local v, err, errcode, sent = sending()
		assert.is_nil(v)
		assert.is_true(err == 'connection_reset' or err == 'broken_pipe', err)
		assert.is_true(errcode < 0)
		assert.is_true(sent >= 1e5 and sent < 2e7, sent)
		c:close()
	end)

	runs('tells how much was sent when its own socket is closed in the middle', function()
		local c, d = pair()
		local sending = fill(c)
		c:close()
		local sent = fails('closed', sending())
		assert.equal(#recv_all(d), sent)
		d:close()
	end)

	runs('does not tell of the bytes of an earlier one', function()
		local c, d = pair()
		assert.equal(5, c:send'hello')
		assert.equal(0, fails('invalid_argument', c:send('hello', 6)))
		local sending = fill(c)
		assert.equal(0, fails('timeout', c:send('hello', nil, socket.clock())))
		assert.equal(0, fails('invalid_argument', c:send('hello', 6)))
		c:close()
		sending()
		d:close()
	end)

	runs('fails after the peer has reset', function()
		local c, d = pair()
		reset(d)
		local sent, err
		spec.wait_until(function()
			sent, err = c:send'hello'
			return not sent
		end)
		assert.is_true(err == 'connection_reset' or err == 'broken_pipe', err)
		fails(spec.windows and 'connection_reset' or 'broken_pipe', c:send'hello')
		c:close()
	end)

end)

describe('tcp:recv', function()

	runs('gives what is there', function()
		local c, d = pair()
		local buf = buffer(100)
		assert(c:send'hello')
		assert.equal(5, d:recv(buf, 100))
		assert.equal('hello', ffi.string(buf, 5))
		-- of the exact size, twice
		for _ = 1, 2 do
			assert(c:send'hello')
			assert.equal(5, d:recv(buf, 5))
		end
		-- less than there is
		assert(c:send'hello')
		assert.equal(2, d:recv(buf, 2))
		assert.equal('he', ffi.string(buf, 2))
		assert.equal(3, d:recv(buf, 100))
		assert.equal('llo', ffi.string(buf, 3))
		close(c, d)
	end)

	runs('waits for what is not there yet', function()
		local c, d = pair()
		local buf = buffer(100)
		local reading = go(function() return d:recv(buf, 100) end)
		turn()
		assert.is_false(reading'done?')
		assert(c:send'hello')
		assert.equal(5, reading())
		close(c, d)
	end)

	runs('takes any buffer, and writes nothing behind its length', function()
		local c, d = pair()
		local t = ffi.new'struct { int32_t a; char c[8]; }'
		assert(c:send'\1\0\0\0abcdefgh')
		assert.equal(4, d:recv(t, 4))
		assert.equal(1, t.a)
		assert.equal(3, d:recv(t.c, 3))
		assert.equal('abc', ffi.string(t.c))
		assert.equal(2, d:recv(ffi.cast('void *', t.c), 2))
		assert.equal('dec', ffi.string(t.c))
		assert.equal(1, d:recv(ffi.new'char[1]', 1.0))
		close(c, d)
	end)

	runs('gives one byte at a time', function()
		local c, d = pair()
		local data = pattern(2000)
		assert(c:send(data))
		assert(c:shutdown'w')
		local buf, bytes = buffer(1), {}
		while assert(d:recv(buf, 1)) == 1 do
			bytes[#bytes + 1] = ffi.string(buf, 1)
		end
		assert.equal(data, table.concat(bytes))
		close(c, d)
	end)

	runs('gives 0 at the end of the stream, again and again', function()
		local c, d = pair()
		assert(c:send'hello')
		c:close()
		assert.equal('hello', recv_all(d))
		for _ = 1, 3 do
			assert.equal(0, d:recv(buffer(10), 10))
		end
		d:close()
	end)

	runs('that waits gets the end of the stream', function()
		local c, d = pair()
		local reading = go(function() return d:recv(buffer(10), 10) end)
		turn()
		c:close()
		assert.equal(0, reading())
		d:close()
	end)

	runs('gets the data and the end that came together', function()
		for size = 1, 10 do
			local c, d = pair()
			local reading = go(recv_all, d)
			assert(c:send(('x'):rep(size)))
			c:close()
			assert.equal(size, #reading())
			d:close()
		end
	end)

	runs('fails on a length or buffer that cannot be', function()
		local c, d = pair()
		assert(c:send'hello')
		local buf = buffer(8)
		for _, len in ipairs{0, -1, 2^31, 2^53, 2^64, 1/0, -1/0, 0/0, 0.5} do
			fails('invalid_argument', d:recv(buf, len))
		end
		fails('invalid_argument', d:recv(nil, 5))
		fails('invalid_argument', d:recv(ffi.cast('char *', nil), 5))
		assert.equal('hello', recv_all(d, 5))
		close(c, d)
	end)

	runs('raises for arguments of a wrong type', function()
		local c, d = pair()
		assert(c:send'hello')
		local buf = buffer(8)
		for i, args in ipairs{
			{'a string', 5}, {{}, 5}, {5, 5}, {true, 5}, {print, 5}, {5LL, 5}, {newproxy(), 5}, {io.stdout, 5},
			{ffi.cast('char *', buf)}, {buf, {}}, {buf, 'x'}, {buf, true}, {ffi.cast('const char *', buf), 5},
		} do
			assert.error(function() d:recv(unpack(args)) end, nil, 'call ' .. i)
		end
		assert.equal('hello', recv_all(d, 5))
		close(c, d)
	end)

	runs('fails on a socket without a connection', function()
		local c = assert(socket.tcp())
		fails('not_connected', c:recv(buffer(1), 1))
		c:close()
		local s = listener()
		fails('not_connected', s:recv(buffer(1), 1))
		s:close()
	end)

	runs('is told of a reset, and does not hang after it', function()
		for _, waits in ipairs{true, false} do
			local c, d = pair()
			local function read()
				return d:recv(buffer(10), 10)
			end
			local reading = waits and go(read)
			turn()
			reset(c)
			turn()
			if reading then
				fails('connection_reset', reading())
			else
				fails('connection_reset', read())
			end
			for _ = 1, 3 do
				local n = read()
				assert.is_true(n == 0 or n == nil)
			end
			d:close()
		end
	end)

end)

describe('a TCP connection', function()

	runs('carries data in both directions at once, in two threads per side', function()
		local c, d = pair()
		local data = pattern(4e6)
		local function flow(from, to)
			return go(function() return from:send(data) end), go(recv_all, to, #data)
		end
		local sent1, got1 = flow(c, d)
		local sent2, got2 = flow(d, c)
		assert.equal(#data, sent1())
		assert.equal(#data, sent2())
		assert.is_true(got1() == data)
		assert.is_true(got2() == data)
		close(c, d)
	end)

	runs('has one reader at a time', function()
		local c, d = pair()
		local buf = buffer(10)
		local reading = go(function() return d:recv(buf, 10) end)
		turn()
		fails('busy', d:recv(buffer(10), 10))
		assert.equal(2, d:send'hi') -- who writes is not hindered
		assert.equal('hi', recv_all(c, 2))
		assert(c:send'hello')
		assert.equal(5, reading())
		assert.equal('hello', ffi.string(buf, 5))
		close(c, d)
	end)

	runs('has one writer at a time', function()
		local c, d = pair()
		local sending = fill(c, 1e7)
		local second = go(c.send, c, 'hello')
		assert(d:send'hi') -- who reads is not hindered
		assert.equal('hi', recv_all(c, 2))
		assert.equal(1e7, #recv_all(d, 1e7))
		assert.equal(1e7, sending())
		assert.equal('hello', recv_all(d, 5))
		assert.equal(5, second())
		close(c, d)
	end)

	runs('that is closed wakes its reader and its writer', function()
		local c, d = pair()
		local sending = fill(c)
		local reading = go(function() return c:recv(buffer(10), 10) end)
		turn()
		assert.is_false(reading'done?')
		c:close()
		fails('closed', sending())
		fails('closed', reading())
		d:close()
	end)

	runs('may be closed by another thread that the same batch of events resumes', function()
		-- whose event comes first closes the other's socket, whose data has come too
		local c1, d1 = pair()
		local c2, d2 = pair()
		local first = go(function()
			local n = d1:recv(buffer(10), 10)
			d2:close()
			return n
		end)
		local second = go(function()
			local n, err = d2:recv(buffer(10), 10)
			d1:close()
			return n or err
		end)
		turn()
		assert(c1:send'hello')
		assert(c2:send'hello')
		local r1, r2 = first(), second()
		assert.is_true(r1 == 5 or r1 == nil)
		assert.is_true(r2 == 5 or r2 == 'closed')
		close(c1, c2)
	end)

	runs('can be closed twice, by both sides', function()
		local c, d = pair()
		for _ = 1, 2 do
			assert.is_true(c:close())
			assert.is_true(d:close())
		end
	end)

	runs('that is closed gives errors', function()
		local c, d = pair()
		close(c, d)
		-- new sockets get its descriptor, but not its handle
		local s, port = listener()
		for name, args in pairs{
			bind = {'127.0.0.1', 0}, listen = {'127.0.0.1', 0}, accept = {}, connect = {'127.0.0.1', port},
			send = {'hello'}, recv = {buffer(10), 10}, shutdown = {'rw'}, localaddr = {}, remoteaddr = {},
			fd = {}, setopt = {'keepalive', true}, getopt = {'keepalive'},
		} do
			local v, err, errcode = c[name](c, unpack(args))
			assert.is_nil(v, name)
			assert.equal('closed', err, name)
			assert.equal(C.SOCKET2_ECLOSED, errcode)
		end
		assert.equal(0, select(4, c:send'hello'))
		assert.same({'tcp', 'inet', 'tcp'}, {c:type(), c:family(), c:protocol()})
		assert.equal('tcp closed', tostring(c))
		assert.is_true(s:getopt'acceptconn')
		s:close()
	end)

	it('has methods that raise for a wrong self', function()
		local c = assert(socket.tcp())
		spec.run(function()
			for _, name in ipairs{
				'bind', 'listen', 'accept', 'connect', 'send', 'recv', 'shutdown', 'localaddr', 'remoteaddr',
				'fd', 'close', 'getopt',
			} do
				for _, self in ipairs{false, 5, 'x', {}, print} do
					assert.error(function() c[name](self, 'keepalive', 1) end, nil, name .. ' of ' .. tostring(self))
				end
				assert.error(function() c[name]() end)
			end
		end)
		c:close()
	end)

	-- The descriptor is "for looking at", but there is no other way to send urgent data.
	local function send_urgent(s, byte)
		assert.equal(1, descriptor.send_urgent(s:fd(), byte))
	end

	for _, size in ipairs{1, 5, 10, 64} do
		runs(('loses nothing around urgent data, read by %d'):format(size), function()
			local buf = buffer(size)
			for _, waits in ipairs{true, false} do
				local c, d = pair()
				local parts = {}
				local function read()
					local n
					repeat
						n = assert(d:recv(buf, size))
						parts[#parts + 1] = ffi.string(buf, n)
					until n == 0
				end
				local reading = waits and go(read)
				local expected = {}
				for i = 1, 50 do
					local text = pattern(i % 12):gsub('!', '?')
					expected[i] = text
					assert(c:send(text))
					send_urgent(c, '!')
					if i % 3 == 0 then turn() end
				end
				reading = reading or go(read)
				turn()
				assert(c:send'after')
				c:close()
				reading()
				-- the system puts an urgent byte in the stream when another one overtakes it
				local got = table.concat(parts):gsub('!', '')
				assert.equal(table.concat(expected) .. 'after', got)
				d:close()
			end
		end)
	end

	runs('gives urgent data in the stream with oobinline', function()
		local c, d = pair()
		assert(d:setopt('oobinline', true))
		local reading = go(recv_all, d)
		for _ = 1, 20 do
			assert(c:send'ab')
			send_urgent(c, '!')
			assert(c:send'cd')
			turn()
		end
		c:close()
		assert.equal(('ab!cd'):rep(20), reading())
		d:close()
	end)

end)

describe('a peer that is killed', function()

	-- A connection to an nc, and its process id.
	local function connected_nc(input)
		local s, port = listener()
		local p = assert(io.popen(('nc 127.0.0.1 %d <%s >/dev/null 2>&1 & echo $!'):format(port, input)))
		local pid = p:read'*l'
		p:close()
		local d = assert(s:accept())
		s:close()
		return d, pid
	end

	local function kill(pid, signal)
		os.execute(('kill -%s %s'):format(signal or 'KILL', pid))
	end

	runs('while we read ends the stream', function()
		local d, pid = connected_nc'/dev/zero'
		recv_all(d, 1e6)
		kill(pid)
		local buf = buffer(65536)
		repeat
			local n = d:recv(buf, 65536)
		until n == 0 or n == nil
		d:close()
	end)

	runs('while we wait for it ends the stream', function()
		local d, pid = connected_nc'/dev/null'
		local reading = go(function() return d:recv(buffer(10), 10) end)
		turn()
		assert.is_false(reading'done?')
		kill(pid)
		assert.equal(0, reading())
		d:close()
	end)

	runs('while we write makes the send fail', function()
		local d, pid = connected_nc'/dev/null'
		kill(pid, 'STOP')
		local sending = fill(d)
		kill(pid)
		local v, err, _, sent = sending()
		assert.is_nil(v)
		assert.is_true(err == 'connection_reset' or err == 'broken_pipe', err)
		assert.is_true(sent > 0 and sent < 2e7)
		d:close()
	end)

end)

describe('tcp:shutdown', function()

	runs('of the writing side ends the stream, and the other side goes on', function()
		for _, swap in ipairs{false, true} do
			local c, d = pair()
			if swap then c, d = d, c end
			assert(c:send'question')
			assert.is_true(c:shutdown'w')
			assert.equal('question', recv_all(d))
			assert(d:send'answer')
			fails('broken_pipe', c:send'more')
			assert.is_true(d:shutdown'w')
			assert.equal('answer', recv_all(c))
			close(c, d)
		end
	end)

	runs('of the reading side wakes a reader', function()
		local c, d = pair()
		local reading = go(function() return d:recv(buffer(10), 10) end)
		turn()
		assert.is_false(reading'done?')
		assert.is_true(d:shutdown'r')
		assert.equal(0, reading())
		assert(d:send'hello')
		assert.equal('hello', recv_all(c, 5))
		close(c, d)
	end)

	for _, how in ipairs{'rw', 'default'} do
		runs(('of both sides (%s) wakes a reader and a writer'):format(how), function()
			local c, d = pair()
			local sending = fill(c)
			local reading = go(function() return c:recv(buffer(10), 10) end)
			turn()
			assert.is_true(c:shutdown(how ~= 'default' and how or nil))
			fails('broken_pipe', sending())
			assert.equal(0, reading())
			close(c, d)
		end)
	end

	runs('fails without a connection', function()
		local s = assert(socket.tcp())
		for _, how in ipairs{'r', 'w', 'rw'} do
			fails('not_connected', s:shutdown(how))
		end
		s:close()
	end)

	runs('raises for a bad direction', function()
		local c, d = pair()
		for _, how in ipairs{'', 'x', 'wr', 'R', 1, true, {}, false} do
			local ok, err = pcall(function()
				local r = c:shutdown(how)
				return r
			end)
			assert.is_false(ok, tostring(how))
			assert.matches('^[^:]*tcp_spec%.lua:%d+: bad direction', err)
		end
		close(c, d)
	end)

end)

describe('what a TCP socket tells of itself', function()

	runs('before it is bound', function()
		local s = assert(socket.tcp())
		assert.equal('0.0.0.0:0', s:localaddr():tostring())
		fails('not_connected', s:remoteaddr())
		assert.is_true(s:fd() > 2)
		assert.same({'tcp', 'inet', 'tcp'}, {s:type(), s:family(), s:protocol()})
		assert.equal('tcp new inet', tostring(s))
		s:close()
		fails('closed', s:fd())
		fails('closed', s:localaddr())
		fails('closed', s:remoteaddr())
		assert.equal('tcp closed', tostring(s))
	end)

	runs('when it is bound, and when it listens', function()
		local s = assert(socket.tcp())
		assert(s:bind('127.0.0.1', 0))
		local a = s:localaddr()
		assert.same({'tcp', 'inet', 'tcp', '127.0.0.1'}, {a:type(), a:family(), a:protocol(), a:ip()})
		assert.equal('tcp bound ' .. tostring(a), tostring(s))
		assert(s:listen())
		assert.equal('tcp listening ' .. tostring(a), tostring(s))
		fails('not_connected', s:remoteaddr())
		s:close()
	end)

	runs('while it connects, and when it is connected', function()
		local s, port = listener(nil, 'inet6')
		local c = assert(socket.tcp'inet6')
		assert.equal('tcp new inet6', tostring(c))
		local connecting = go(function() return c:connect('::1', port) end)
		assert.is_string(tostring(c))
		assert.is_true(connecting())
		local here, there = tostring(c:localaddr()), tostring(c:remoteaddr())
		assert.equal('[::1]:' .. port, there)
		assert.equal(('tcp connected %s -> %s'):format(here, there), tostring(c))
		close(c, s)
	end)

	runs('when its peer has gone', function()
		local c, d = pair()
		reset(d)
		turn()
		fails('connection_reset', c:recv(buffer(1), 1))
		fails('not_connected', c:remoteaddr())
		assert.is_string(tostring(c))
		c:close()
	end)

	runs('can be bound only once', function()
		local s = assert(socket.tcp())
		assert(s:bind('127.0.0.1', 0))
		fails('invalid_argument', s:bind('127.0.0.1', 0))
		s:close()
	end)

	it('is refused for kinds that do not exist', function()
		fails('address_family_not_supported', socket.tcp'ipx')
		fails('address_family_not_supported', socket.tcp'unspec')
		fails('protocol_not_supported', socket.tcp('inet', 'nosuch'))
		fails('protocol_not_supported', socket.tcp('inet', 'udp'))
		fails('protocol_not_supported', socket.tcp('inet', 256))
		assert.error(function() socket.tcp(4) end)
		assert.error(function() socket.tcp('inet', {}) end)
		local s = assert(socket.tcp('inet', 'tcp'))
		assert.equal('tcp', s:protocol())
		s:close()
	end)

end)

describe('the collector', function()

	-- Garbage of the size that the specs' buffers have, so that a freed one would be overwritten.
	local function collect(size)
		for _ = 1, 4 do
			local canaries = {}
			collectgarbage()
			for i = 1, 20 do
				canaries[i] = ffi.new('char[?]', size, 67)
			end
			turn()
			for i = 1, 20 do
				assert.equal(67, canaries[i][0])
				assert.equal(('C'):rep(size), ffi.string(canaries[i], size))
			end
		end
	end

	it('closes forgotten sockets', function()
		spec.run(turn)
		collectgarbage()
		collectgarbage()
		local before = spec.fds()
		spec.run(function()
			local kept = {}
			for i = 1, 20 do
				kept[i] = {pair()}
			end
			assert.is_true(spec.fds() >= before + 2 * #kept)
		end)
		collectgarbage()
		collectgarbage()
		assert.equal(before, spec.fds())
	end)

	runs('leaves alone a reader and buffer that only the pending recv knows', function()
		local c = {}
		local ends = {}
		for i = 1, 10 do
			local d
			c[i], d = pair()
			ends[i] = go(function(s)
				-- tail calls: the frame, and with it the locals, are gone
				return s:recv(buffer(256), 256)
			end, d)
		end
		turn()
		collect(256)
		for i = 1, 10 do
			assert(c[i]:send(('x'):rep(200)))
		end
		collect(256)
		for i = 1, 10 do
			assert.equal(200, ends[i]())
			c[i]:close()
		end
	end)

	runs('leaves alone a writer and data that only the pending send knows', function()
		local size = 1e7
		local c, sending
		do
			local d
			c, d = pair()
			sending = go(function(s)
				return s:send(ffi.new('char[?]', size, 65))
			end, d)
		end
		for _ = 1, 3 do
			collect(4096)
			local got = recv_all(c, size / 4)
			assert.is_true(got == ('A'):rep(#got))
		end
		local rest = recv_all(c, size / 4)
		assert.is_true(rest == ('A'):rep(#rest))
		assert.equal(size, sending())
		c:close()
	end)

	runs('leaves alone a listener and a connecting socket that only the pending call knows', function()
		local ports, accepting = {}, {}
		for i = 1, 5 do
			local s
			s, ports[i] = listener()
			accepting[i] = go(function(l) return l:accept() end, s)
		end
		collect(64)
		for i = 1, 5 do
			local connecting = go(function() return assert(socket.tcp()):connect('127.0.0.1', ports[i]) end)
			collectgarbage()
			assert.is_true(connecting())
			assert.equal('tcp', accepting[i]():type())
		end
	end)

	runs('may run at any time in a hot loop of recv and send', function()
		local c, d = pair()
		local rounds = 5000
		local function read(s)
			return s:recv(ffi.new('char[64]'), 64)
		end
		local function write(s, n)
			return s:send(ffi.new('char[?]', n, 65))
		end
		local echoing = go(function()
			for _ = 1, rounds do
				assert(write(d, assert(read(d))))
			end
		end)
		local canaries = {}
		local got = buffer(64)
		for i = 1, rounds do
			canaries[i % 50] = ffi.new('char[64]', 'canary')
			local n = i % 64 + 1
			if i % 50 == 0 then
				collectgarbage()
				for _, canary in pairs(canaries) do
					assert.equal('canary', ffi.string(canary))
				end
			end
			assert(c:send(('x'):rep(n)))
			assert.equal(n, c:recv(got, 64))
			assert.equal(('A'):rep(n), ffi.string(got, n))
		end
		echoing()
		close(c, d)
	end)

end)

spec.with('unix sockets', describe)('a unix stream socket', function()

	-- client, server, listener, and the peer's address as accept() gave it
	local function unix_pair(path)
		local s = assert(socket.tcp'unix')
		assert(s:listen(path))
		local connection = accepted(s)
		local c = assert(socket.tcp'unix')
		assert.is_true(c:connect(path))
		local d, a = connection()
		return c, d, s, a
	end

	for _, kind in ipairs{'path', 'abstract name'} do
		local function new_path()
			return kind == 'path' and temp_path() or '@socket2-spec' .. temp_path()
		end

		runs(('with a %s carries data'):format(kind), function()
			local path = new_path()
			local c, d, s = unix_pair(path)
			local data = pattern(4e6)
			for _, ends in ipairs{{c, d}, {d, c}} do
				local from, to = unpack(ends)
				local sending = go(function() return from:send(data) end)
				assert.is_true(recv_all(to, #data) == data)
				assert.equal(#data, sending())
			end
			assert(c:shutdown'w')
			assert.equal('', recv_all(d))
			c:close()
			d:close()
			s:close()
			os.remove(path)
		end)

		runs(('with a %s tells its addresses'):format(kind), function()
			local path = new_path()
			local c, d, s, a = unix_pair(path)
			assert.equal('tcp listening ' .. path, tostring(s))
			assert.equal('tcp connected  -> ' .. path, tostring(c))
			assert.equal(path, c:remoteaddr():tostring())
			assert.equal(path, d:localaddr():ip())
			for _, unnamed in ipairs{a, c:localaddr(), d:remoteaddr()} do
				assert.same({'tcp', 'unix', 'ip', '', '', 0}, {unnamed:type(), unnamed:family(),
					unnamed:protocol(), unnamed:tostring(), unnamed:ip(), unnamed:port()})
			end
			assert.same({'tcp', 'unix', 'ip'}, {d:type(), d:family(), d:protocol()})
			close(c, d, s)
			os.remove(path)
		end)

		runs(('with a %s is in use by one listener'):format(kind), function()
			local path = new_path()
			local c, d, s = unix_pair(path)
			local s1 = assert(socket.tcp'unix')
			fails('address_already_in_use', s1:listen(path))
			close(c, d, s, s1)
			os.remove(path)
		end)
	end

	runs('fails to connect where nobody is', function()
		local c = assert(socket.tcp'unix')
		fails('file_not_found', c:connect(temp_path()))
		fails('connection_refused', c:connect('@socket2-spec-nobody'))
		fails('path_too_long', c:connect(('p'):rep(108)))
		fails('invalid_argument', c:connect())
		fails('address_family_not_supported', c:connect(socket.addr('127.0.0.1', 80)))
		assert.equal('tcp new unix', tostring(c))
		c:close()
	end)

	runs('that was bound has a name for its peer', function()
		local path = '@socket2-spec' .. temp_path()
		local s = assert(socket.tcp'unix')
		assert(s:listen(path))
		local connection = accepted(s)
		local c = assert(socket.tcp'unix')
		assert(c:bind(path .. '-client'))
		assert(c:connect(path))
		local d, a = connection()
		assert.equal(path .. '-client', a:tostring())
		assert.equal(path .. '-client', d:remoteaddr():tostring())
		close(c, d, s)
	end)

	runs('waits when the queue of the listener is full', function()
		local path = '@socket2-spec' .. temp_path()
		local s = assert(socket.tcp'unix')
		assert(s:listen(1, path))
		local connects = {}
		for i = 1, 8 do
			connects[i] = go(function()
				local c = assert(socket.tcp'unix')
				local ok, err = c:connect(path)
				c:close()
				return ok, err
			end)
		end
		turn()
		assert.is_false(connects[8]'done?')
		for _ = 1, 8 do
			assert(s:accept()):close()
		end
		for i = 1, 8 do
			assert.is_true(connects[i]())
		end
		s:close()
	end)

	runs('has the longest path that the system allows', function()
		local path = '@' .. ('p'):rep(107)
		local c, d, s = unix_pair(path)
		assert.equal(path, c:remoteaddr():tostring())
		close(c, d, s)
		path = '/tmp/' .. ('p'):rep(102)
		os.remove(path)
		c, d, s = unix_pair(path)
		assert.equal(path, c:remoteaddr():tostring())
		assert.equal('tcp listening ' .. path, tostring(s))
		close(c, d, s)
		os.remove(path)
	end)

end)
