-- Threads that are steered: currentthread, suspend and resume, cancel in every kind of wait, sets of
-- threads, and the list of those that wait.

local socket = require'socket2'
local coro = require'coro'
local spec = require'spec'

local threaded, fails, run, go = spec.threaded, spec.fails, spec.run, spec.go
local raises, finish, hole, flood = spec.raises, spec.finish, spec.hole, spec.flood
local clock = socket.clock

local function line(f)
	local info = debug.getinfo(f, 'S')
	return ('%s:%d'):format(info.short_src, info.linedefined)
end

-- Every kind of wait: name -> f() -> wait, check, what, object. wait() waits forever; check() shows that
-- after its end nothing is lost; threads() has `what` for it. All run in socket threads.
local waits = {}

function waits.recv()
	local a, b = spec.pair()
	return function() return a:recv(spec.buffer(1), 1) end, function()
		b:send'x'
		assert.equal('x', spec.recv_all(a, 1))
		a:close()
		b:close()
	end, 'recv', a
end

function waits.readline()
	local a, b = spec.pair()
	b:send'ab'
	return function() return a:readline() end, function()
		b:send'c\n'
		assert.equal('abc', a:readline())
		a:close()
		b:close()
	end, 'recv', a
end

function waits.send()
	local a, b = spec.pair()
	local before = flood(a)
	local sent = 0
	return function()
		local ok, err, errcode, n = a:send(('y'):rep(100000))
		sent = sent + n
		return ok, err, errcode
	end, function()
		local over = go(a.send, a, 'end')
		local all = spec.recv_all(b, before + sent + 3)
		assert.equal(3, over())
		assert.equal(('y'):rep(sent) .. 'end', all:sub(before + 1))
		a:close()
		b:close()
	end, 'send', a
end

function waits.accept()
	local s = spec.listener()
	return function() return s:accept() end, function()
		local over = go(s.accept, s)
		local c = assert(socket.connect(s:localaddr()))
		local peer = assert(over())
		peer:close()
		c:close()
		s:close()
	end, 'accept', s
end

function waits.connect()
	local ai, free = hole()
	local first, c = assert(socket.tcp'inet'), nil
	return function()
		c = c and spec.another(first) or first
		return c:connect('127.0.0.1', ai:port())
	end, function()
		local s = spec.listener()
		c = spec.another(first)
		assert.is_true(c:connect(s:localaddr()))
		for _, x in ipairs{c, first, s} do x:close() end
		free()
	end, 'connect', first
end

waits['udp recv'] = function()
	local s = assert(socket.udp())
	s:bind('127.0.0.1', 0)
	return function() return s:recv(spec.buffer(1), 1) end, function()
		s:send('x', s:localaddr())
		assert.equal(1, (s:recv(spec.buffer(1), 1)))
		s:close()
	end, 'recv', s
end

for _, direction in ipairs{'r', 'w', 'rw'} do
	waits['wait ' .. direction] = function()
		local a, b = spec.pair()
		local before = flood(a)
		return function() return a:wait(direction) end, function()
			fails('timeout', a:send('x', nil, clock()))
			fails('timeout', a:recv(spec.buffer(1), 1, clock()))
			spec.recv_all(b, before)
			assert.equal('w', a:wait'w')
			b:send'x'
			assert.equal('r', a:wait'r')
			a:close()
			b:close()
		end, 'wait', a
	end
end

function waits.sleep()
	return function() return socket.sleep(1000) end, function() end, 'sleep'
end

function waits.suspend()
	return function() return socket.suspend() end, function() end, 'suspend'
end

function waits.event()
	local e = socket.event()
	return function() return e:wait() end, function() end, 'event'
end

function waits.semaphore()
	local s = socket.semaphore(0)
	return function() return s:take() end, function()
		s:give()
		assert.is_true(s:take(0))
	end, 'semaphore'
end

waits['queue pop'] = function()
	local q = socket.queue()
	return function() return q:pop() end, function()
		q:push'x'
		assert.equal('x', q:pop(0))
	end, 'queue'
end

waits['queue push'] = function()
	local q = socket.queue(1)
	q:push'x'
	return function() return q:push'y' end, function()
		assert.equal('x', q:pop(0))
		fails('timeout', q:pop(0))
	end, 'queue'
end

for _, method in ipairs{'wait', 'first'} do
	waits['threadset ' .. method] = function()
		local ts, e = socket.threadset(), socket.event()
		ts:thread(function() e:wait() end)
		return function() return ts[method](ts) end, function()
			e:set()
			assert.is_true(ts:wait()[1].ok)
		end, 'threadset'
	end
end

function waits.lookup()
	return function() return socket.addr('localhost', 1) end, function()
		assert.equal('127.0.0.1:1', socket.addr('localhost', 1):tostring())
	end, 'lookup'
end

after_each(spec.tidy)

describe('currentthread', function()
	it('is the thread that runs, nil outside', function()
		assert.is_nil(socket.currentthread())
		local inside, generator, nested, after, timer = {}, nil, nil, nil, nil
		local t = socket.newthread(function()
			inside[1] = socket.currentthread()
			coro.wrap(function()
				generator = socket.currentthread()
				socket.sleep(0)
				inside[2] = socket.currentthread()
			end)()
			local child = socket.newthread(function() socket.sleep(0) nested = socket.currentthread() end)
			inside[3] = socket.currentthread()
			socket.sleep(0.001)
			inside[4] = socket.currentthread()
			after = child
		end)
		assert.is_nil(socket.currentthread())
		socket.runafter(0, function() timer = socket.currentthread() end)
		finish()
		assert.is_nil(socket.currentthread())
		assert.same({t, t, t, t}, inside)
		assert.equal(t, generator)
		assert.equal(after, nested)
		assert.is_true(nested ~= t and type(timer) == 'thread' and timer ~= t)
		assert.is_nil(coro.wrap(function() return socket.currentthread() end)())
	end)
end)

describe('suspend and resume', function()
	it('pass values both ways', function()
		local log = {}
		local t = socket.newthread(function(...)
			log[1] = {n = select('#', ...), ...}
			local function keep(...) return {n = select('#', ...), ...} end
			log[2] = keep(socket.suspend(1, nil, 3, nil))
			log[3] = keep(socket.suspend())
			return 'dropped'
		end, 'a', nil)
		assert.same({n = 2, 'a', nil}, log[1])
		local function keep(...) return {n = select('#', ...), ...} end
		assert.same({n = 1, true}, keep(socket.resume(t, nil, 'b', nil)))
		assert.same({n = 3, nil, 'b', nil}, log[2])
		assert.same({n = 1, true}, keep(socket.resume(t)))
		assert.same({n = 0}, log[3])
		fails('not_suspended', socket.resume(t))
		t = socket.newthread(function()
			socket.suspend()
			socket.suspend(1, nil, 3, nil)
			socket.sleep(0)
		end)
		assert.same({n = 5, true, 1, nil, 3, nil}, keep(socket.resume(t)))
		assert.same({n = 1, true}, keep(socket.resume(t)))
		fails('not_suspended', socket.resume(t)) -- it sleeps
		finish()
	end)

	it('work from other threads, nested, and in generators', function()
		local log = {}
		local function say(s) log[#log + 1] = s end
		local inner = socket.newthread(function()
			for v in coro.wrap(function()
				while true do
					local v = socket.suspend('from inner')
					if not v then return end
					coro.yield(v)
				end
			end) do
				say('inner ' .. v)
			end
			say'inner over'
		end)
		local outer = socket.newthread(function()
			while true do
				local v = socket.suspend()
				say('outer ' .. tostring(v))
				local _, back = socket.resume(inner, v)
				if not v then return end
				say(back)
			end
		end)
		run(function()
			local me = socket.currentthread()
			assert.is_true(socket.resume(outer, 1))
			assert.equal(me, socket.currentthread())
			socket.sleep(0)
			assert.is_true(socket.resume(outer, 2))
		end)
		assert.is_true(socket.resume(outer, nil))
		assert.equal('outer 1,inner 1,from inner,outer 2,inner 2,from inner,outer nil,inner over',
			table.concat(log, ','))
		fails('not_suspended', socket.resume(outer))
		fails('not_suspended', socket.resume(inner))
	end)

	it('let the thread wait for other things in between', function()
		local got
		local t = socket.newthread(function()
			local a, b = spec.pair()
			socket.suspend()
			b:send'hello'
			got = spec.recv_all(a, 5)
			socket.sleep(0.001)
			got = got .. socket.suspend()
		end)
		spec.poll_until(function() return (socket.resume(t)) end)
		spec.poll_until(function() return (socket.resume(t, '!')) end)
		assert.equal('hello!', got)
	end)

	it('refuse what is not suspended', function()
		run(function() fails('not_suspended', socket.resume(socket.currentthread())) end)
		fails('not_suspended', socket.resume(coro.create(print)))
		fails('not_suspended', socket.resume(socket.newthread(function() end)))
		for _, v in ipairs{1, 't', {}, false, print} do raises("bad argument #1 to 'resume'", socket.resume, v) end
		raises("bad argument #1 to 'resume'", socket.resume)
		raises('suspend%(%) outside a socket thread', socket.suspend)
		local t
		t = socket.newthread(function() socket.suspend() return socket.resume(t) end)
		assert.is_true(socket.resume(t))
	end)

	it('report errors to poll(), not to who resumes', function()
		local t = socket.newthread(function() socket.suspend() error'after resume' end)
		assert.is_true(socket.resume(t))
		raises('after resume.*stack traceback', socket.poll, 0)
	end)
end)

describe('cancel', function()
	for name, setup in pairs(waits) do
		it('ends ' .. name .. ', also in a generator', threaded(function()
			local wait, check = setup()
			-- a thread that is in f(), canceled so many times before anybody else runs: the results of f
			local function canceled(times, f)
				local thread, ended
				local over = go(function()
					thread = socket.currentthread()
					local results = {f()}
					ended = true
					return unpack(results, 1, 3)
				end)
				for _ = 1, times do assert.is_true(socket.cancel(thread)) end
				assert.is_nil(ended) -- cancel() runs nobody
				fails('canceled', over())
				assert.is_false(socket.cancel(thread))
			end
			canceled(1, wait)
			canceled(1, coro.wrap(wait))
			canceled(2, wait)
			check()
		end))

		it('of a thread that does not wait ends its next wait, ' .. name, threaded(function()
			local wait, check = setup()
			assert.is_true(socket.cancel(socket.currentthread()))
			fails('canceled', wait())
			assert.is_true(socket.sleep(0)) -- and that one alone
			check()
		end))
	end

	it('is false for threads that are over, and takes threads only', function()
		assert.is_false(socket.cancel(socket.newthread(function() end)))
		for _, v in ipairs{1, 't', {}, false, print} do raises("bad argument #1 to 'cancel'", socket.cancel, v) end
		raises("bad argument #1 to 'cancel'", socket.cancel)
	end)

	it('that comes with the event is for the next wait, and the event counts', function()
		for _, first in ipairs{'reader', 'canceler'} do
			local a, b, got, thread
			run(function()
				a, b = assert(socket.udp()), assert(socket.udp())
				a:bind('127.0.0.1', 0)
				b:bind('127.0.0.1', 0)
			end)
			local function reader()
				thread = socket.newthread(function()
					got = {(a:recv(spec.buffer(1), 1))}
					got[2] = {socket.sleep(1000)}
					got[3] = {a:recv(spec.buffer(1), 1, clock())}
				end)
			end
			local function canceler()
				socket.newthread(function()
					b:recv(spec.buffer(1), 1)
					assert(socket.cancel(thread))
				end)
			end
			if first == 'reader' then reader() canceler() else canceler() reader() end
			run(function()
				local order = first == 'reader' and {a, b} or {b, a}
				for _, s in ipairs(order) do assert(s:send('x', s:localaddr())) end
			end)
			finish()
			assert.equal(1, got[1])
			fails('canceled', unpack(got[2], 1, 3))
			fails('timeout', unpack(got[3], 1, 3))
			a:close()
			b:close()
		end
	end)

	it('at any moment loses no byte of a stream', threaded(function()
		math.randomseed(4)
		local N, a, b = 2000, spec.pair()
		local parts, canceled, reader = {}, 0, nil
		local over = go(function()
			reader = socket.currentthread()
			local buf = spec.buffer(7)
			repeat
				local n, err = a:recv(buf, 7)
				if n then
					for i = 0, n - 1 do parts[#parts + 1] = buf[i] end
				else
					assert(err == 'canceled', err)
					canceled = canceled + 1
				end
			until n == 0
		end)
		local writer = go(function()
			for i = 1, N do
				assert(b:send(string.char(i % 128)))
				if i % 3 == 0 then socket.sleep(0) end
			end
			b:shutdown'w'
		end)
		while not over'done?' do
			if math.random() < 0.5 then socket.cancel(reader) end
			socket.sleep(math.random() < 0.5 and 0 or 0.0001)
		end
		writer()
		assert.equal(N, #parts)
		for i = 1, N do assert(parts[i] == i % 128) end
		assert.is_true(canceled > 10, canceled)
		a:close()
		b:close()
	end))
end)

describe('threadset', function()
	it('gives the results of all, in the order they were started', threaded(function()
		local ts, err = socket.threadset(), {}
		local function inner_error() socket.sleep(0) error(err) end
		local threads = {
			ts:thread(function(...) socket.sleep(0.003) return select('#', ...), ... end, 'a', nil, 'c', nil),
			ts:thread(function() return nil end), -- ends at once
			ts:thread(inner_error),
			ts:thread(function() error'at once' end),
			ts:thread(function() end),
		}
		local r = assert(ts:wait())
		assert.equal(5, #r)
		for i = 1, 5 do assert.equal(threads[i], r[i].thread) end
		assert.same({true, true, false, false, true}, {r[1].ok, r[2].ok, r[3].ok, r[4].ok, r[5].ok})
		assert.same({5, 4, 'a', nil, 'c', nil}, {r[1].n, unpack(r[1], 1, 5)})
		assert.same({1, 0}, {r[2].n, r[5].n})
		assert.equal(err, r[3][1])
		assert.is_truthy(r[3].traceback:find(line(inner_error), 1, true), r[3].traceback)
		assert.matches('at once$', r[4][1])
		assert.matches('at once.*stack traceback', r[4].traceback)
		assert.is_nil(r[1].traceback)
		assert.equal(5, #assert(ts:wait())) -- and again
	end))

	it('gives the first to end, then the next', threaded(function()
		local ts, t = socket.threadset(), clock()
		for i = 1, 5 do
			ts:thread(function()
				if i == 3 then error'three' end
				socket.sleep_until(t + (6 - i) * 0.002)
				return i
			end)
		end
		local order = {}
		for r in function() return (ts:first()) end do order[#order + 1] = r.ok and r[1] or 'error' end
		assert.same({'error', 5, 4, 2, 1}, order)
		fails('closed', ts:first())
		for i = 6, 8 do ts:thread(function() return i end) end
		for i = 6, 8 do assert.equal(i, ts:first()[1]) end -- they were over before it was called
		assert.same({}, ts:wait())
	end))

	it('gives the first while others go on', threaded(function()
		local ts, events = socket.threadset(), {socket.event(), socket.event(), socket.event()}
		for i, e in ipairs(events) do
			ts:thread(function()
				e:wait()
				return i
			end)
		end
		for n, i in ipairs{2, 3, 1} do
			local over = go(ts.first, ts, clock() + 5)
			events[i]:set()
			assert.equal(i, over()[1])
			assert.equal(3 - n, ts.running)
		end
	end))

	it('can be waited for again after a timeout, and by many', threaded(function()
		local ts, e = socket.threadset(), socket.event()
		ts:thread(function() return e:wait() end)
		local t = clock() + 0.002
		fails('timeout', ts:wait(t))
		assert.is_true(clock() >= t)
		fails('timeout', ts:first(0))
		fails('timeout', socket.deadline(clock(), ts.wait, ts))
		fails('invalid_argument', ts:wait(0/0))
		raises('bad expires', ts.wait, ts, 'x')
		local others = {go(ts.wait, ts), go(ts.wait, ts)}
		e:set()
		assert.is_true(ts:wait()[1][1])
		for i = 1, 2 do assert.is_true(others[i]()[1].ok) end
	end))

	it('may be empty, and used outside threads where nothing has to wait', function()
		local ts = socket.threadset()
		assert.same({}, ts:wait())
		fails('closed', ts:first())
		assert.is_true(ts:cancel())
		local e = socket.event()
		ts:thread(function() e:wait() end)
		raises('wait%(%) outside a socket thread', ts.wait, ts)
		e:set()
		finish()
		assert.is_true(ts:wait()[1].ok)
		for _, v in ipairs{1, 'f', {}, false} do raises("bad argument #1 to 'thread'", ts.thread, ts, v) end
		assert.equal(1, #ts:wait())
	end)

	it('cancels its threads, and those of sets inside', threaded(function()
		local ts, q = socket.threadset(), socket.queue()
		ts:thread(function() return 'over before' end)
		ts:thread(function() return q:pop() end)
		ts:thread(function() return select(2, socket.sleep(1000)) end)
		ts:thread(function()
			local inner = socket.threadset()
			inner:thread(function() return select(2, q:pop()) end)
			local _, err = inner:wait()
			inner:cancel()
			return err, inner:wait()[1][1]
		end)
		assert.is_true(ts:cancel())
		local r = assert(ts:wait(clock() + 5))
		assert.equal('over before', r[1][1])
		fails('canceled', unpack(r[2], 1, 3))
		assert.equal('canceled', r[3][1])
		assert.same({'canceled', 'canceled'}, {r[4][1], r[4][2]})
		assert.is_true(ts:cancel())
		assert.is_true(socket.sleep(0))
	end))
end)

describe('threads', function()
	for name, setup in pairs(waits) do
		it('tells of ' .. name, threaded(function()
			assert.equal(0, #socket.threads())
			local wait, check, what, object = setup()
			local others = {}
			for _, t in ipairs(socket.threads()) do others[t.thread] = true end
			local function body() assert(not wait()) end
			local before = clock()
			local thread = socket.newthread(body)
			local list = socket.threads()
			local found = {}
			for _, t in ipairs(list) do
				if not others[t.thread] then found[#found + 1] = t end
			end
			assert.equal(1, #found)
			local t = found[1]
			assert.equal(thread, t.thread)
			assert.equal(what, t.what)
			assert.equal(object, t.socket)
			assert.matches('_spec.lua:%d+$', t.at)
			assert.equal(line(body), t.started)
			assert.equal(object and 'string', type(t.opened) == 'string' and 'string' or nil)
			if object then assert.matches('^.+%.lua:%d+$', t.opened) end
			assert.is_true(t.since > before - 5 and t.since <= clock())
			assert.is_nil(t.name)
			local text = tostring(list)
			assert.is_string(text:match(what), text)
			assert.is_truthy(text:find(t.at, 1, true) and text:find(t.started, 1, true))
			assert.is_truthy(not object or text:find(tostring(object), 1, true))
			socket.cancel(thread)
			spec.wait_until(function() return coro.status(thread) == 'dead' end)
			check()
			for _, other in ipairs(socket.threads()) do assert.is_true(other.thread ~= thread) end
		end))
	end

	it('has the longest wait first, and names', threaded(function()
		local threads = {}
		for i = 1, 3 do
			threads[i] = socket.newthread(socket.sleep, 1000)
			assert.is_nil(socket.threadname(threads[i]))
			assert.equal('number ' .. i, socket.threadname(threads[i], 'number ' .. i))
			local t = clock()
			while clock() == t do end
		end
		local list = socket.threads()
		for i = 1, 3 do
			assert.same({threads[i], 'number ' .. i}, {list[i].thread, list[i].name})
			assert.is_truthy(tostring(list):find('number ' .. i, 1, true))
			socket.cancel(threads[i])
		end
		assert.equal(0, #socket.threads())
		assert.equal('', tostring(socket.threads()))
		raises("bad argument #1 to 'threadname'", socket.threadname, 'x')
		raises("bad argument #2 to 'threadname'", socket.threadname, threads[1], 1)
	end))

	it('that are over are not kept alive', function()
		local all = setmetatable({}, {__mode = 'k'})
		run(function()
			for name, setup in pairs(waits) do
				local wait, check = setup()
				local thread = socket.newthread(wait)
				all[thread] = name
				socket.threadname(thread, name)
				socket.cancel(thread)
				socket.cancel(thread)
				spec.wait_until(function() return coro.status(thread) == 'dead' end)
				check()
			end
		end)
		finish()
		for _ = 1, 3 do collectgarbage() end
		local kept = 0 -- one or two are what old slots of a stack still show to the collector
		for _ in pairs(all) do kept = kept + 1 end
		assert.is_true(kept <= 5, kept)
		assert.equal(0, #socket.threads())
	end)
end)
