-- Sending over TCP.

local ffi = require'ffi'
local socket = require'socket2'
local connections = require'connections'
local spec = require'spec'

local fails, go, pair, listener, recv_all, buffer, turn, runs =
	spec.fails, spec.go, spec.pair, spec.listener, spec.recv_all, spec.buffer, spec.turn, spec.runs
local close, pattern, reset, fill =
	connections.close, connections.pattern, connections.reset, connections.fill

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
