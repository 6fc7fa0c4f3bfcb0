-- The loop: poll, start and stop.

local socket = require'socket2'
local coro = require'coro'
local threads = require'threads'
local spec = require'spec'

local threaded, raises = spec.threaded, spec.raises

local native = coroutine
local timed_out, open, bound, recv, waiting, batch, check_usable, elapsed =
	threads.timed_out, threads.open, threads.bound, threads.recv, threads.waiting, threads.batch,
	threads.check_usable, threads.elapsed

after_each(threads.tidy)

describe('poll', function()
	it('returns at once when nothing waits and there is no timeout', function()
		timed_out(socket.poll())
		timed_out(socket.poll(nil))
		timed_out(socket.poll(1/0))
		timed_out(socket.poll(2^31))
	end)

	it('gives up when the timeout is over, not before', function()
		waiting(print)
		for _, timeout in ipairs{0, -1, -1/0, 0.03, 0.001} do
			local t = elapsed(function() timed_out(socket.poll(timeout)) end)
			assert.is_true(t >= timeout, t .. ' s')
			assert.is_true(t < timeout + 5 or timeout < 0 and t < 5, t .. ' s')
		end
	end)

	it('returns true after the threads were resumed that something came for', function()
		local ran = 0
		local function run() ran = ran + 1 end
		for _, timeout in ipairs{0, 5, 2^31 - 1, 2^31, 1/0, 1e300} do
			batch{run}
			assert.is_true(socket.poll(timeout))
		end
		batch{run}
		assert.is_true(socket.poll())
		assert.equal(7, ran)
	end)

	it('takes only a number', function()
		for _, name in ipairs{'poll', 'start'} do
			for _, v in ipairs{'1', {}, true, false} do
				raises("bad argument #1 to '" .. name .. "'", socket[name], v)
			end
		end
	end)

	it('does not wait for a time that is no number', function()
		local go = waiting(function() end)
		assert.is_falsy(socket.poll(0/0))
		assert.is_falsy(socket.start(0/0))
		socket.newthread(go)
		assert.is_true(socket.poll(5))
	end)

	for _, name in ipairs{'poll', 'start'} do
		it('raises inside a thread: ' .. name, threaded(function()
			raises(name .. '%(%) inside a socket thread', socket[name], 0)
			raises(name .. '%(%) inside a socket thread', coro.wrap(socket[name]), 0)
			raises(name .. '%(%) inside a socket thread', native.wrap(socket[name]), 0)
			spec.turn() -- goes on as before
		end))
	end

	for kind, wrap in pairs{native = native.wrap, coro = coro.wrap} do
		it('may be called in a coroutine, by turns with the main program: ' .. kind, function()
			local ran = 0
			local function run() ran = ran + 1 end
			local poll = wrap(function()
				while true do
					batch{run}
					local ok = socket.poll(5)
					if kind == 'coro' then coro.yield(ok) else native.yield(ok) end
				end
			end)
			for i = 1, 3 do
				assert.is_true(poll())
				assert.equal(2 * i - 1, ran)
				batch{run}
				assert.is_true(socket.poll(5))
				assert.equal(2 * i, ran)
			end
			-- a thread that another coroutine started
			local go = wrap(waiting)(run)
			socket.newthread(go)
			assert.is_true(socket.poll(5))
			assert.equal(7, ran)
		end)
	end
end)

describe('start', function()
	it('returns when no thread waits', function()
		assert.is_true(socket.start())
		assert.is_true(socket.start(5))
		local ran = 0
		batch{function() ran = ran + 1 end, function() spec.turn() ran = ran + 1 end}
		assert.is_true(socket.start())
		assert.equal(2, ran)
	end)

	it('returns when the time is over', function()
		waiting(print)
		for _, timeout in ipairs{0, -1, 0.02} do
			local t = elapsed(function() timed_out(socket.start(timeout)) end)
			assert.is_true(t >= timeout and t < 5, t .. ' s')
		end
	end)

	it('returns in time though a thread never rests', function()
		local s, over = bound(), false
		socket.newthread(function()
			while not over do
				s:send('x', s:localaddr())
				recv(s)
			end
		end)
		timed_out(socket.start(0.05))
		over = true
		assert.is_true(socket.start(5))
	end)

	it('returns when stopped, after the turn of the thread', function()
		local log = {}
		local go = waiting(function() log[#log + 1] = 'late' end)
		batch{function()
			socket.stop()
			log[#log + 1] = 'same turn'
		end}
		assert.is_true(socket.start())
		assert.same({'same turn'}, log)
		socket.newthread(go)
		assert.is_true(socket.start())
		assert.same({'same turn', 'late'}, log)
	end)

	it('returns when stopped, before others that the same event has woken', function()
		local e, log = socket.event(), {}
		for i = 1, 3 do
			socket.newthread(function()
				e:wait()
				log[#log + 1] = i
				socket.stop()
			end)
		end
		e:set()
		for i = 1, 3 do
			assert.is_true(socket.start(5))
			assert.equal(i, #log)
		end
		assert.same({1, 2, 3}, log)
	end)

	it('returns at once when it was stopped before, but only once', function()
		local ran = 0
		batch{function() ran = ran + 1 end}
		socket.stop()
		socket.stop()
		assert.is_true(socket.start())
		assert.equal(0, ran)
		assert.is_true(socket.start())
		assert.equal(1, ran)
	end)

	for _, name in ipairs{'start', 'poll'} do
		it('leaves what a stop cut off of a batch for the next ' .. name, function()
			local ran = 0
			local function stop()
				ran = ran + 1
				socket.stop()
			end
			local function run() ran = ran + 1 end
			batch{stop, run, run, run, run}
			assert.is_true(socket.start())
			assert.is_true(ran >= 1 and ran <= 5)
			while ran < 5 do
				assert.is_true(socket[name](0) or name == 'start')
			end
			check_usable()
		end)
	end

	it('forgets a stop together with the start that it was for', function()
		for _, f in ipairs{
			function() socket.stop() end,
			function() socket.stop() error'and failed' end,
		} do
			batch{f}
			pcall(socket.start, 0) -- also over because of the time or the error
			local ran
			batch{function() ran = true end}
			socket.start(5)
			assert.is_true(ran)
		end
	end)
end)

describe('a thread that never has to wait', function()
	-- The loop lets it have 64 at once. The other thread is woken in the middle of those, and may come
	-- after it in the next batch.
	local SHARE = 2 * (64 + 1)

	local busy_threads = {
		['udp to itself'] = function()
			local s = bound()
			return function()
				s:send('x', s:localaddr())
				recv(s)
				return 2
			end
		end,
		['udp sends'] = function()
			local s = bound()
			return function() return s:send('x', '127.0.0.1', s:localaddr():port()) end
		end,
		['reads from a tcp socket that is always full'] = function()
			local client, server = spec.pair()
			open[#open + 1], open[#open + 2] = client, server
			assert(client:send(('x'):rep(20000)))
			local b = spec.buffer(1)
			return function() return assert(server:recv(b, 1)) end
		end,
		['accepts'] = function()
			local s = spec.listener()
			open[#open + 1] = s
			for i = 1, 200 do
				open[#open + 1] = assert(socket.tcp())
				assert(open[#open]:connect(s:localaddr()), i)
			end
			return function()
				open[#open + 1] = assert(s:accept())
				return 1
			end
		end,
	}

	for name, make in pairs(busy_threads) do
		it('lets others go on: ' .. name, threaded(function()
			local operate = make()
			local woken = false
			local go = waiting(function() woken = true end)
			go()
			local n = 0
			while not woken and n < 100000 do
				n = n + operate()
			end
			assert.is_true(n <= SHARE, n .. ' operations')
		end))
	end
end)
