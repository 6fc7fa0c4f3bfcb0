-- What threads wait for of each other: events, semaphores, queues.

local socket = require'socket2'
local coro = require'coro'
local spec = require'spec'

local threaded, fails, run = spec.threaded, spec.fails, spec.run
local raises, finish = spec.raises, spec.finish
local clock = socket.clock

local SOON = 0.002 -- a time that is worth waiting for
local CANNOT_WAIT = 'inside a plain coroutine or a function that C calls'
local LATE = 0.5 -- how late a timer may be on a slow machine

-- waiters(n, f) -> results, order, threads: n threads of f(i); what each returned, by its number, and the
-- numbers in the order they ended.
local function waiters(n, f)
	local results, order, threads = {}, {}, {}
	for i = 1, n do
		threads[i] = socket.newthread(function()
			results[i] = {f(i)}
			order[#order + 1] = i
		end)
	end
	return results, order, threads
end

local function numbers(n)
	local t = {}
	for i = 1, n do t[i] = i end
	return t
end

local function values(queue)
	return function() return queue:pop() end
end

-- A timer fires on time while a thread calls f(), which never waits for the loop, again and again.
local function starves_nobody(f)
	local time = clock() + 0.01
	local at
	socket.runat(time, function() at = clock() end)
	local calls, limit = 0, clock() + 5
	socket.newthread(function()
		while (not at or calls < 2000) and clock() < limit do
			f(calls)
			calls = calls + 1
		end
	end)
	spec.poll_until(function() return at and calls >= 2000 end)
	assert.is_true(at >= time and at < time + LATE, at - time)
end

-- Each kind of thing that one can wait for: with a new one wait(object, expires) has to wait; give(object)
-- ends one such wait (`one`), or all of them.
local kinds = {
	event = {
		new = function() return socket.event() end,
		wait = function(e, expires) return e:wait(expires) end,
		give = function(e) e:set() e:clear() end,
	},
	semaphore = {
		new = function() return socket.semaphore(0) end,
		wait = function(s, expires) return s:take(expires) end,
		give = function(s) s:give() end,
		one = true,
	},
	['queue:pop'] = {
		new = function() return socket.queue() end,
		wait = function(q, expires) return q:pop(expires) end,
		give = function(q) q:push(true) end,
		one = true,
	},
	['queue:push'] = {
		new = function()
			local q = socket.queue(1)
			q:push(true)
			return q
		end,
		wait = function(q, expires) return q:push(true, expires) end,
		give = function(q) assert(q:pop() == true) end,
		one = true,
	},
}

after_each(spec.tidy)

for name, kind in pairs(kinds) do
	describe(name, function()
		it('is a wait of the thread, which ends in order', function()
			local object = kind.new()
			local results, order = waiters(100, function() return kind.wait(object) end)
			assert.is_false(socket.poll(0))
			assert.equal(0, #order)
			for i = 1, 100 do
				if kind.one or i == 1 then kind.give(object) end
			end
			finish()
			assert.same(numbers(100), order)
			for i = 1, 100 do assert.same({true}, results[i]) end
		end)

		it('gives up at its time, not earlier, and loses nothing', function()
			local object = kind.new()
			local t = clock() + SOON
			local results, order = waiters(3, function(i)
				local ok, err, errcode = kind.wait(object, i == 2 and t or nil)
				return ok, err, errcode, clock()
			end)
			spec.poll_until(function() return results[2] end)
			assert.is_true(results[2][4] >= t and results[2][4] < t + LATE)
			fails('timeout', unpack(results[2], 1, 3))
			kind.give(object)
			if kind.one then kind.give(object) end
			finish()
			assert.same({2, 1, 3}, order)
			assert.is_true(results[1][1] and results[3][1])
		end)

		it('ends at once when its time is over', threaded(function()
			local object = kind.new()
			for _, expires in ipairs{0, -1, -1/0, clock()} do
				fails('timeout', kind.wait(object, expires))
			end
			local over = spec.go(kind.wait, object)
			kind.give(object)
			assert.is_true(over())
		end))

		it('refuses what is no time', threaded(function()
			local object = kind.new()
			fails('invalid_argument', kind.wait(object, 0/0))
			for _, v in ipairs{'1', {}, false} do
				raises('bad expires', kind.wait, object, v)
			end
			local over = spec.go(kind.wait, object) -- nobody is left in the list
			kind.give(object)
			assert.is_true(over())
		end))

		it('ends by cancel(), also in the middle of the list', function()
			local object = kind.new()
			local results, order, threads = waiters(9, function() return kind.wait(object) end)
			for _, i in ipairs{5, 1, 9} do assert.is_true(socket.cancel(threads[i])) end
			for i = 1, 6 do
				if kind.one or i == 1 then kind.give(object) end
			end
			finish()
			for _, i in ipairs{5, 1, 9} do fails('canceled', unpack(results[i], 1, 3)) end
			assert.same({5, 1, 9, 2, 3, 4, 6, 7, 8}, order)
			for _, i in ipairs{2, 3, 4, 6, 7, 8} do assert.same({true}, results[i]) end
		end)

		it('works for thousands, of whom a part gives up', function()
			local object, N, timeouts, canceled, got = kind.new(), 3000, 0, 0, 0
			local _, order, threads = waiters(N, function(i)
				local ok, err = kind.wait(object, i % 3 == 0 and clock() + SOON or nil)
				if ok then
					got = got + 1
				elseif err == 'timeout' then
					timeouts = timeouts + 1
				else
					canceled = canceled + 1
				end
			end)
			for i = 1, N, 3 do socket.cancel(threads[i]) end
			spec.poll_until(function() return #order == 2 * N / 3 end)
			assert.same({N / 3, N / 3, 0}, {canceled, timeouts, got})
			for i = 1, N / 3 do
				if kind.one or i == 1 then kind.give(object) end
			end
			finish()
			assert.equal(N / 3, got)
		end)

		it('loses nothing when what it waits for and its time come together', function()
			local object, given, got = kind.new(), 0, 0
			for i = 1, 300 do
				local t, over = clock() + 0.0002, nil
				local function give()
					if over then return end
					kind.give(object)
					given = given + 1
				end
				if i % 2 == 0 then socket.runat(t, give) end
				socket.newthread(function()
					local ok, err = kind.wait(object, t)
					over = ok or err
				end)
				if i % 2 == 1 then socket.runat(t, give) end
				finish()
				assert(over == true or over == 'timeout', over)
				if over == true then got = got + 1 end
				if kind.one and got < given then -- what came too late is there for the next
					assert.is_true(run(function() return kind.wait(object, 0) end))
					got = got + 1
				end
				assert(not kind.one or got == given)
			end
			run(function() fails('timeout', kind.wait(object, 0)) end)
		end)

		it('works in a generator', threaded(function()
			local object = kind.new()
			local over = spec.go(function()
				local n = 0
				for ok in coro.wrap(function()
					for _ = 1, 3 do coro.yield(kind.wait(object)) end
				end) do
					assert(ok == true)
					n = n + 1
				end
				return n
			end)
			while not over'done?' do
				kind.give(object)
				spec.turn()
			end
			assert.equal(3, over())
		end))

		it('raises where nobody can wait, and loses nothing by it', function()
			local object = kind.new()
			raises('outside a socket thread', kind.wait, object)
			run(function()
				raises(CANNOT_WAIT, coroutine.wrap(function() kind.wait(object) end))
				raises(CANNOT_WAIT, string.gsub, 'x', 'x', function() kind.wait(object) end)
				local over = spec.go(kind.wait, object)
				kind.give(object)
				assert.is_true(over())
			end)
		end)

		it('leaves no thread behind', function()
			local threads = setmetatable({}, {__mode = 'k'})
			local object = kind.new()
			for i = 1, 20 do
				threads[socket.newthread(function() kind.wait(object, i % 2 == 0 and clock() or nil) end)] = true
			end
			finish()
			for _ = 1, 10 do kind.give(object) end
			finish()
			for _ = 1, 3 do collectgarbage() end
			local kept = 0 -- one or two are what old slots of a stack still show to the collector
			for _ in pairs(threads) do kept = kept + 1 end
			assert.is_true(kept <= 5, kept)
			assert.is_table(object)
		end)
	end)
end

describe('event', function()
	it('stays set until clear()', function()
		local e, n = socket.event(), 0
		e:set()
		e:set()
		assert.is_true(e:wait())
		assert.is_true(e:wait(0))
		e:clear()
		raises('wait%(%) outside a socket thread', e.wait, e)
		waiters(3, function() assert(e:wait()) n = n + 1 end)
		e:set()
		e:clear()
		assert.equal(0, n) -- set() runs nobody
		finish()
		assert.equal(3, n)
		raises('outside', e.wait, e)
	end)

	it('that is set starves nobody', function()
		local e = socket.event()
		e:set()
		starves_nobody(function() assert(e:wait()) end)
	end)
end)

describe('semaphore', function()
	it('has so many permits', function()
		local s, inside, most = socket.semaphore(3), 0, 0
		local _, order = waiters(20, function()
			assert(s:take())
			inside = inside + 1
			most = math.max(most, inside)
			socket.sleep(0.0005)
			inside = inside - 1
			s:give()
		end)
		finish()
		assert.same({20, 3, 0}, {#order, most, inside})
		for _ = 1, 3 do assert.is_true(s:take()) end
		raises('take%(%) outside a socket thread', s.take, s)
		s:give(2)
		assert.is_true(s:take() and s:take())
		raises('take%(%) outside a socket thread', s.take, s)
	end)

	it('hands a permit over to who came first, not to who comes now', threaded(function()
		local s = socket.semaphore(0)
		local first = spec.go(s.take, s)
		s:give()
		fails('timeout', s:take(clock()))
		assert.is_true(first())
		local a, b = spec.go(s.take, s), spec.go(s.take, s)
		s:give(3)
		assert.is_true(s:take())
		assert.is_true(a() and b())
		fails('timeout', s:take(clock()))
	end))

	it('takes only whole numbers', function()
		for _, n in ipairs{-1, 0.5, 0/0} do
			raises('number of permits', socket.semaphore, n)
		end
		local s = socket.semaphore(0)
		for _, n in ipairs{-1, 0, 0.5, 0/0} do raises('number of permits', s.give, s, n) end
		for _, v in ipairs{'1', {}, false} do
			raises('number of permits', socket.semaphore, v)
			raises('number of permits', s.give, s, v)
		end
		raises('number of permits', socket.semaphore)
		raises('outside', s.take, s)
	end)

	it('that is free starves nobody', function()
		local s = socket.semaphore(1)
		starves_nobody(function() assert(s:take()) s:give() end)
	end)
end)

describe('queue', function()
	it('keeps the order and any value but nil', threaded(function()
		local q = socket.queue()
		local all = {1, 'two', false, {}, true, print, q}
		for i = 1, #all do assert.is_true(q:push(all[i])) end
		assert.equal(#all, q:count())
		for i = 1, #all do assert.equal(all[i], (q:pop())) end
		assert.equal(0, q:count())
		raises("bad argument #1 to 'push'", q.push, q, nil)
		raises("bad argument #1 to 'push'", q.push, q)
		assert.equal(0, q:count())
		local over = spec.go(q.pop, q)
		q:push(false)
		assert.same({false}, {over()})
	end))

	it('keeps no value that was popped', threaded(function()
		for _, max in ipairs{2, 1/0} do
			local q, weak = socket.queue(max), setmetatable({}, {__mode = 'k'})
			for _ = 1, 10 do
				spec.go(function()
					local value = {}
					weak[value] = true
					q:push(value)
				end)
			end
			spec.go(function()
				for _ = 1, 10 do q:pop() end
			end)
			spec.turn()
			local function left()
				collectgarbage()
				local n = 0
				for _ in pairs(weak) do n = n + 1 end
				return n
			end
			-- One or two are what old slots of a stack still show to the collector.
			spec.wait_until(function() return left() <= 2 end)
			assert.equal(0, q:count())
		end
	end))

	it('brings all values, in order, through any capacity, to many threads', function()
		for _, max in ipairs{1, 2, 7, 1/0} do
			local q, N, got, highest = socket.queue(max), 500, {}, 0
			waiters(4, function(p)
				for i = 1, N do
					assert(q:push{p, i})
					highest = math.max(highest, q:count())
					if i % 50 == p then socket.sleep(0) end
				end
			end)
			waiters(3, function(c)
				local last = {0, 0, 0, 0} -- a later pop gets a later value, whatever others get
				for v in values(q) do
					got[#got + 1] = v
					assert(v[2] > last[v[1]], 'out of order')
					last[v[1]] = v[2]
					if #got % 70 == c then socket.sleep(0) end
					if #got == 4 * N then q:close() end
				end
			end)
			finish()
			assert.equal(4 * N, #got)
			local sums = {0, 0, 0, 0}
			for _, v in ipairs(got) do sums[v[1]] = sums[v[1]] + v[2] end
			for p = 1, 4 do assert.equal(N * (N + 1) / 2, sums[p]) end
			assert.is_true(highest <= max)
		end
	end)

	it('that is closed gives what is left, and ends all waits', function()
		local q = socket.queue(2)
		q:push'a'
		q:push(false)
		local pushed = waiters(2, function() return q:push'c' end)
		assert.is_true(q:close())
		assert.is_true(q:close())
		finish()
		for i = 1, 2 do fails('closed', unpack(pushed[i], 1, 3)) end
		fails('closed', q:push'd')
		assert.equal(2, q:count())
		assert.equal('a', (q:pop()))
		assert.is_false(q:pop())
		fails('closed', q:pop())
		fails('closed', q:pop(0))
		local other = socket.queue()
		local popped = waiters(3, function() return other:pop() end)
		other:close()
		finish()
		for i = 1, 3 do fails('closed', unpack(popped[i], 1, 3)) end
	end)

	it('works outside threads, and in generators there, where nothing has to wait', function()
		local q = socket.queue(1000)
		for i = 1, 400 do q:push(i) end
		coro.wrap(function() for i = 401, 1000 do q:push(i) end end)()
		raises('push%(%) outside a socket thread', q.push, q, 1001)
		assert.equal(1000, q:count())
		for i = 1, 400 do assert.equal(i, (q:pop())) end
		coro.wrap(function() for i = 401, 1000 do assert(q:pop() == i) end end)()
		raises('pop%(%) outside a socket thread', q.pop, q)
		assert.is_false(socket.poll(0))
	end)

	it('takes only a size that is one', function()
		for _, n in ipairs{0, -1, 0.5, 0/0, '1', {}, false} do
			raises('size of a queue', socket.queue, n)
		end
	end)

	it('that is never empty or full starves nobody', function()
		local q = socket.queue()
		starves_nobody(function(i) q:push(i) assert(q:pop() == i) end)
	end)

	it('that two threads play ping-pong with starves nobody', function()
		local there, back = socket.queue(1), socket.queue(1)
		socket.newthread(function()
			for v in values(there) do back:push(v) end
		end)
		starves_nobody(function(i) there:push(i) assert(back:pop() == i) end)
		there:close()
		finish()
	end)
end)
