-- After 64 operations that were over at once the loop held one back for a turn: its socket was 'busy' for all
-- other threads meanwhile, which lost datagrams and lines. Threads that want the same side of a socket have
-- their turns in the order of their calls.

local socket = require'socket2'
local spec = require'spec'

local go, fails, threaded = spec.go, spec.fails, spec.threaded

local N = 300

local function bound()
	local s = assert(socket.udp())
	assert(s:bind('127.0.0.1', 0))
	return s
end

-- go_all(n, f) -> wait: f(i) in n threads; wait() until all are over.
local function go_all(n, f)
	local all = {}
	for i = 1, n do
		all[i] = go(f, i)
	end
	return function()
		for i = 1, n do
			assert.is_true(all[i]())
		end
	end
end

describe('a socket of many threads', function()

	it('sends the datagrams of all', threaded(function()
		local s, sink = bound(), bound()
		local to = sink:localaddr()
		go_all(N, function() return s:send('x', to) == 1 end)()
		s:close()
		sink:close()
	end))

	it('sends each line whole, in the order of calling', threaded(function()
		local c, d = spec.pair()
		c:setopt('sndbuf', 16384)
		local pad = ('.'):rep(2000)
		local wait = go_all(N, function(i)
			local line = i .. pad .. '\n'
			return c:send(line) == #line
		end)
		for i = 1, N do
			assert.equal(i .. pad, d:readline())
		end
		wait()
		c:close()
		d:close()
	end))

	it('gives each receiver a datagram, in the order of calling', threaded(function()
		local s, sender = bound(), bound()
		local wait = go_all(20, function(i)
			local buf = spec.buffer(8)
			local n = assert(s:recv(buf, 8))
			return require'ffi'.string(buf, n) == tostring(i)
		end)
		for i = 1, 20 do
			assert(sender:send(tostring(i), s:localaddr()))
		end
		wait()
		s:close()
		sender:close()
	end))

	it('has one reader of a stream', threaded(function()
		local c, d = spec.pair()
		local first = go(d.recv, d, spec.buffer(1), 1)
		fails('busy', d:recv(spec.buffer(1), 1))
		c:send'x'
		assert.equal(1, first())
		c:close()
		d:close()
	end))
end)

describe('a place in line', function()

	-- A socket with a first sender that waits, and the socket that receives all that it sends.
	local function full()
		local c, d = spec.pair()
		local size = 2e7
		local first = go(c.send, c, spec.buffer(size))
		spec.turn()
		assert.is_false(first'done?')
		return c, d, size, first
	end

	it('has its own deadline', threaded(function()
		local c, d = full()
		local third = go(c.send, c, 'third')
		assert.equal(0, fails('timeout', c:send('x', nil, socket.clock() + 0.01)))
		assert.is_false(third'done?')
		c:close()
		d:close()
		fails('closed', third())
	end))

	it('ends when its thread is canceled, and nothing of it is sent', threaded(function()
		local c, d, size, first = full()
		local result
		local thread = socket.newthread(function() result = {c:send'never'} end)
		local third = go(c.send, c, 'third')
		assert.is_true(socket.cancel(thread))
		spec.wait_until(function() return result end)
		fails('canceled', unpack(result))
		assert.equal(size, #spec.recv_all(d, size))
		assert.equal(size, first())
		assert.equal('third', spec.recv_all(d, 5))
		assert.equal(5, third())
		c:close()
		d:close()
	end))

	it('is listed', threaded(function()
		local c, d = full()
		local thread = socket.newthread(function() c:send'second' end)
		local found
		for _, t in ipairs(socket.threads()) do
			if t.thread == thread then found = t end
		end
		assert.equal('send', found.what)
		assert.equal(c, found.socket)
		c:close()
		d:close()
	end))

	it('comes in the order of calling', threaded(function()
		local c, d, size, first = full()
		local second = go(c.send, c, 'second')
		local third = go(c.send, c, 'third')
		assert.equal(size + 11, #spec.recv_all(d, size + 11))
		assert.equal(size, first())
		assert.equal(6, second())
		assert.equal(5, third())
		c:close()
		d:close()
	end))
end)
