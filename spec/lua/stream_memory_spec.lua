-- The arguments and the memory of buffered reads.

local ffi = require'ffi'
local connections = require'connections'
local streams = require'streams'
local spec = require'spec'

local fails, go, buffer, runs = spec.fails, spec.go, spec.buffer, spec.runs
local close = connections.close
local CHUNK, having, drip, scripted, script =
	streams.CHUNK, streams.having, streams.drip, streams.scripted, streams.script

describe('the arguments of buffered reads', function()

	local names = {'read', 'peek', 'readline', 'readall', 'lines'}

	runs('of wrong types raise in the name of the line', function()
		local d, c = having'hello'
		local function raises(message, f, ...)
			local ok, err = pcall(function(...)
				local r = f(d, ...)
				return r
			end, ...)
			assert.is_false(ok)
			assert.matches('^[^:]*stream_memory_spec%.lua:%d+: ' .. message, err)
		end
		for buffered = 0, 1 do
			assert.equal(buffered == 1 and 'h' or '', d:peek(buffered))
			for _, name in ipairs(names) do
				raises('bad length %(number expected, got string%)', d[name], '1')
				raises('bad length %(number expected, got table%)', d[name], {})
			end
			raises('bad length %(number expected, got nil%)', d.read)
			raises('bad length %(number expected, got nil%)', d.peek)
			raises('bad buffer %(a pointer needs its length%)', d.recvn, ffi.cast('char *', buffer(1)))
			raises('bad buffer %(a pointer needs its length%)', d.recv, ffi.cast('char *', buffer(1)))
			raises('bad length %(number expected, got boolean%)', d.readuntil, 'x', true)
			raises('bad delimiter %(string expected, got nil%)', d.readuntil)
			raises('bad delimiter %(string expected, got number%)', d.readuntil, 10)
			raises('bad buffer %(cdata expected, got string%)', d.recvn, 'x', 1)
			raises('bad buffer %(cdata expected, got string%)', d.recv, 'x', 1)
			raises('bad length', d.recv, buffer(1), 'x')
			for _, name in ipairs{'read', 'peek', 'readline', 'readall'} do
				raises('bad expires %(number expected, got string%)', d[name], 1, 'x')
			end
			raises('bad expires', d.recv, buffer(1), 1, 'x')
			raises('bad expires', d.recvn, buffer(1), 1, 'x')
			raises('bad expires', d.readuntil, 'x', 1, 'x')
			for _, buf in ipairs{5LL, ffi.new'const char[5]', ffi.new'const char[20000]'} do
				assert.error(function() d:recvn(buf, 5) end)
				assert.error(function() d:recvn(buf, 20000) end)
				assert.error(function() d:recv(buf, 5) end)
			end
		end
		assert.equal('hello', d:read(5))
		close(c, d)
	end)

	runs('out of range fail', function()
		local d, c = having'hello'
		for buffered = 0, 1 do
			assert.equal(buffered == 1 and 'h' or '', d:peek(buffered))
			for _, n in ipairs{-1, 1.5, 0/0, 2^31, -1/0, 1e300} do
				for _, name in ipairs(names) do
					fails('invalid_argument', d[name](d, n))
				end
				fails('invalid_argument', d:readuntil('x', n))
				fails('invalid_argument', d:recvn(buffer(1), n))
			end
			fails('invalid_argument', d:read(1/0))
			fails('invalid_argument', d:peek(1/0))
			fails('invalid_argument', d:recvn(buffer(1), 1/0))
			fails('invalid_argument', d:read(10, 0/0))
			fails('invalid_argument', d:readuntil'')
			fails('invalid_argument', d:recvn(nil, 1))
			fails('invalid_argument', d:recv(nil, 1))
			fails('invalid_argument', d:recv(buffer(1), 0))
			fails('invalid_argument', d:recv(buffer(1), -1))
			fails('invalid_argument', d:recv(buffer(1), 2^31))
		end
		assert.equal('hello', d:read(5))
		close(c, d)
	end)

	it('do not matter outside of a thread', function()
		local d, c = spec.run(function() return having'hello' end)
		for _, name in ipairs{'read', 'peek', 'readline', 'readuntil', 'readall', 'recvn', 'recv'} do
			local args = name == 'readuntil' and {'x'} or name:match'^recv' and {buffer(1), 1} or {1}
			local ok, err = pcall(function()
				local r = d[name](d, unpack(args))
				return r
			end)
			assert.is_false(ok)
			assert.matches('^[^:]*stream_memory_spec%.lua:%d+: ' .. name .. '%(%) outside a socket thread', err)
		end
		close(c, d)
	end)

end)

describe('the memory of buffered reads', function()

	-- Where the bytes of a socket are.
	local function place(s)
		return tonumber(ffi.cast('intptr_t', s.rbuf.mem))
	end

	runs('is shared by the sockets', function()
		local d, c = having'hello'
		local e, f = having'hello'
		d:peek(1)
		local there = place(d)
		assert.equal('hello', d:read(5))
		e:peek(1)
		assert.equal(there, place(e))
		e:close()
		assert(c:send'hello')
		d:peek(1)
		assert.equal(there, place(d))
		close(c, d, f)
	end)

	runs('is one chunk while a read waits, and does not move', function()
		local d, c = having''
		local reading = go(function() return d:readline() end)
		assert.equal(CHUNK, d.rbuf.size)
		assert.equal(CHUNK, ffi.sizeof(d.rbuf.mem))
		local there = place(d)
		drip(c, d, {'one', ' two', '\n'})
		assert.equal('one two', reading())
		assert.is_false(d.rbuf)
		assert(c:send'x')
		d:peek(1)
		assert.equal(there, place(d))
		close(c, d)
	end)

	runs('does not grow for short lines, nor for a large recvn', function()
		local sizes = {}
		local s = script{}
		for i = 1, 200 do
			s.pieces[i] = ('x'):rep(999) .. '\n'
		end
		function s.receive(self, buf, maxlen) -- as much as there is, as a socket gives it
			sizes[#sizes + 1] = self.rbuf.size
			local n = 0
			while self.pieces[self.i] and n < maxlen do
				n = n + scripted.receive(self, ffi.cast('char *', buf) + n, maxlen - n)
			end
			return n
		end
		for _ = 1, 50 do
			assert.equal(999, #s:readline())
		end
		assert.equal(149000, s:recvn(buffer(149000), 149000))
		assert.equal(999, #s:readline())
		assert.is_true(#sizes >= 5 and #sizes <= 10)
		for _, size in ipairs(sizes) do
			assert.equal(CHUNK, size)
		end
	end)

	runs('is not used again when an operation was left behind', function()
		local d, c = having'hello'
		d:peek(1)
		local there = place(d)
		assert.error(coroutine.wrap(function() return d:read(6) end))
		assert.is_true(place(d) ~= there)
		assert.equal(there, tonumber(ffi.cast('intptr_t', d.left_behind)))
		assert.equal('hello', d:read(5))
		close(c, d)
	end)

	it('is kept for 64 sockets, and not what has grown', function()
		local alive = setmetatable({}, {__mode = 'k'})
		local function count()
			collectgarbage()
			collectgarbage()
			local n = 0
			for _ in pairs(alive) do n = n + 1 end
			return n
		end
		local function buffers(pieces)
			local t = {}
			for i = 1, 80 do
				t[i] = script(pieces())
				t[i]:peek(#t[i].pieces[1])
				alive[t[i].rbuf] = true
			end
			for i = 1, 80 do
				assert(t[i]:readall())
				assert.is_false(t[i].rbuf)
			end
		end
		spec.run(function()
			buffers(function() return {'x'} end)
		end)
		assert.equal(64, count())
		spec.run(function()
			buffers(function() return {('x'):rep(CHUNK + 1)} end)
		end)
		assert.equal(0, count())
	end)

end)
