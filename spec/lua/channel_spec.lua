-- Channels, in one state and between states.

local socket = require'socket2'
local thread = require'socket2.thread'
local coro = require'coro'
local spec = require'spec'

local threaded, fails, run, go = spec.threaded, spec.fails, spec.run, spec.go
local raises, finish = spec.raises, spec.finish
local clock = socket.clock

describe('a channel', function()
	it('is first in, first out, with false and nothing lost at close', threaded(function()
		local ch = assert(thread.channel())
		for _, v in ipairs{1, 'two', false, {3}} do assert.is_true(ch:send(v)) end
		assert.equal(4, ch:count())
		assert.is_true(ch:close())
		assert.is_true(ch:close())
		fails('closed', ch:send(5))
		assert.same({1, 'two', false, {3}}, {ch:recv(), ch:recv(), ch:recv(), (ch:recv())})
		fails('closed', ch:recv())
		assert.equal(0, ch:count())
	end))

	it('refuses nil, bad values and bad capacities, and is as it was', threaded(function()
		local ch = thread.channel()
		raises('value expected', ch.send, ch, nil)
		raises('cannot send a thread %(at %[1%]%[1%]%)', ch.send, ch, {coro.create(print)})
		raises('number expected, got string', ch.send, ch, 1, 'x')
		raises('number expected, got string', ch.recv, ch, 'x')
		raises('number expected, got string', thread.channel, '1')
		raises('whole number', thread.channel, -1)
		raises('whole number', thread.channel, 1.5)
		assert.equal(0, ch:count())
		assert.is_true(ch:send(1))
		assert.equal(1, ch:recv())
		fails('invalid_argument', ch:recv(0/0))
		assert.is_true(assert(thread.channel(1/0)):send(1))
	end))

	it('full makes the sender wait, in order', function()
		for capacity = 0, 2 do
			local ch, done = thread.channel(capacity), {}
			for i = 1, 5 do
				socket.newthread(function()
					assert(ch:send(i))
					done[#done + 1] = i
				end)
			end
			socket.poll(0)
			assert.equal(capacity, #done)
			local got = run(function()
				return {ch:recv(), ch:recv(), ch:recv(), ch:recv(), (ch:recv())}
			end)
			assert.same({1, 2, 3, 4, 5}, got)
			finish()
			assert.same({1, 2, 3, 4, 5}, done)
		end
	end)

	it('has several receivers take turns, in order', function()
		local ch, got = thread.channel(), {}
		for i = 1, 5 do
			socket.newthread(function() got[i] = ch:recv() end)
		end
		socket.newthread(function()
			for i = 1, 5 do ch:send(i * 10) end
		end)
		finish()
		assert.same({10, 20, 30, 40, 50}, got)
	end)

	it('close() ends all waits', function()
		local full, empty, results = thread.channel(0), thread.channel(), {}
		for i = 1, 3 do
			socket.newthread(function() results[i] = {full:send(i)} end)
			socket.newthread(function() results[i + 3] = {empty:recv()} end)
		end
		socket.poll(0)
		full:close()
		empty:close()
		finish()
		for i = 1, 6 do fails('closed', unpack(results[i], 1, 3)) end
	end)

	it('waits no longer than expires, deadline() and cancel() say, and loses nothing', function()
		local ch, results = thread.channel(0), {}
		for i = 1, 3 do -- the first is in flight, the others are in line
			socket.newthread(function() results[i] = {ch:recv(clock() + 0.005)} end)
			socket.newthread(function()
				results[i + 3] = {socket.deadline(clock() + 0.005, ch.recv, ch)}
			end)
			local t = socket.newthread(function() results[i + 6] = {ch:recv()} end)
			socket.newthread(function() socket.cancel(t) end)
		end
		finish()
		for i = 1, 6 do fails('timeout', unpack(results[i], 1, 3)) end
		for i = 7, 9 do fails('canceled', unpack(results[i], 1, 3)) end

		results = {}
		for i = 1, 3 do
			socket.newthread(function() results[i] = {ch:send(i, clock() + 0.005)} end)
			local t = socket.newthread(function() results[i + 3] = {ch:send(i)} end)
			socket.newthread(function() socket.cancel(t) end)
		end
		finish()
		for i = 1, 3 do fails('timeout', unpack(results[i], 1, 3)) end
		for i = 4, 6 do fails('canceled', unpack(results[i], 1, 3)) end

		socket.newthread(function() assert(ch:send'there') end)
		assert.equal('there', run(function() return ch:recv() end))
		run(function() fails('timeout', ch:recv(0)) end)
	end)

	it('can be used where nothing can wait, if nothing has to', function()
		local ch = thread.channel(1)
		assert.is_true(ch:send(1))
		raises('send%(%) outside a socket thread', ch.send, ch, 2)
		assert.equal(1, ch:recv())
		raises('recv%(%) outside a socket thread', ch.recv, ch)
		run(function()
			local results = {}
			string.gsub('abc', '.', function(c)
				results[#results + 1] = select(2, pcall(ch.send, ch, c))
			end)
			assert.is_true(results[1])
			assert.matches('inside a plain coroutine', results[2])
			string.gsub('ab', '.', function()
				results[#results + 1] = select(2, pcall(ch.recv, ch))
			end)
			assert.equal('a', results[4])
			assert.matches('inside a plain coroutine', results[5])
			local over = go(ch.recv, ch)
			string.gsub('a', '.', function()
				results[6] = select(2, pcall(ch.recv, ch))
			end)
			assert.matches('inside a plain coroutine', results[6])
			assert(ch:send'x')
			assert.equal('x', over())
		end)
	end)

	it('gives its values one after the other, and raises what ends them but close()', threaded(function()
		local ch, got = thread.channel(), {}
		for i = 1, 3 do ch:send(i) end
		raises('timeout', function()
			for v in ch:values(clock() + 0.01) do got[#got + 1] = v end
		end)
		assert.same({1, 2, 3}, got)
		local over = go(pcall, function()
			for v in ch:values() do got[#got + 1] = v end
		end)
		ch:send(4)
		ch:close()
		assert.is_true(over())
		assert.same({1, 2, 3, 4}, got)
	end))

	it('works in generators', threaded(function()
		local ch = thread.channel()
		local over = go(function()
			local sum = 0
			for v in coro.wrap(function()
				for v in ch:values() do coro.yield(v) end
			end) do sum = sum + v end
			return sum
		end)
		for i = 1, 100 do ch:send(i) end
		ch:close()
		assert.equal(5050, over())
	end))

	it('that is always ready starves nobody', function()
		local ch = thread.channel()
		local at
		socket.runafter(0.005, function() at = clock() end)
		socket.newthread(function()
			local limit = clock() + 5
			while not at and clock() < limit do
				ch:send(1)
				ch:recv()
			end
		end)
		finish()
		assert.is_number(at)
	end)

	it('is told of by threads()', function()
		local ch = thread.channel(0)
		for _ = 1, 2 do
			socket.newthread(function() ch:recv() end)
		end
		local full = thread.channel(0)
		socket.newthread(function() full:send(1) end)
		local what = {}
		for _, t in ipairs(socket.threads()) do
			what[t.what] = (what[t.what] or 0) + 1
			assert.is_true(t.socket == ch or t.socket == full)
			assert.matches('channel_spec.lua:%d+', t.at)
			assert.matches('channel_spec.lua:%d+', t.opened or '')
		end
		assert.same({recv = 2, send = 1}, what)
		assert.matches('waits for recv on channel %d+', tostring(socket.threads()))
		ch:close()
		full:close()
		finish()
	end)

	it('goes through channels, as itself', threaded(function()
		local a, b = thread.channel(), thread.channel()
		a:send{b, b, [b] = a}
		local t = a:recv()
		assert.is_true(t[1] == b and t[2] == b and t[b] == a)
		b:send(1)
		assert.equal(1, t[1]:recv())
	end))

	it('whose thread is resumed by something else serves the next', function()
		local ch, err = thread.channel(), nil
		local t = socket.newthread(function()
			err = select(2, pcall(ch.recv, ch))
		end)
		local got
		socket.newthread(function() got = ch:recv() end)
		coro.resume(t, 'intruder')
		assert.matches('was resumed by something else', err)
		socket.newthread(function()
			spec.turn()
			ch:send'x'
		end)
		finish()
		assert.equal('x', got)
	end)

	it('whose send is ended by something else is not busy for the next', function()
		local ch, err = thread.channel(0), nil
		local t = socket.newthread(function()
			err = select(2, pcall(ch.send, ch, 'first'))
		end)
		coro.resume(t, 'intruder')
		assert.matches('was resumed by something else', err)
		local sent
		socket.newthread(function() sent = {ch:send'second'} end) -- the first is not over yet
		assert.equal('second', run(function() return ch:recv() end))
		finish()
		assert.same({true}, sent)
	end)

	it('has a message whose module receives the next one while it is read', threaded(function()
		local ch, after, others = thread.channel(1/0), ('y'):rep(3000), {}
		package.loaded.channel_spec_module = {}
		local f = setfenv(function() return 'called' end, package.loaded.channel_spec_module)
		ch:send{f, after}
		ch:send'another'
		package.loaded.channel_spec_module = nil
		package.preload.channel_spec_module = function()
			others[1] = ch:recv()
			for i = 1, 20 do ch:send(('z'):rep(3000 + 5 * i)) end -- in its memory, if that was freed
			return {}
		end
		local list = ch:recv()
		package.loaded.channel_spec_module, package.preload.channel_spec_module = nil, nil
		assert.equal('called', list[1]())
		assert.equal(after, list[2])
		assert.same({'another'}, others)
	end))

	it('keeps no memory of a large message', threaded(function()
		local C, loop = require'socket2.lib'.C, require'socket2.run.sched'.loop
		local ch = thread.channel()
		ch:send(('x'):rep(1e6))
		assert.equal(1e6, #ch:recv())
		assert.is_true(C.socket2_message_data(loop, ch.h) == nil)
	end))

	it('that is forgotten is freed, with what is in it, however often it came', function()
		local port
		run(function() -- its stack is gone with it
			local s
			s, port = spec.listener()
			local ch, carrier = thread.channel(), thread.channel()
			for _ = 1, 10 do
				carrier:send{ch}
				assert.equal(ch, carrier:recv()[1])
			end
			assert(ch:send{s})
			assert.equal('tcp closed', tostring(s))
			assert(socket.connect('127.0.0.1', port)):close()
		end)
		run(function()
			spec.wait_until(function()
				collectgarbage()
				local c = socket.connect('127.0.0.1', port)
				return not (c and c:close())
			end)
		end)
	end)

	spec.with('/proc', it)('that is gone takes no memory', function()
		if (os.getenv'LD_PRELOAD' or ''):find'san' then
			return pending'the sanitizers keep what is freed'
		end
		local C, loop = require'socket2.lib'.C, require'socket2.run.sched'.loop
		local function pages()
			collectgarbage()
			local file = assert(io.open'/proc/self/statm')
			local n = select(2, file:read('*n', '*n')) -- what is in memory
			file:close()
			return n
		end
		local function rounds(n)
			for _ = 1, n do
				assert(C.socket2_channel_close(loop, C.socket2_channel_new(loop, 0)) == 0)
			end
		end
		rounds(10000)
		local before = pages()
		rounds(500000)
		assert.is_true(pages() - before < 1000)
	end)

	it('survives values whose modules are missing', threaded(function()
		local ch = thread.channel()
		package.loaded.channel_spec_module = {}
		ch:send(package.loaded.channel_spec_module)
		ch:send'next'
		package.loaded.channel_spec_module = nil
		raises("module 'channel_spec_module' not found", ch.recv, ch)
		assert.equal('next', ch:recv())
	end))
end)

describe('a channel between states', function()
	local function child(f, ...)
		return assert(thread.new(f, ...))
	end

	it('has many senders and receivers, and each sender\'s order', function()
		run(function()
			local SENDERS, RECEIVERS, N = 4, 3, 2000
			local ch, senders, receivers = thread.channel(8), {}, {}
			for s = 1, SENDERS do
				senders[s] = child(function()
					local halves = socket.threadset()
					for half = 0, 1 do -- two of a state share the handle
						halves:thread(function()
							for i = 1, N / 2 do assert(ch:send{s * 2 + half, i}) end
						end)
					end
					for _, r in ipairs(halves:wait()) do assert(r.ok, r.traceback) end
				end)
			end
			for r = 1, RECEIVERS do
				receivers[r] = child(function()
					local last, n = {}, 0
					for v in ch:values() do
						assert((last[v[1]] or 0) < v[2], 'out of order')
						last[v[1]] = v[2]
						n = n + 1
					end
					return n
				end)
			end
			for _, t in ipairs(senders) do
				t:join()
				assert.is_false(t:failed())
			end
			ch:close()
			local total = 0
			for _, t in ipairs(receivers) do total = total + assert(t:join()) end
			assert.equal(SENDERS * N, total)
		end, 60)
	end)

	it('answers through a channel that came along', threaded(function()
		local requests = thread.channel()
		local server = child(function()
			for r in requests:values() do
				r.reply:send(r.n * 2)
			end
		end)
		local reply = thread.channel()
		for i = 1, 100 do
			requests:send{reply = reply, n = i}
			assert.equal(2 * i, reply:recv())
		end
		requests:close()
		server:join()
		assert.is_false(server:failed())
	end))

	it('ends a wait in another state', threaded(function()
		local ch = thread.channel(0)
		local t = child(function()
			return {ch:recv()}, {ch:send(1)}
		end)
		ch:close()
		local recv, send = t:join()
		fails('closed', unpack(recv, 1, 3))
		fails('closed', unpack(send, 1, 3))
	end))

	it('without room is handed over in person', threaded(function()
		local ch = thread.channel(0)
		local t = child(function()
			local sum = 0
			for v in ch:values() do sum = sum + v end
			return sum
		end)
		for i = 1, 200 do assert(ch:send(i)) end
		ch:close()
		assert.equal(20100, t:join())
	end))
end)
