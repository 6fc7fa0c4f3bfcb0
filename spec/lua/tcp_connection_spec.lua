-- A connection as a whole, and what a socket tells of itself.

local ffi = require'ffi'
local socket = require'socket2'
local C = require'socket2.lib'.C
local descriptor = require'descriptor'
local connections = require'connections'
local spec = require'spec'

local fails, go, pair, listener, recv_all, buffer, turn, runs =
	spec.fails, spec.go, spec.pair, spec.listener, spec.recv_all, spec.buffer, spec.turn, spec.runs
local close, pattern, reset, fill =
	connections.close, connections.pattern, connections.reset, connections.fill

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
		assert.equal(2, d:send'hi') -- writing is not hindered
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
		assert(d:send'hi') -- reading is not hindered
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
		-- the thread of the first event closes the other's socket, which has received data, too
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
