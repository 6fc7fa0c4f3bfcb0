-- Receiving over TCP.

local ffi = require'ffi'
local socket = require'socket2'
local connections = require'connections'
local spec = require'spec'

local fails, go, pair, listener, recv_all, buffer, turn, runs =
	spec.fails, spec.go, spec.pair, spec.listener, spec.recv_all, spec.buffer, spec.turn, spec.runs
local close, pattern, reset = connections.close, connections.pattern, connections.reset

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
