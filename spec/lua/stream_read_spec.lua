-- Buffered reads of a number of bytes, or of all.

local ffi = require'ffi'
local connections = require'connections'
local streams = require'streams'
local spec = require'spec'

local fails, go, pair, buffer, turn, wait_until, runs =
	spec.fails, spec.go, spec.pair, spec.buffer, spec.turn, spec.wait_until, spec.runs
local close, pattern = connections.close, connections.pattern
local CHUNK, having, drip, bytes, recv, recvn =
	streams.CHUNK, streams.having, streams.drip, streams.bytes, streams.recv, streams.recvn

describe('stream:read', function()

	runs('gives n bytes, no more and no less', function()
		local d, c = having'hello\0world'
		assert.equal('hello', d:read(5))
		assert.equal(6, d:buffered())
		assert.equal('\0', d:read(1))
		assert.equal('', d:read(0))
		assert.equal('world', d:read(5))
		assert.equal(0, d:buffered())
		assert.equal(0, d:buffered())
		assert.equal('', d:read(0))
		assert.equal(0, d:buffered())
		close(c, d)
	end)

	runs('waits for all of them', function()
		local c, d = pair()
		local reading = go(function() return d:read(9) end)
		drip(c, d, {'a', 'bc', 'def'})
		assert.is_false(reading'done?')
		assert(c:send'ghijkl')
		assert.equal('abcdefghi', reading())
		assert.equal('jkl', d:read(3))
		assert.equal(0, d:buffered())
		close(c, d)
	end)

	for _, n in ipairs{CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7, 1e6} do
		runs(('gives %d bytes after a few others'):format(n), function()
			local text = pattern(n + 10)
			local c, d = pair()
			go(function() assert(c:send(text)) end)
			assert.is_true(d:read(3) == text:sub(1, 3))
			assert.is_true(d:read(n) == text:sub(4, n + 3))
			assert.is_true(d:read(7) == text:sub(n + 4))
			assert.equal(0, d:buffered())
			close(c, d)
		end)
	end

	runs('gives 20 MB', function()
		local text = pattern(2e7)
		local c, d = pair()
		local sending = go(function() return c:send(text) end)
		assert.is_true(d:read(2e7) == text)
		assert.equal(2e7, sending())
		assert.equal(0, d:buffered())
		close(c, d)
	end)

	runs('fails at the end of the stream and leaves what there is', function()
		local d, c = having('hello', 'w')
		for _ = 1, 2 do
			fails('end_of_stream', d:read(6))
			assert.equal(5, d:buffered())
		end
		assert.equal('hel', d:read(3))
		assert.equal('lo', d:readall())
		fails('end_of_stream', d:read(1))
		assert.equal('', d:read(0))
		assert.equal(0, d:buffered())
		close(c, d)
	end)

end)

describe('stream:peek', function()

	runs('gives bytes that stay', function()
		local d, c = having'hello'
		assert.equal('hel', d:peek(3))
		assert.equal('hello', d:peek(5))
		assert.equal('', d:peek(0))
		assert.equal('h', d:peek(1))
		assert.equal('he', d:read(2))
		local peeking = go(function() return d:peek(5) end)
		drip(c, d, bytes'123')
		assert.equal('llo12', peeking())
		assert.equal('llo12', d:read(5))
		assert.equal('3', recv(d, 10))
		assert.equal(0, d:buffered())
		assert.equal('', d:peek(0))
		assert.equal(0, d:buffered())
		close(c, d)
	end)

	runs('grows with what is wanted', function()
		local text = pattern(1e5)
		local d, c = having(text, 'w')
		for _, n in ipairs{1, CHUNK, CHUNK + 1, 50000, 1e5} do
			assert.is_true(d:peek(n) == text:sub(1, n))
		end
		fails('end_of_stream', d:peek(1e5 + 1))
		assert.is_true(d:readall() == text)
		assert.equal(0, d:buffered())
		close(c, d)
	end)

end)

describe('stream:readall', function()

	runs('gives everything until the end', function()
		for _, text in ipairs{'', 'x', pattern(CHUNK), pattern(CHUNK + 1), pattern(1e5)} do
			local d, c = having(text, 'w')
			assert.is_true(d:readall() == text)
			assert.equal('', d:readall())
			assert.equal(0, d:buffered())
			close(c, d)
		end
	end)

	runs('gives 20 MB', function()
		local text = pattern(2e7)
		local c, d = pair()
		go(function()
			assert(c:send(text))
			c:close()
		end)
		assert.is_true(d:readall() == text)
		assert.equal(0, d:buffered())
		d:close()
	end)

	for _, max in ipairs{0, 1, CHUNK - 1, CHUNK, 1e5} do
		runs(('takes %d bytes and no more'):format(max), function()
			local text = pattern(max)
			local d, c = having(text, 'w')
			assert.is_true(d:readall(max) == text)
			close(c, d)
			d, c = having(text .. '!') -- and does not wait for the end
			fails('too_long', d:readall(max))
			fails('too_long', d:readall(max))
			assert.is_true(d:read(max + 1) == text .. '!')
			close(c, d)
		end)
	end

	runs('takes 1/0 for no limit, and has one by default', function()
		local d, c = having('hello', 'w')
		assert.equal('hello', d:readall(1/0))
		close(c, d)
		local piece = pattern(2^20)
		c, d = pair()
		go(function()
			for _ = 1, 70 do
				if not c:send(piece) then break end
			end
		end)
		fails('too_long', d:readall())
		assert.is_true(d:buffered() > 2^26 and d:buffered() <= 2^26 + CHUNK)
		assert.is_true(d:read(2^20) == piece)
		d:close()
		turn()
		c:close()
	end)

end)

describe('stream:recvn', function()

	for _, n in ipairs{1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 1e6} do
		runs(('fills %d bytes, with some from the buffer'):format(n), function()
			local c, d = pair()
			for _, had in ipairs{0, 1, 50, 3000} do
				local text = pattern(n + had + 5)
				go(function() assert(c:send(text)) end)
				if had > 0 then
					wait_until(function() return #d:peek(had) == had end)
				end
				assert.is_true(recvn(d, n) == text:sub(1, n))
				assert.is_true(d:read(#text - n) == text:sub(n + 1))
				assert.equal(0, d:buffered())
			end
			close(c, d)
		end)
	end

	runs('writes nothing behind the n bytes, and takes memory of any kind', function()
		local d, c = having(('abcdefgh'):rep(4))
		ffi.cdef'typedef struct { char a[4]; char b[4]; } stream_spec_pair;'
		local array, words, pair_ = buffer(10), ffi.new'int32_t[2]', ffi.new'stream_spec_pair'
		array[8] = 33
		for _, buf in ipairs{array, words, pair_, ffi.cast('void *', words)} do
			assert.equal(8, d:recvn(buf, 8))
			assert.equal('abcdefgh', ffi.string(buf, 8))
		end
		assert.equal(33, array[8])
		assert.equal(0, d:recvn(array, 0))
		assert.equal(0, d:buffered())
		close(c, d)
	end)

	runs('takes 20 MB straight', function()
		local text = pattern(2e7)
		local c, d = pair()
		go(function() assert(c:send(text)) end)
		assert.equal(text:sub(1, 10), d:peek(10))
		assert.is_true(recvn(d, 2e7) == text)
		assert.equal(0, d:buffered())
		close(c, d)
	end)

	for _, n in ipairs{1000, 1e6} do
		runs(('of %d bytes gives back what came when it fails'):format(n), function()
			local c, d = pair()
			assert(c:send'hello ')
			assert.equal('h', d:peek(1))
			local reading = go(function() return recvn(d, n) end)
			turn()
			assert(c:send'to ')
			turn()
			assert(c:send'you\n')
			turn()
			assert.is_false(reading'done?')
			assert(c:shutdown'w')
			fails('end_of_stream', reading())
			assert.equal('hello to you', d:readline())
			assert.equal(0, d:buffered())
			close(c, d)
		end)
	end

	runs('gives back more than a chunk', function()
		local text = pattern(1e5)
		local d, c = having(text, 'w')
		assert.is_true(d:read(10) == text:sub(1, 10))
		fails('end_of_stream', recvn(d, 1e6))
		fails('end_of_stream', recvn(d, 1e6))
		assert.is_true(d:readall() == text:sub(11))
		assert.equal(0, d:buffered())
		close(c, d)
	end)

end)

describe('stream:recv', function()

	runs('gives what is buffered first, and does not wait for more', function()
		local d, c = having'hello world'
		assert.equal('hello', d:read(5))
		assert.equal(' wo', recv(d, 3))
		assert.equal('rld', recv(d, 100))
		assert.equal(0, d:buffered())
		local reading = go(recv, d, 100)
		turn()
		assert.is_false(reading'done?')
		assert(c:send'more')
		assert.equal('more', reading())
		close(c, d)
	end)

	runs('gives the end of the stream after what is buffered', function()
		local d, c = having('hello', 'w')
		fails('end_of_stream', d:read(6))
		assert.equal('hello', recv(d, 100))
		assert.equal('', recv(d, 100))
		close(c, d)
	end)

end)
