-- Timers: the clock, sleep, sleep_until, runat, runafter, runevery, and what they promise: never early,
-- in order, on time while others are busy.
-- Runs alone: it measures time.

local socket = require'socket2'
local coro = require'coro'
local spec = require'spec'

local threaded, fails, run, poll_until = spec.threaded, spec.fails, spec.run, spec.poll_until
local raises, finish = spec.raises, spec.finish
local clock = socket.clock

-- What is not exact: how late a timer may be on a slow machine that has other work.
local LATE = 0.5

local quiet -- ends the noise

-- noise() -> count: two threads that send a byte to and fro and never rest, until quiet(). count() ->
-- bytes received so far.
local function noise()
	local a, b
	local count = 0
	run(function() a, b = spec.pair() end)
	local function echo(s)
		local buf = spec.buffer(1)
		while s:recv(buf, 1) == 1 and s:send(buf, 1) do
			count = count + 1
		end
	end
	function quiet()
		quiet = nil
		a:close()
		b:close()
	end
	socket.newthread(echo, a)
	socket.newthread(echo, b)
	socket.newthread(function() a:send'x' end)
	return function() return count end
end

after_each(function()
	if quiet then quiet() end
	spec.tidy()
end)

describe('clock', function()
	it('never goes back, and counts in seconds', function()
		local t, cpu = clock(), os.clock()
		local last = t
		while os.clock() < cpu + 0.05 do
			local now = clock()
			assert(now >= last)
			last = now
		end
		assert.is_true(last - t > 0.04 and last - t < 5, last - t)
	end)
end)

describe('sleep', function()
	it('returns true, and never early, for many times', threaded(function()
		math.randomseed(1)
		for _ = 1, 200 do
			local s = math.random() * 0.002
			local t = clock()
			assert.is_true(socket.sleep(s))
			assert.is_true(clock() >= t + s)
			t = clock() + s
			assert.is_true(socket.sleep_until(t))
			assert.is_true(clock() >= t)
		end
	end))

	it('lets others run meanwhile, and those wake up in the order of their times', function()
		local order = {}
		for _, i in ipairs{5, 2, 4, 1, 3} do
			socket.newthread(function()
				assert(socket.sleep(i * 0.005))
				order[#order + 1] = i
			end)
		end
		finish()
		assert.same({1, 2, 3, 4, 5}, order)
	end)

	it('of no time, or of a time that is over, is a turn of the others', threaded(function()
		for _, s in ipairs{0, -1, -1e300, -1/0} do
			local other
			local over = spec.go(function() socket.sleep(0) other = true end)
			assert.is_true(socket.sleep(s))
			assert.is_true(socket.sleep_until(s))
			over()
			assert.is_true(other)
		end
	end))

	it('of no time in a loop starves nobody', function()
		local count = noise()
		run(function()
			local before = count()
			repeat socket.sleep(0) until count() > before + 100
		end)
	end)

	it('for ever ends by cancel() alone', function()
		for _, s in ipairs{1/0, 1e300, 1e18} do
			local result
			local t = socket.newthread(function() result = {socket.sleep(s)} end)
			socket.poll(0.001)
			assert.is_nil(result)
			assert.is_true(socket.cancel(t))
			finish()
			fails('canceled', unpack(result, 1, 3))
		end
	end)

	it('refuses what is no time', function()
		run(function()
			fails('invalid_argument', socket.sleep(0/0))
			fails('invalid_argument', socket.sleep_until(0/0))
			for _, v in ipairs{'1', {}, false, print} do
				raises("bad argument #1 to 'sleep'", socket.sleep, v)
				raises("bad argument #1 to 'sleep_until'", socket.sleep_until, v)
			end
			raises("bad argument #1 to 'sleep'", socket.sleep)
		end)
		raises('sleep%(%) outside a socket thread', socket.sleep, 0)
		raises('sleep_until%(%) outside a socket thread', socket.sleep_until, 0)
	end)

	it('works in a generator', threaded(function()
		local got = {}
		for i in coro.wrap(function()
			for i = 1, 3 do
				assert(socket.sleep(0.001))
				coro.yield(i)
			end
		end) do
			got[#got + 1] = i
		end
		assert.same({1, 2, 3}, got)
	end))
end)

describe('runat and runafter', function()
	it('run the function once, never early, in a thread of its own', function()
		local at, thread, n = nil, nil, 0
		local time = clock() + 0.1
		local timer = assert(socket.runat(time, function(...)
			at, thread, n = clock(), socket.currentthread(), n + 1
			assert(select('#', ...) == 0)
		end))
		assert.is_false(socket.poll(0))
		assert.equal(0, n)
		finish()
		assert.equal(1, n)
		assert.is_true(at >= time and at < time + LATE)
		assert.equal('thread', type(thread))
		assert.is_false(timer:cancel())
		assert.is_false(socket.poll(0.001))
		assert.equal(1, n)
	end)

	it('are never early and in order, for thousands of random times', function()
		math.randomseed(2)
		local N, wrong, count, last = 3000, 0, 0, -1/0
		local start = clock()
		for _ = 1, N do
			local time = start + math.random() * 0.2
			assert(socket.runat(time, function()
				local now = clock()
				if now < time or time < last then wrong = wrong + 1 end
				last, count = time, count + 1
			end))
		end
		for _ = 1, N do
			local s = math.random() * 0.2
			local t = clock()
			assert(socket.runafter(s, function()
				if clock() < t + s then wrong = wrong + 1 end
				count = count + 1
			end))
		end
		finish()
		assert.equal(2 * N, count)
		assert.equal(0, wrong)
	end)

	it('run at once when the time is over', function()
		local n = 0
		local function count() n = n + 1 end
		for _, s in ipairs{0, -1, -1e300, -1/0} do
			assert(socket.runafter(s, count))
			assert(socket.runat(s, count))
		end
		assert.equal(0, n)
		finish()
		assert.equal(8, n)
	end)

	it('can be armed for times that never come', function()
		for _, time in ipairs{1e18, 1e300, 1.7e308} do
			local timer = assert(socket.runat(time, error))
			assert.is_false(socket.start(0.002))
			assert.is_true(timer:cancel())
			timer = assert(socket.runafter(time, error))
			assert.is_false(socket.poll(0.002))
			assert.is_true(timer:cancel())
			assert.is_false(timer:cancel())
		end
		assert.is_true(socket.start(5))
	end)

	it('refuse what is no time and no function', function()
		for _, name in ipairs{'runat', 'runafter', 'runevery'} do
			local f = socket[name]
			fails('invalid_argument', f(0/0, print))
			if name == 'runevery' then
				fails('invalid_argument', f(0, print))
				fails('invalid_argument', f(-1, print))
			end
			for _, v in ipairs{'1', {}, false, print} do
				raises("bad argument #1 to '" .. name .. "'", f, v, print)
			end
			for _, v in ipairs{1, 'f', {}, false, coro.create(print)} do
				raises("bad argument #2 to '" .. name .. "'", f, 1, v)
			end
			raises("bad argument #1 to '" .. name .. "'", f)
			raises("bad argument #2 to '" .. name .. "'", f, 1)
		end
		assert.is_true(socket.start(5))
	end)

	it('can arm timers, and do I/O, in the function', function()
		local depth, got = 0, {}
		local function again()
			depth = depth + 1
			if depth < 100 then socket.runafter(0, again) end
		end
		socket.runafter(0, again)
		socket.runafter(0.001, function()
			local a, b = spec.pair()
			socket.runafter(0.001, function() a:send'hello' a:close() end)
			got[1] = spec.recv_all(b)
			b:close()
		end)
		finish()
		assert.equal(100, depth)
		assert.same({'hello'}, got)
	end)

	it('survive the garbage collector', function()
		local n = 0
		for i = 1, 50 do
			socket.runafter(i * 0.0002, function()
				collectgarbage()
				n = n + 1
			end)
			if i % 10 == 0 then collectgarbage() end
		end
		collectgarbage()
		collectgarbage()
		finish()
		assert.equal(50, n)
	end)

	it('leave nothing behind', function()
		local objects = setmetatable({}, {__mode = 'k'})
		for i = 1, 100 do
			local f = function() end
			objects[f] = true
			local timer = socket.runafter(i % 2 * 1000, f)
			objects[timer] = true
			if i % 2 == 1 then assert.is_true(timer:cancel()) end
		end
		finish()
		collectgarbage()
		collectgarbage()
		local kept = 0 -- one or two are what old slots of a stack still show to the collector
		for _ in pairs(objects) do kept = kept + 1 end
		assert.is_true(kept <= 5, kept)
	end)
end)

describe('cancel', function()
	it('takes a timer back, whatever their number and order', function()
		math.randomseed(3)
		local N, ran, timers, canceled = 1000, {}, {}, 0
		for i = 1, N do
			timers[i] = socket.runafter(0.002 + math.random() * 0.02, function() ran[#ran + 1] = i end)
		end
		for i = 1, N, 2 do
			assert.is_true(timers[i]:cancel())
			assert.is_false(timers[i]:cancel())
			canceled = canceled + 1
		end
		finish()
		assert.equal(N - canceled, #ran)
		for _, i in ipairs(ran) do assert.equal(0, i % 2) end
	end)

	it('holds for one whose time has come, when an earlier one of the same turn cancels it', function()
		local ran, results, timers, time = 0, {}, {}, clock()
		for i = 1, 10 do
			timers[i] = socket.runat(time, function()
				ran = ran + 1
				for k = 1, 10 do results[tostring(timers[k]:cancel())] = true end
			end)
		end
		finish()
		assert.equal(1, ran)
		assert.same({['true'] = true, ['false'] = true}, results)
	end)

	it('stops runevery from inside and from outside', function()
		local n, m, timer = 0, 0, nil
		timer = socket.runevery(0.001, function()
			n = n + 1
			if n == 3 then assert(timer:cancel() == true) assert(timer:cancel() == false) end
		end)
		local other = socket.runevery(0.001, function() m = m + 1 end)
		poll_until(function() return n >= 3 and m >= 3 end)
		assert.is_true(other:cancel())
		assert.is_false(other:cancel())
		local before = m
		assert.is_true(socket.start(5))
		assert.is_false(socket.poll(0.01))
		assert.same({3, before}, {n, m})
	end)
end)

describe('runevery', function()
	it('keeps its beat without drift, however late it runs', function()
		local EVERY = 0.01
		local at, earliest, first, timer
		repeat -- until it is known well enough when the first one is
			if timer then timer:cancel() end
			earliest = clock() + EVERY
			timer = socket.runevery(EVERY, function() at = clock() end)
			first = clock() + EVERY
		until first - earliest < EVERY / 100
		for _ = 1, 10 do
			for _, late in ipairs{0.6 * EVERY, 0} do
				local beat = math.max(0, math.floor((clock() - first) / EVERY) + 1)
				while clock() < first + beat * EVERY + late do end
				at = nil
				assert.is_true(socket.poll(0))
				assert.is_true(at and at >= earliest + beat * EVERY)
			end
		end
		timer:cancel()
	end)

	it('leaves out the beats that were missed', function()
		local n = 0
		local timer = socket.runevery(0.002, function()
			n = n + 1
			local busy = clock() + 0.011
			while clock() < busy do end
		end)
		local t = clock()
		poll_until(function() return n >= 5 end)
		timer:cancel()
		assert.is_true(clock() - t >= 0.055)
		assert.is_false(socket.poll(0.01))
		assert.equal(5, n)
	end)

	it('goes on with any beat, however short, as long as nobody cancels it', function()
		for _, every in ipairs{1e-9, 1e-300, 5e-324} do
			local n = 0
			local timer = assert(socket.runevery(every, function() n = n + 1 end))
			poll_until(function() return n >= 10 end, 0.3)
			assert.is_true(timer:cancel())
		end
	end)

	it('goes on after an error in the function, which poll() raises', function()
		local n = 0
		local timer = socket.runevery(0.001, function() n = n + 1 error('beat ' .. n) end)
		raises('beat 1', socket.start, 5)
		raises('beat 2', socket.start, 5)
		timer:cancel()
	end)
end)

describe('timers and the loop', function()
	it('are on time while threads with I/O never rest, and hold them up no more', function()
		local count = noise()
		poll_until(function() return count() > 100 end)
		for _ = 1, 10 do
			local time, at, before, ops = clock() + 0.01, nil, nil, nil
			socket.runat(time - 0.0001, function() before = count() end)
			socket.runat(time, function() at, ops = clock(), count() - before end)
			poll_until(function() return at end)
			assert.is_true(at >= time)
			assert.is_true(at < time + LATE, at - time)
			assert.is_true(ops < 10000, ops)
		end
	end)

	it('that are many and due at once let I/O go on between', function()
		local count = noise()
		poll_until(function() return count() > 10 end)
		local before, N, ran, seen = count(), 2000, 0, nil
		for _ = 1, N do
			socket.runafter(0, function()
				ran = ran + 1
				if ran == N then seen = count() - before end
			end)
		end
		poll_until(function() return seen end)
		assert.is_true(seen >= 10, seen)
	end)

	it('keep start() going until the last has run', function()
		local ran = 0
		for i = 1, 5 do socket.runafter(i * 0.003, function() ran = ran + 1 end) end
		finish()
		assert.equal(5, ran)
	end)

	it('do not keep start() from its timeout, or from stop()', function()
		local timer = socket.runafter(1000, error)
		local t = clock()
		assert.same({false, 'timeout'}, {unpack({socket.start(0.01)}, 1, 2)})
		assert.is_true(clock() - t >= 0.01)
		socket.runafter(0.001, socket.stop)
		assert.is_true(socket.start(5))
		timer:cancel()
	end)

	it('leave the timeout of poll() as it is', function()
		local timer = socket.runafter(1000, error)
		for _, s in ipairs{0, 0.001, 0.01, 0.0123} do
			local t = clock()
			local ok, err = socket.poll(s)
			local took = clock() - t
			assert.is_false(ok)
			assert.equal('timeout', err)
			assert.is_true(took >= s and took < s + LATE, took)
		end
		timer:cancel()
		local ran
		socket.runafter(0.005, function() ran = true end)
		local t = clock()
		assert.is_true(socket.poll(5))
		assert.is_true(ran and clock() - t < 5)
	end)

	it('report errors in the function to poll() or onerror', function()
		socket.runafter(0, function() error'broken timer' end)
		local after
		socket.runafter(0, function() after = true end)
		raises('broken timer.*stack traceback', socket.poll, 5)
		finish()
		assert.is_true(after)
		local heard
		socket.onerror = function(thread, err, trace) heard = {type(thread), err, type(trace)} end
		local err = {}
		socket.runafter(0, function() error(err) end)
		finish()
		assert.equal(err, heard[2])
		assert.same({'thread', 'string'}, {heard[1], heard[3]})
	end)
end)
