-- Socket threads: their start, and I/O outside of them.

local socket = require'socket2'
local coro = require'coro'
local threads = require'threads'
local spec = require'spec'

local threaded, raises = spec.threaded, spec.raises

local native = coroutine
local bound, recv, check_usable = threads.bound, threads.recv, threads.check_usable

after_each(threads.tidy)

describe('newthread', function()
	it('starts the thread at once and returns at its first wait', function()
		local log = {}
		local go
		do
			local s = bound()
			go = function() socket.newthread(function() s:send('x', s:localaddr()) end) end
			socket.newthread(function()
				log[#log + 1] = 'started'
				recv(s)
				log[#log + 1] = 'resumed'
			end)
		end
		log[#log + 1] = 'returned'
		go()
		log[#log + 1] = 'sent'
		assert.is_true(socket.poll(5))
		log[#log + 1] = 'polled'
		assert.equal('started returned sent resumed polled', table.concat(log, ' '))
	end)

	it('passes arguments', function()
		local n, a, b, c
		socket.newthread(function(...)
			n = select('#', ...)
			a, b, c = ...
		end, 1, nil, 'three', nil)
		assert.same({4, 1, nil, 'three'}, {n, a, b, c})
	end)

	it('returns the thread', function()
		local inside
		local co = socket.newthread(function() inside = coro.running() end)
		assert.equal('thread', type(co))
		assert.equal(inside, co)
		assert.equal('dead', coro.status(co))
		local s = bound()
		co = socket.newthread(function() s:recv(spec.buffer(1), 1) end)
		assert.equal('suspended', coro.status(co))
		s:close()
		socket.poll(5)
		assert.equal('dead', coro.status(co))
	end)

	it('runs a thread that never waits to its end', function()
		local sum = 0
		socket.newthread(function()
			for i = 1, 1000 do sum = sum + i end
		end)
		assert.equal(500500, sum)
	end)

	it('nests: control comes back to the thread that called it', function()
		local log = {}
		local function say(what) log[#log + 1] = what end
		local a, b = bound(), bound()
		socket.newthread(function()
			say'1'
			socket.newthread(function()
				say'2'
				socket.newthread(function()
					say'3'
					recv(b)
					say'6'
				end)
				say'4'
				recv(a)
				say'7'
			end)
			say'5'
			b:send('x', b:localaddr())
			a:send('x', a:localaddr())
		end)
		while socket.poll(0) do end
		assert.equal('1 2 3 4 5', table.concat(log, ' ', 1, 5))
		table.sort(log)
		assert.equal('1 2 3 4 5 6 7', table.concat(log, ' '))
	end)

	it('works for a thousand threads at once', function()
		local sum, N = 0, 1000
		local s = bound()
		s:setopt('rcvbuf', 4 * 2^20)
		local clients = {}
		socket.newthread(function()
			local b = spec.buffer(16)
			for _ = 1, N do
				local n, from = assert(s:recv(b, 16))
				assert(s:send(b, n, from))
			end
		end)
		for i = 1, N do
			socket.newthread(function()
				clients[i] = bound()
				assert(clients[i]:send(tostring(i), s:localaddr()))
				local n = recv(clients[i])
				sum = sum + n
			end)
		end
		assert.is_true(socket.start(10))
		assert.equal(N * (N + 1) / 2, sum)
	end)

	it('takes only a function', function()
		for _, v in ipairs{1, 'f', {}, false, coro.create(print)} do
			raises('bad argument #1 to \'newthread\'', socket.newthread, v)
		end
		raises('bad argument #1 to \'newthread\'', socket.newthread)
	end)
end)

describe('I/O outside a socket thread', function()
	local calls = {
		accept = {'tcp'}, connect = {'tcp', '127.0.0.1', 9},
		['tcp send'] = {'tcp', 'x'}, ['tcp recv'] = {'tcp', spec.buffer(1), 1},
		['udp send'] = {'udp', 'x', '127.0.0.1', 9}, ['udp recv'] = {'udp', spec.buffer(1), 1},
	}
	for name, t in pairs(calls) do
		local method = name:match'%w+$'

		it('raises in the line of the call: ' .. name, function()
			local s = assert(socket[t[1]]())
			local function call() s[method](s, unpack(t, 2)) end
			local pattern = '^[^\n]*sched_thread_spec%.lua:%d+: ' .. method .. '%(%) outside a socket thread'
			raises(pattern, call)
			raises(pattern, native.wrap(call))
			raises(pattern, coro.wrap(call))
			s:close()
			check_usable()
		end)
	end
end)

describe('I/O in a plain coroutine inside a socket thread', function()
	it('raises a clear error, and the loop and the socket stay good', function()
		local s, results, data = bound(), nil, nil
		socket.newthread(function()
			local co = native.create(function() return recv(s) end)
			results = {native.resume(co)}
		end)
		assert.is_false(results[1])
		assert.matches('plain coroutine', results[2])
		collectgarbage() -- not the buffer that the system still has
		collectgarbage()
		assert.is_true(socket.start(5))
		socket.newthread(function() data = recv(s) end)
		socket.newthread(function() s:send('a datagram', s:localaddr()) end)
		assert.is_true(socket.start(5))
		assert.equal('a datagram', data)
		check_usable()
	end)

	it('that need not wait works', threaded(function()
		local s = bound()
		s:send('x', s:localaddr())
		assert.equal('x', native.wrap(recv)(s))
	end))
end)

describe('sockets and threads that nobody refers to', function()
	it('go on when a thread waits', function()
		local port, data
		socket.newthread(function()
			local s = assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			port = s:localaddr():port()
			data = recv(s)
		end)
		collectgarbage()
		collectgarbage()
		assert.is_false((socket.poll(0)))
		socket.newthread(function() bound():send('hello', '127.0.0.1', port) end)
		assert.is_true(socket.poll(5))
		assert.equal('hello', data)
	end)

	it('are closed by the collector when none does', function()
		collectgarbage()
		collectgarbage()
		local before = spec.fds()
		socket.newthread(function()
			for _ = 1, 20 do assert(socket.udp()) end
		end)
		collectgarbage()
		collectgarbage()
		assert.is_true(spec.fds() <= before)
	end)
end)
