-- Socket threads and the loop: newthread, poll, start, stop, errors, and what a whole process does.

local ffi = require'ffi'
local socket = require'socket2'
local coro = require'coro'
local spec = require'spec'

local threaded, fails = spec.threaded, spec.fails
local raises = spec.raises

local native = coroutine


local function timed_out(ok, err, errcode)
	assert.is_false(ok)
	assert.equal('timeout', err)
	assert.is_number(errcode)
end

local open = {}

local function bound()
	local s = assert(socket.udp())
	assert(s:bind('127.0.0.1', 0))
	open[#open + 1] = s
	return s
end

local function recv(s)
	local b = spec.buffer(16)
	local n = assert(s:recv(b, 16))
	return ffi.string(b, n)
end

-- A thread that waits until go() and then calls f.
local function waiting(f, ...)
	local s, n, args = bound(), select('#', ...), {...}
	socket.newthread(function()
		recv(s)
		f(unpack(args, 1, n))
	end)
	local function go()
		assert(s:send('x', s:localaddr()))
	end
	return go
end

-- One thread for each function; all are resumed by the next poll, from one batch of events.
local function batch(fs)
	local gos = {}
	for i, f in ipairs(fs) do
		gos[i] = waiting(f, i)
	end
	socket.newthread(function()
		for i = 1, #fs do
			gos[i]()
		end
	end)
end

-- The loop works: a new thread gets its datagram.
local function check_usable()
	local got
	batch{function() got = true end}
	assert.is_true(socket.poll(5))
	assert.is_true(got)
	timed_out(socket.poll(0))
end

local function elapsed(f, ...)
	local t = socket.clock()
	f(...)
	return socket.clock() - t
end

after_each(function()
	socket.onerror = nil
	for i = #open, 1, -1 do
		table.remove(open, i):close()
	end
	-- whoever waited on those ends now, most of them in an error
	for _ = 1, 1000 do
		local ok, more = pcall(socket.poll, 0)
		if ok and not more then break end
	end
end)

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

describe('an error in a thread', function()
	local function a_named_function()
		local line = debug.getinfo(1, 'l').currentline + 1
		error(('failed in line %d.'):format(line))
	end
	local function fail(i) error(i, 0) end

	for _, name in ipairs{'poll', 'start'} do
		it('is raised by ' .. name .. ' with the traceback of the thread', function()
			batch{a_named_function}
			local line, failed = raises('^[^\n]*sched_spec%.lua:%d+: failed in line %d+%.\nstack traceback:\n',
				socket[name], 5):match'sched_spec%.lua:(%d+): failed in line (%d+)%.'
			assert.equal(line, failed)
			check_usable()
		end)
	end

	it('names the functions on the way', function()
		batch{function()
			a_named_function()
			return 'no tail call'
		end}
		raises("in function 'a_named_function'", socket.poll, 5)
	end)

	it('before its first wait is raised by the next poll, not by newthread', function()
		local co = socket.newthread(a_named_function)
		assert.equal('thread', type(co))
		raises('failed in line', socket.poll, 5)
		socket.newthread(a_named_function)
		raises('failed in line', socket.start)
		check_usable()
	end)

	it('in a thread started by a thread does not harm that one', function()
		local over
		socket.newthread(function()
			socket.newthread(a_named_function)
			over = true
		end)
		assert.is_true(over)
		raises('failed in line', socket.poll, 5)
		timed_out(socket.poll(0))
	end)

	it('does not hide another of the same batch', function()
		batch{fail, fail, function() end, fail}
		local seen = {}
		for i = 1, 3 do
			local ok, err = pcall(i == 2 and socket.start or socket.poll, 5)
			assert.is_false(ok)
			seen[err:match'^%d'] = true
		end
		assert.same({['1'] = true, ['2'] = true, ['4'] = true}, seen)
		check_usable()
	end)

	it('leaves the rest of the batch for the next poll', function()
		local ran = 0
		local function run() ran = ran + 1 end
		batch{fail, run, run, run, run}
		repeat
			local ok = pcall(socket.poll, 0)
		until not ok
		assert.is_true(socket.poll(0) or ran == 4)
		assert.equal(4, ran)
		check_usable()
	end)

	it('may be of any type', function()
		local object = setmetatable({}, {__tostring = function() return 'an object' end})
		for _, t in ipairs{
			{42, '^42\nstack traceback'}, {{}, '^table: 0x%x+\nstack'}, {nil, '^nil\nstack'}, {false, '^false\n'},
			{object, '^an object\nstack traceback'},
		} do
			batch{function() error(t[1], 0) end}
			raises(t[2], socket.poll, 5)
		end
		check_usable()
	end)

	it('is not lost when it cannot be put into words', function()
		local mute = setmetatable({}, {__tostring = function() error'no words' end})
		local odd = setmetatable({}, {__tostring = function() return {} end})
		for _, err in ipairs{mute, odd} do
			batch{function() error(err) end}
			raises('stack traceback', socket.poll, 5)
			local got
			socket.onerror = function(_, e) got = e end
			batch{function() error(err) end}
			assert.is_true(socket.poll(5))
			assert.equal(err, got)
			socket.onerror = nil
		end
	end)

	it('may be a stack overflow', function()
		local function deeper() return 1 + deeper() end
		batch{deeper}
		assert.is_true(spec.is_overflow(raises('', socket.poll, 5)))
		check_usable()
	end)

	it('in a generator inside the thread arrives with its own message', function()
		batch{function()
			for _ in coro.wrap(a_named_function) do end
		end}
		raises('failed in line', socket.poll, 5)
		check_usable()
	end)

	it('that native coroutine.yield is called in a thread is one too', function()
		local output = spec.luajit([[
			local socket, ffi = require'socket2', require'ffi'
			local s = assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			local function wait() return assert(s:recv(ffi.new'char[9]', 9)) end
			local function send() s:send('hello', s:localaddr()) end
			local function check_usable()
				local n
				socket.newthread(function() n = wait() end)
				socket.newthread(send)
				assert(socket.start(5))
				assert(n == 5)
			end

			socket.newthread(function() wait() coroutine.yield() end)
			socket.newthread(send)
			print(pcall(socket.poll, 5))
			check_usable()
			print(pcall(function() -- either of the two may raise it
				socket.newthread(coroutine.yield)
				socket.poll(0)
			end))
			check_usable()
			print'usable'
		]], 'timeout 20')
		assert.matches('^false.*coroutine%.yield.*\nfalse.*coroutine%.yield.*\nusable\n$', output)
	end)

	it('goes to onerror as it is, if there is one', function()
		for _, err in ipairs{'text', 42, {}, false, print} do
			local calls = {}
			socket.onerror = function(...)
				calls[#calls + 1] = {n = select('#', ...), ...}
			end
			local s = bound()
			local thread = socket.newthread(function()
				recv(s)
				error(err, 0)
			end)
			socket.newthread(function() s:send('x', s:localaddr()) end)
			assert.is_true(socket.poll(5))
			assert.equal(1, #calls)
			assert.equal(3, calls[1].n)
			assert.equal(thread, calls[1][1])
			assert.equal(err, calls[1][2])
			assert.matches('^' .. tostring(err):gsub('%p', '%%%0') .. '\nstack traceback:', calls[1][3])
			assert.matches('sched_spec.lua', calls[1][3])
		end
		check_usable()
	end)

	it('goes to onerror at once when it happens before the first wait', function()
		local got
		socket.onerror = function(thread, err) got = {thread, err} end
		local co = socket.newthread(error, 'early', 0)
		assert.same({co, 'early'}, got)
		timed_out(socket.poll(0))
	end)

	it('lets the batch go on when onerror takes it', function()
		local got, ran = {}, 0
		socket.onerror = function(_, err) got[#got + 1] = err end
		local function run() ran = ran + 1 end
		batch{fail, run, fail, run}
		assert.is_true(socket.poll(5))
		table.sort(got)
		assert.same({1, 3}, got)
		assert.equal(2, ran)
	end)

	it('in onerror itself is raised, and does not hide the first one', function()
		socket.onerror = function() error'the handler failed' end
		batch{function() error'the thread failed' end}
		local messages = {}
		repeat
			local ok, err = pcall(socket.poll, 0)
			messages[#messages + 1] = not ok and err or nil
		until ok
		messages = table.concat(messages)
		assert.matches('the handler failed', messages)
		assert.matches('the thread failed', messages)
		socket.onerror = nil
		check_usable()
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
			local pattern = '^[^\n]*sched_spec%.lua:%d+: ' .. method .. '%(%) outside a socket thread'
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

spec.with('a shared epoll', describe)('epoll_fd', function()
	-- The loop of this process has had sockets, so most of it needs processes of their own.
	local prelude = [[
		local socket, ffi = require'socket2', require'ffi'
		ffi.cdef'int epoll_create1(int flags); int close(int fd); int fcntl(int fd, int command, ...);'
		local function is_open(fd) return ffi.C.fcntl(fd, 1) >= 0 end
	]]
	local function script(source)
		local output, code = spec.luajit(prelude .. source, 'timeout 20')
		assert.equal('ok\n', output)
		assert.equal(0, code)
	end

	it('gives the descriptor of the loop', function()
		local fd = socket.epoll_fd()
		assert.is_number(fd)
		assert.equal(fd, socket.epoll_fd())
		local p = io.popen(('readlink /proc/%d/fd/%d'):format(spec.pid(), fd))
		assert.matches('eventpoll', p:read'*a')
		p:close()
	end)

	it('sets it before the first socket; the caller keeps his own', function()
		script[[
			local mine = ffi.C.epoll_create1(0)
			local fd = assert(socket.epoll_fd(mine))
			assert(fd ~= mine and fd == socket.epoll_fd())
			ffi.C.close(mine)
			local s = assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			local n
			socket.newthread(function() n = s:recv(ffi.new'char[9]', 9) end)
			socket.newthread(function() s:send('hello', s:localaddr()) end)
			assert(socket.start(5))
			assert(n == 5)
			print'ok'
		]]
	end)

	it('can be set again until there is a socket', function()
		script[[
			local mine = ffi.C.epoll_create1(0)
			local first = socket.epoll_fd()
			local second = assert(socket.epoll_fd(mine))
			assert(second == first or not is_open(first))
			assert(socket.epoll_fd(second) == second)
			assert(is_open(second) and is_open(mine))
			local s = socket.udp()
			local ok, err, code = socket.epoll_fd(mine)
			assert(ok == nil and err == 'busy' and type(code) == 'number')
			assert(socket.epoll_fd() == second)
			print'ok'
		]]
	end)

	it('refuses what is no epoll descriptor, and goes on with its own', function()
		script[[
			for fd, expected in pairs{
				[-1] = 'invalid_argument', [0] = 'invalid_argument', [9999] = 'bad_descriptor',
				[2^31] = 'invalid_argument', [1.5] = 'invalid_argument', [1/0] = 'invalid_argument',
			} do
				local ok, err, code = socket.epoll_fd(fd)
				assert(ok == nil and err == expected and type(code) == 'number', fd .. ': ' .. tostring(err))
			end
			for _, v in ipairs{'3', {}, true} do
				assert(not pcall(socket.epoll_fd, v))
			end
			local s = assert(socket.udp())
			socket.newthread(function() s:send('x', '127.0.0.1', 9) end)
			assert(socket.start(5))
			print'ok'
		]]
	end)

	it('is busy once there are sockets', function()
		bound()
		fails('busy', socket.epoll_fd(0))
	end)
end)

describe('a process', function()
	local script_start = [[
		local socket, ffi = require'socket2', require'ffi'
		local buf = ffi.new'char[16]'
		local s = assert(socket.udp())
		assert(s:bind('127.0.0.1', 0))
		local to = s:localaddr()
	]]

	local loops = {
		['waits'] = 'socket.newthread(s.recv, s, buf, 16)',
		['polls again and again'] = [[
			socket.newthread(s.recv, s, buf, 16)
			socket.start = function(timeout)
				local over = timeout and socket.clock() + timeout or 1/0
				while socket.clock() < over do socket.poll(0.0001) end
			end
		]],
		['has events all the time'] = [[
			for _ = 1, 2 do
				socket.newthread(function()
					local t = assert(socket.udp())
					assert(t:bind('127.0.0.1', 0))
					socket.newthread(function()
						while true do
							t:recv(ffi.new'char[16]', 16)
							t:send('x', t:localaddr())
						end
					end)
					t:send('x', t:localaddr())
				end)
			end
		]],
		['never rests'] = [[
			socket.newthread(function()
				while true do
					s:send('x', to)
					s:recv(buf, 16)
				end
			end)
		]],
	}
	spec.with('signals', spec.group)('ends promptly by SIGINT', function()
		for name, source in pairs(loops) do
			it('ends promptly by SIGINT when its loop ' .. name, function()
				local p = spec.luajit_start(script_start .. [[
					ffi.cdef'int getpid(void);'
					]] .. source .. [[

					socket.start(0.2)
					print(ffi.C.getpid())
					io.stdout:flush()
					socket.start()
				]], 'timeout -s KILL 10')
				local pid = p:read'*l'
				assert.matches('^%d+$', pid)
				local t = elapsed(function()
					os.execute('kill -INT ' .. pid)
					local output, code = spec.luajit_end(p)
					assert.matches('interrupted!', output)
					assert.equal(1, code)
				end)
				assert.is_true(t < 5, t .. ' s')
			end)
		end
	end)

	for name, ending in pairs{
		['its script ends'] = '',
		['os.exit'] = 'os.exit()',
		['os.exit that closes the state'] = 'os.exit(0, true)',
	} do
		it('ends quietly with open sockets and pending operations by ' .. name, function()
			local output, code = spec.luajit(script_start .. [[
				local l = assert(socket.tcp())
				assert(l:listen('127.0.0.1', 0))
				socket.newthread(function() l:accept() end)
				socket.newthread(function()
					local c = assert(socket.tcp())
					assert(c:connect(l:localaddr()))
					socket.newthread(function() c:send(('x'):rep(2^24)) end)
					c:recv(buf, 16)
				end)
				socket.newthread(function() s:recv(buf, 16, '127.0.0.1', 9) end)
				socket.poll(0)
			]] .. ending, 'timeout 20')
			assert.equal('', output)
			assert.equal(0, code)
		end)
	end

	it('ends with the error that a thread raised', function()
		local output, code = spec.luajit(script_start .. [[
			socket.newthread(function() error'out of luck' end)
			socket.start()
		]], 'timeout 20')
		assert.matches('out of luck\nstack traceback:', output)
		assert.equal(1, code)
	end)

	it('may load socket2 in a coroutine that is gone later', function()
		for _, wrap in ipairs{'coroutine.wrap', "require'coro'.wrap"} do
			local output, code = spec.luajit(wrap .. [[(function() require'socket2' end)()
				collectgarbage()
				collectgarbage()
			]] .. script_start .. [[
				socket.newthread(function() print(s:recv(buf, 16)) end)
				socket.newthread(function() s:send('hello', to) end)
				print(socket.start(5))
			]], 'timeout 20')
			assert.matches('^5\t127.0.0.1:%d+\ntrue\n$', output)
			assert.equal(0, code)
		end
	end)

	it('is told where the library was looked for', function()
		local output, code = spec.luajit("require'socket2'", 'SOCKET2_LIB=/no/such/library.so.0')
		assert.matches('/no/such/library%.so%.0', output)
		assert.matches('SOCKET2_LIB', output)
		assert.equal(1, code)
	end)
end)
