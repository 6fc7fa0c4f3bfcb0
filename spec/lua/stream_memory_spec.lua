-- The arguments and the memory of buffered reads.

local ffi = require'ffi'
local socket = require'socket2'
local connections = require'connections'
local streams = require'streams'
local spec = require'spec'

local fails, go, buffer, turn, runs = spec.fails, spec.go, spec.buffer, spec.turn, spec.runs
local close = connections.close
local CHUNK, having = streams.CHUNK, streams.having

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

	local N = 1000

	-- The memory of the process for each of N connections, after does(writing end, reading end).
	local function memory_of(does)
		local function pages()
			collectgarbage()
			collectgarbage()
			local f = assert(io.open'/proc/self/statm')
			local n = tonumber(f:read'*a':match'^%d+ (%d+)')
			f:close()
			return n
		end
		local left, right = {}, {}
		for i = 1, N do
			left[i], right[i] = spec.pair()
		end
		local before = pages()
		for i = 1, N do
			does(left[i], right[i])
			if i % 50 == 0 then
				turn()
			end
		end
		turn()
		local used = (pages() - before) * 4096 / N
		for i = 1, N do
			left[i]:close()
			right[i]:close()
		end
		return used
	end

	if jit.os == 'Linux' and not spec.qemu then -- which has memory of its own in the process
		runs('is nobody\'s while a read waits, nor when it is over', function()
			local stop, buf = socket.event(), buffer(CHUNK)
			local text = ('x'):rep(CHUNK - 10) .. 'line\n'
			for _, after in ipairs{
				function(d) return d:readline() end,
				function(d) return d:recv(buffer(10), 10) end,
				function() return stop:wait() end,
			} do
				for _, waits in ipairs{true, false} do
					local seen = 0
					assert.is_true(memory_of(function(c, d)
						if not waits then
							assert(c:send(text))
						end
						go(function()
							assert.equal(CHUNK - 10, d:recvn(buf, CHUNK - 10))
							assert.equal('line', d:readline())
							seen = seen + 1
							after(d)
						end)
						if waits then
							assert(c:send(text))
						end
					end) < CHUNK / 2)
					assert.equal(N, seen)
					stop:set()
					turn()
					stop:clear()
				end
			end
		end)
	end

end)

describe('a read without memory for its string', function()

	-- The function that has an upvalue of that name, below f, and the upvalue's number.
	local function owner_of(f, name, seen)
		seen = seen or {}
		seen[f] = true
		for i = 1, 100 do
			local found, value = debug.getupvalue(f, i)
			if found == name then
				return f, i, value
			end
			if type(value) == 'function' and not seen[value] then
				local owner, at, it = owner_of(value, name, seen)
				if owner then
					return owner, at, it
				end
			elseif not found then
				return
			end
		end
	end

	runs('raises, and its bytes are for the next one', function()
		local d, c = having''
		local owner, at, string_of = owner_of(d.readline, 'string_of')
		for _, buffered in ipairs{true, false} do
			jit.flush() -- what is compiled has upvalues as constants
			debug.setupvalue(owner, at, function() error('not enough memory', 0) end)
			if buffered then
				assert(c:send'one\r\ntwo')
			end
			local reading = go(function() return pcall(d.readline, d) end)
			turn()
			if not buffered then
				assert(c:send'\none\r\ntwo')
			end
			local ok, err = reading()
			debug.setupvalue(owner, at, string_of)
			assert.is_false(ok)
			assert.equal('not enough memory', err)
			if not buffered then
				assert.equal('two', d:readline())
			end
			assert.equal('one', d:readline())
			assert.equal(3, d:buffered())
		end
		close(c, d)
	end)

end)
