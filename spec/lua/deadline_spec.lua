-- Deadlines: `expires` of every function that waits, the timeouts of a socket, and deadline() over all
-- that a function does.
-- Runs alone: it measures time.

local ffi = require'ffi'
local socket = require'socket2'
local coro = require'coro'
local spec = require'spec'

local threaded, fails, run, go = spec.threaded, spec.fails, spec.run, spec.go
local raises, hole, flood = spec.raises, spec.hole, spec.flood
local clock = socket.clock

local SOON = 0.003 -- a time that is worth waiting for
local LATE = 0.5 -- how late a deadline may be on a slow machine

local function line(f)
	local info = debug.getinfo(f, 'S')
	return ('%s:%d'):format(info.short_src, info.linedefined)
end

-- times_out(t, f, ...) -> what else: f(...) gives up at t, not earlier.
local function times_out(t, f, ...)
	local result = {f(...)}
	local now = clock()
	assert.is_true(now >= t, 'too early')
	assert.is_true(now < t + LATE, now - t)
	return fails('timeout', unpack(result, 1, 4))
end

local function bound()
	local s = assert(socket.udp())
	assert(s:bind('127.0.0.1', 0))
	return s
end

local buf = spec.buffer(65536)

-- Every function that waits: name -> setup() -> wait(expires), check, [s, method]. wait() has to wait;
-- check() shows that it can be used after that; `s` is a socket with timeouts that count, in `wait`
-- ('read' or 'write'). In socket threads.
local waits = {}

local function reading(name, f)
	waits[name] = function()
		local a, b = spec.pair()
		return function(expires) return f(a, expires) end, function()
			b:send'abc\n'
			assert.equal('abc\n', spec.recv_all(a, 4))
			a:close()
			b:close()
		end, a, 'read'
	end
end
reading('recv', function(s, expires) return s:recv(buf, 4, expires) end)
reading('recvn', function(s, expires) return s:recvn(buf, 4, expires) end)
reading('read', function(s, expires) return s:read(4, expires) end)
reading('peek', function(s, expires) return s:peek(4, expires) end)
reading('readline', function(s, expires) return s:readline(nil, expires) end)
reading('readuntil', function(s, expires) return s:readuntil('c', nil, expires) end)
reading('readall', function(s, expires) return s:readall(nil, expires) end)
reading('wait r', function(s, expires) return s:wait('r', expires) end)

function waits.accept()
	local s = spec.listener()
	return function(expires) return s:accept(expires) end, function()
		local over = go(s.accept, s)
		local c = assert(socket.connect(s:localaddr()))
		assert(over()):close()
		c:close()
		s:close()
	end, s, 'read'
end

for name, arguments in pairs{
	['connect ai'] = function(ai) return ai end,
	['connect host, port'] = function(ai) return ai:ip(), ai:port() end,
} do
	waits[name] = function()
		local ai, free = hole()
		local first, c = assert(socket.tcp'inet'), nil
		local host, port = arguments(ai)
		return function(expires)
			c = c and spec.another(first) or first
			if port then return c:connect(host, port, expires) end
			return c:connect(host, expires)
		end, function()
			local s = spec.listener()
			c = spec.another(first)
			assert.is_true(c:connect(s:localaddr()))
			local over = go(s.accept, s)
			local peer = assert(over())
			c:send'hello'
			assert.equal('hello', spec.recv_all(peer, 5))
			for _, x in ipairs{c, first, s, peer} do x:close() end
			free()
		end, first, 'write'
	end
end

function waits.send()
	local a, b = spec.pair()
	local before, sent = flood(a), 0
	return function(expires)
		local ok, err, errcode, n = a:send(('y'):rep(100000), nil, expires)
		sent = sent + (n or 0)
		return ok, err, errcode, n
	end, function()
		local over = go(a.send, a, 'end')
		assert.equal(('x'):rep(before) .. ('y'):rep(sent) .. 'end', spec.recv_all(b, before + sent + 3))
		assert.equal(3, over())
		a:close()
		b:close()
	end, a, 'write'
end

for _, direction in ipairs{'w', 'rw'} do
	waits['wait ' .. direction] = function()
		local a, b = spec.pair()
		flood(a)
		return function(expires) return a:wait(direction, expires) end, function()
			fails('timeout', a:send('x', nil, clock()))
			fails('timeout', a:recv(buf, 1, clock()))
			a:close()
			b:close()
		end, a, direction == 'w' and 'write' or 'read'
	end
end

local from = assert(socket.addr('127.0.0.1', 9, 'udp'))
for name, recv in pairs{
	['udp recv'] = function(s, expires) return s:recv(buf, 1, expires) end,
	['udp recv from ai'] = function(s, expires) return s:recv(buf, 1, from, expires) end,
	['udp recv from host, port'] = function(s, expires) return s:recv(buf, 1, '127.0.0.1', 9, expires) end,
	['udp recv, nils'] = function(s, expires) return s:recv(buf, 1, nil, nil, expires) end,
} do
	waits[name] = function()
		local s = bound()
		return function(expires) return recv(s, expires) end, function()
			s:send('x', s:localaddr())
			assert.equal(1, (s:recv(buf, 1)))
			s:close()
		end, s, 'read'
	end
end

-- A unix datagram socket waits when its receiver's queue is full.
spec.with('unix datagram sockets', spec.group)('udp send', function()
	local unix = 0
	local to = 'udp send to host, port'
	for name, send in pairs{
		['udp send'] = function(s, _, expires) return s:send('x', 1, expires) end,
		['udp send, nils'] = function(s, _, expires) return s:send('x', nil, nil, nil, expires) end,
		['udp send to ai'] = function(s, ai, expires) return s:send('x', ai, expires) end,
		['udp send, length, to ai'] = function(s, ai, expires) return s:send('xy', 1, ai, expires) end,
		[to] = function(s, ai, expires) return s:send('x', ai:ip(), 0, expires) end,
		[to .. ', length'] = function(s, ai, expires) return s:send('xy', 1, ai:ip(), 0, expires) end,
	} do
		waits[name] = function()
			local a, b = assert(socket.udp'unix'), assert(socket.udp'unix')
			unix = unix + 1
			local ai = assert(socket.addr('@socket2-deadline-' .. unix .. '-' .. clock(), nil, 'udp', 'unix'))
			assert(b:bind(ai))
			if not name:find' to ' then assert(a:connect(ai)) end
			local n = 0
			while a:send('x', 1, ai, clock()) do n = n + 1 end
			return function(expires) return send(a, ai, expires) end, function()
				for _ = 1, n do assert.equal(1, (b:recv(buf, 2, clock()))) end
				fails('timeout', b:recv(buf, 2, clock()))
				assert.equal(1, (send(a, ai)))
				assert.equal(1, (b:recv(buf, 2)))
				a:close()
				b:close()
			end, a, 'write'
		end
	end
end)

for name, new in pairs{
	['event:wait'] = function() local e = socket.event() return e.wait, e end,
	['semaphore:take'] = function() local s = socket.semaphore(0) return s.take, s end,
	['queue:pop'] = function() local q = socket.queue() return q.pop, q end,
	['threadset:wait'] = function()
		local ts = socket.threadset()
		ts:thread(socket.suspend)
		return ts.wait, ts, function() ts:cancel() end
	end,
	['threadset:first'] = function()
		local ts = socket.threadset()
		ts:thread(socket.suspend)
		return ts.first, ts, function() ts:cancel() end
	end,
} do
	waits[name] = function()
		local wait, object, done = new()
		return function(expires) return wait(object, expires) end, done or function() end
	end
end

waits['queue:push'] = function()
	local q = socket.queue(1)
	q:push'x'
	return function(expires) return q:push('y', expires) end, function()
		assert.equal('x', q:pop())
		fails('timeout', q:pop(clock()))
	end
end

after_each(spec.tidy)

for name, setup in pairs(waits) do
	describe(name, function()
		it('gives up at its time, or that of its socket, or of deadline()', threaded(function()
			local wait, check, s, side = setup()
			local t = clock() + SOON
			times_out(t, wait, t)
			t = clock() + SOON
			times_out(t, coro.wrap(wait), t)
			t = clock() + SOON
			times_out(t, socket.deadline, t, wait)
			t = clock() + SOON
			times_out(t, socket.deadline, t, wait, t + 1000)
			t = clock() + SOON
			times_out(t, socket.deadline, t + 1000, wait, t)
			if s then -- a socket's own timeouts
				assert.is_true(s:settimeout(side == 'read' and SOON or nil, side == 'write' and SOON or nil))
				times_out(clock() + SOON, wait)
				times_out(clock() + SOON, socket.deadline, clock() + 1000, wait)
				assert.is_true(s:settimeout(SOON))
				times_out(clock() + SOON, wait)
				assert.is_true(s:settimeout(1000))
				t = clock() + SOON
				times_out(t, wait, t)
				times_out(clock(), socket.deadline, clock(), wait)
			end
			check()
		end))

		it('does not wait when its time is over, and takes times only', threaded(function()
			local wait, check = setup()
			for _, t in ipairs{0, -1, -1/0} do
				local now = clock()
				fails('timeout', wait(t))
				assert.is_true(clock() < now + LATE)
			end
			fails('invalid_argument', wait(0/0))
			if name ~= 'udp recv' and name ~= 'udp send' then -- where it could be a host
				for _, v in ipairs{'1', false, {}} do raises('bad expires', wait, v) end
			end
			check()
		end))
	end)
end

describe('a deadline and what comes at the same time', function()
	-- Sends N numbered bytes at random moments; f(expires) -> bytes | '' tries to read with a deadline.
	local function race(N, send, read)
		math.randomseed(5)
		local timeouts, got = 0, {}
		local writer = go(function()
			for i = 1, N do
				assert(send(string.char(i % 128)))
				if math.random() < 0.7 then socket.sleep(math.random() * 0.0004) end
			end
		end)
		local limit = clock() + 10
		while #got < N and clock() < limit do
			local s, err = read(clock() + (math.random() < 0.2 and 0 or math.random() * 0.0004))
			if s then
				for c in s:gmatch'.' do got[#got + 1] = c:byte() end
			else
				assert(err == 'timeout', err)
				timeouts = timeouts + 1
			end
		end
		writer()
		assert.equal(N, #got)
		for i = 1, N do assert(got[i] == i % 128, 'out of order') end
		assert.is_true(timeouts > 10, timeouts)
	end

	it('lose no byte of tcp:recv()', threaded(function()
		local a, b = spec.pair()
		race(1000, function(s) return b:send(s) end, function(expires)
			local n, err = a:recv(buf, 3, expires)
			return n and ffi.string(buf, n), err
		end)
		a:close()
		b:close()
	end))

	it('lose no byte of tcp:read()', threaded(function()
		local a, b = spec.pair()
		race(1000, function(s) return b:send(s) end, function(expires) return a:read(5, expires) end)
		a:close()
		b:close()
	end))

	it('lose no datagram', threaded(function()
		local a, b = bound(), bound()
		race(1000, function(s) return b:send(s, a:localaddr()) end, function(expires)
			local n, err = a:recv(buf, 3, b:localaddr(), expires)
			return n and ffi.string(buf, n), err
		end)
		a:close()
		b:close()
	end))

	it('lose no value of a queue', threaded(function()
		local q = socket.queue(2)
		race(1000, function(s) return q:push(s) end, function(expires) return q:pop(expires) end)
	end))

	it('lose no connection, and send() tells what went out', threaded(function()
		local s, accepted, made = spec.listener(), 0, 0
		local client = go(function()
			for _ = 1, 50 do
				local c = assert(socket.connect(s:localaddr()))
				made = made + 1
				socket.sleep(0.0003)
				c:close()
			end
		end)
		while accepted < made or not client'done?' do
			local c, err = s:accept(clock() + math.random() * 0.0005)
			if c then
				accepted = accepted + 1
				c:close()
			else
				assert(err == 'timeout', err)
			end
		end
		assert.equal(50, accepted)
		s:close()
		local a, b = spec.pair()
		local total, block = 0, ('z'):rep(300000)
		local reader = go(function() return #spec.recv_all(b) end)
		for _ = 1, 100 do
			local n, err, _, sent = a:send(block, nil, clock() + math.random() * 0.0003)
			assert(n or err == 'timeout', err)
			total = total + (n or sent)
		end
		a:shutdown'w'
		assert.equal(total, reader())
		a:close()
		b:close()
	end))
end)

describe('a time that is over', function()
	it('does not keep from what needs no waiting', threaded(function()
		local a, b = spec.pair()
		assert.equal(3, (a:send('abc', nil, 0)))
		assert.equal('r', b:wait('r', clock() + 5))
		assert.equal('r', b:wait('r', 0))
		assert.equal('w', b:wait('w', 0))
		assert.equal(3, (b:recv(buf, 10, -1/0)))
		a:send'def\n'
		b:wait'r'
		socket.deadline(0, function() assert.equal('def', b:readline()) end)
		local e, s, q, ts = socket.event(), socket.semaphore(1), socket.queue(), socket.threadset()
		e:set()
		assert.is_true(e:wait(0))
		assert.is_true(s:take(0))
		assert.is_true(q:push(false, 0))
		assert.is_false(q:pop(0))
		assert.same({}, ts:wait(0))
		assert.equal('127.0.0.1:1', socket.addr('127.0.0.1', 1, nil, nil, nil, nil, 0):tostring())
		a:close()
		b:close()
	end))

	it('ends lookups, connects and sleeps', threaded(function()
		local now = clock()
		fails('timeout', socket.addr('localhost', 1, nil, nil, nil, nil, now))
		fails('invalid_argument', socket.addr('localhost', 1, nil, nil, nil, nil, 0/0))
		raises('bad expires', socket.addr, 'localhost', 1, nil, nil, nil, nil, 'x')
		fails('timeout', socket.deadline(now, socket.addr, 'localhost', 1))
		fails('timeout', socket.deadline(now, socket.sleep, 1000))
		fails('timeout', socket.deadline(now, socket.suspend))
		local ai, free = hole()
		fails('timeout', socket.connect(ai, now))
		fails('timeout', socket.connect(ai:ip(), ai:port(), now))
		local c = assert(socket.udp())
		fails('timeout', c:connect('localhost', 1, now))
		fails('timeout', c:bind('localhost', 0, now))
		c:close()
		free()
	end))
end)

describe('wait rw', function()
	it('leaves nothing behind when one direction ends it', threaded(function()
		local a, b = spec.pair()
		local before = flood(a)
		socket.runafter(0.001, function() b:send'x' end)
		assert.equal('r', a:wait'rw')
		fails('timeout', a:send('y', nil, clock())) -- and not 'busy'
		assert.equal(1, (a:recv(buf, 1)))
		local over = go(spec.recv_all, b, before)
		assert.equal('w', a:wait'rw')
		fails('timeout', a:recv(buf, 1, clock()))
		over()
		a:close()
		b:close()
	end))
end)

describe('settimeout', function()
	it('takes times or nil', threaded(function()
		local a, b = spec.pair()
		for _, n in ipairs{-1, 0/0, -1/0} do
			fails('invalid_argument', a:settimeout(n))
			fails('invalid_argument', a:settimeout(nil, n))
		end
		for _, v in ipairs{'1', {}, false} do
			raises('bad read timeout', a.settimeout, a, v)
			raises('bad write timeout', a.settimeout, a, 1, v)
		end
		assert.is_true(a:settimeout(0))
		fails('timeout', a:recv(buf, 1))
		flood(a)
		fails('timeout', a:send'x') -- one argument is for both
		assert.is_true(a:settimeout(0, nil))
		fails('timeout', a:recv(buf, 1))
		local over = go(a.send, a, 'x')
		for _ = 1, 10 do socket.sleep(0.001) end
		assert.is_false(over'done?')
		spec.recv_all(b, 1)
		assert.is_true(a:settimeout(1/0))
		local reads = go(a.recv, a, buf, 1)
		socket.sleep(0.001)
		assert.is_false(reads'done?')
		assert.is_true(a:settimeout()) -- for the operations to come
		a:close()
		fails('closed', reads())
		over()
		b:close()
	end))
end)

describe('deadline()', function()
	it('passes arguments and results, and is gone after that', threaded(function()
		local function count(...) return select('#', ...), ... end
		local r = {count(socket.deadline(clock() + 9, count, nil, 'a', nil))}
		assert.same({4, 3, nil, 'a', nil}, {unpack(r, 1, 5)})
		assert.same({}, {socket.deadline(1/0, function() end)})
		fails('timeout', socket.deadline(0, socket.sleep, 1000))
		assert.is_true(socket.sleep(0.001))
	end))

	it('holds after a turn in which others have run', threaded(function()
		local e, turn = socket.event(), require'socket2.run.sched'.turn
		local over = spec.go(function()
			for _ = 1, 3 do turn() end
		end)
		socket.deadline(clock() + 0.02, function()
			for _ = 1, 2 do turn() end
			local t = clock()
			fails('timeout', e:wait(t + 5))
			assert.is_true(clock() < t + 4)
		end)
		over()
		turn()
		assert.is_true(socket.sleep(0.001))
	end))

	it('is one over all inside, whatever waits: the tightest counts', threaded(function()
		local a, b = spec.pair()
		local t = clock() + 0.01
		local errors = {}
		local function keep(_, err) errors[#errors + 1] = err end
		socket.deadline(t, function()
			repeat local ok = socket.sleep(0.001) until not ok
			assert.is_true(clock() >= t)
			keep(socket.sleep_until(clock() + 9))
			keep(a:recv(buf, 1, clock() + 9))
			keep(socket.deadline(clock() + 9, a.readline, a))
			keep(coro.wrap(function() return socket.suspend() end)())
			keep(socket.addr('localhost'))
			local ts = socket.threadset()
			ts:thread(function() return select(2, a:recv(buf, 1)) end)
			keep(nil, ts:wait(clock() + 9) or 'timeout')
			keep(nil, ts:first()[1])
			assert.is_true(clock() < t + LATE)
		end)
		for i = 1, 7 do assert.equal('timeout', errors[i]) end
		local inner = clock() + SOON
		socket.deadline(inner + 1000, function()
			times_out(inner, socket.deadline, inner, socket.sleep, 1000)
			assert.is_true(socket.sleep(0.001)) -- the outer one again
			socket.deadline(clock() + 2000, function()
				times_out(clock() + SOON, a.recv, a, buf, 1, clock() + SOON)
			end)
		end)
		b:send'x'
		assert.equal(1, (a:recv(buf, 1)))
		a:close()
		b:close()
	end))

	it('passes errors unchanged, and is gone after that', threaded(function()
		local function thrower(what) socket.sleep(0) error(what, 0) end
		for _, v in ipairs{{}, 'text', 42, false} do
			local ok, err = pcall(socket.deadline, clock() + SOON, thrower, v)
			assert.is_false(ok)
			assert.equal(v, err)
		end
		assert.is_true(socket.sleep(SOON * 2))
		socket.deadline(clock() + 1000, function()
			pcall(socket.deadline, clock() + SOON, thrower, 1)
			assert.is_true(socket.sleep(SOON * 2))
		end)
	end))

	it('passes errors with the traceback from inside', function()
		local value, heard = {}, {}
		local function thrower(what) socket.sleep(0) error(what, 0) end
		socket.onerror = function(_, err, trace) heard[#heard + 1] = {err, trace} end
		socket.newthread(function() socket.deadline(1/0, socket.deadline, clock() + 9, thrower, value) end)
		assert.is_true(socket.start(10))
		assert.equal(value, heard[1][1])
		assert.is_truthy(heard[1][2]:find(line(thrower), 1, true), heard[1][2])
	end)

	it('keeps its traceback to itself: an equal error of somewhere else has its own', function()
		local heard = {}
		local function thrower() error('text', 0) end
		socket.onerror = function(_, err, trace) heard[#heard + 1] = {err, trace} end
		local function other() error('text', 0) end
		socket.newthread(function()
			pcall(socket.deadline, 1/0, thrower)
			socket.sleep(0)
			other()
		end)
		assert.is_true(socket.start(10))
		assert.equal('text', heard[1][1])
		assert.is_truthy(heard[1][2]:find(line(other), 1, true), heard[1][2])
	end)

	it('is for the threads of a threadset, not for those of newthread()', function()
		local results, over = {}, nil
		socket.newthread(function()
			socket.deadline(clock() + SOON, function()
				over = go(function() return socket.sleep(SOON * 3) end)
				socket.threadset():thread(function() results.set = {socket.sleep(1000)} end)
				socket.runafter(0, function() results.timer = {socket.sleep(SOON * 3)} end)
				results.inside = {socket.sleep(1000)}
			end)
		end)
		assert.is_true(socket.start(10))
		fails('timeout', unpack(results.set, 1, 3))
		fails('timeout', unpack(results.inside, 1, 3))
		assert.same({true}, results.timer)
		assert.is_true(run(over))
	end)

	it('holds in generators, and is not for who gets what they yield', threaded(function()
		local t = clock() + SOON
		local values = coro.wrap(function()
			socket.deadline(t, function()
				coro.yield(1)
				times_out(t, socket.sleep, 1000)
			end)
			coro.yield(2)
		end)
		assert.equal(1, values())
		assert.is_true(socket.sleep(SOON * 2))
		assert.equal(2, values())
		assert.is_true(socket.sleep(0))
		socket.deadline(clock() + SOON, function()
			for err in coro.wrap(function() coro.yield(select(2, socket.sleep(1000))) end) do
				assert.equal('timeout', err)
			end
		end)
	end))

	it('takes a time and a function', function()
		raises('deadline%(%) outside a socket thread', socket.deadline, 0, print)
		run(function()
			for _, v in ipairs{'1', {}, false, 0/0} do
				raises("bad argument #1 to 'deadline'", socket.deadline, v, print)
			end
			for _, v in ipairs{1, 'f', {}, false} do
				raises("bad argument #2 to 'deadline'", socket.deadline, 1, v)
			end
			assert.is_true(socket.sleep(0))
		end)
	end)
end)
