-- Waiting until reading or writing makes sense, on sockets and on descriptors of other code.

local ffi = require'ffi'
local socket = require'socket2'
local C = require'socket2.lib'.C
local loop = require'socket2.run.sched'.loop
local descriptor = require'descriptor'
local spec = require'spec'

local fails, go, pair, listener, turn, buffer =
	spec.fails, spec.go, spec.pair, spec.listener, spec.turn, spec.buffer
local pipe, socketpair, read, write, close_fds =
	descriptor.pipe, descriptor.socketpair, descriptor.read, descriptor.write, descriptor.close

local SHORT = 0.02 -- seconds: a wait that is to end by its time
local BIG = 2e7    -- bytes; no socket's buffers take that

local function runs(what, f, needs)
	local it = needs and spec.with(needs, it) or it
	it(what, function() spec.run(f, 20) end)
end

local function soon()
	return socket.clock() + SHORT
end

local function later()
	return socket.clock() + 10
end

local function close(...)
	for i = 1, select('#', ...) do
		select(i, ...):close()
	end
end

-- A socket that takes no more, its peer, and how to make room again.
local function full()
	local a, b = pair()
	assert(a:setopt('sndbuf', 65536)) -- or the system goes on to make them larger
	assert(b:setopt('rcvbuf', 65536))
	spec.flood(a)
	local idle = 0
	while idle < 2 do
		local sent = fails('timeout', a:send(buffer(BIG), BIG, soon()))
		idle = sent == 0 and idle + 1 or 0
	end
	return a, b, function()
		local buf = buffer(65536)
		while b:recv(buf, 65536, soon()) do end
	end
end

-- wait(what) in a thread of its own, which has to wait: its over(), the thread
local function waiting(s, what, expires)
	local thread
	local over = go(function()
		thread = socket.currentthread()
		local ready, err, errcode = s:wait(what, expires)
		return ready, err, errcode
	end)
	assert.is_false(over'done?')
	return over, thread
end

local function nobody_waits_on(s)
	turn()
	turn()
	for _, t in ipairs(socket.threads()) do
		assert.not_equal(s, t.socket)
	end
end

describe('wait on a tcp socket', function()

	runs('for a connection to accept', function()
		local s, port = listener()
		fails('timeout', s:wait('r', soon()))
		local over = waiting(s, 'r')
		local c = assert(socket.tcp())
		assert(c:connect('127.0.0.1', port))
		assert.equal('r', over())
		assert.equal('r', s:wait'r') -- still there
		close(c, (assert(s:accept(0))))
		fails('timeout', s:wait('r', 0))
		s:close()
	end)

	runs('for data, as long as there is some', function()
		local a, b = pair()
		fails('timeout', a:wait('r', 0))
		fails('timeout', a:wait('r', soon()))
		local over = waiting(a, 'r')
		assert(b:send'abc')
		assert.equal('r', over())
		for _, n in ipairs{2, 1} do
			assert.equal('r', a:wait'r')
			assert.equal('r', a:wait('r', 0))
			assert.equal(n, a:recv(buffer(2), 2, 0))
		end
		fails('timeout', a:wait('r', 0))
		close(a, b)
	end)

	runs('for the end of the stream, and for a reset', function()
		local a, b = pair()
		local reading = waiting(a, 'r')
		b:shutdown'w'
		assert.equal('r', reading())
		assert.equal(0, a:recv(buffer(1), 1, 0))
		assert.equal('r', a:wait'r')
		close(a, b)
		a, b = full()
		local writing
		reading, writing = waiting(a, 'r'), waiting(a, 'w')
		assert(b:setopt('linger', 0))
		b:close()
		assert.equal('r', reading())
		assert.equal('w', writing())
		fails('connection_reset', a:recv(buffer(1), 1, 0))
		a:close()
	end)

	runs('for room to send', function()
		local a, b, empty = full()
		fails('timeout', a:wait('w', 0))
		fails('timeout', a:wait('w', soon()))
		local over = waiting(a, 'w')
		empty()
		assert.equal('w', over())
		assert.equal('w', a:wait'w')
		assert.equal(1, a:send('x', 1, 0))
		close(a, b)
	end)

	runs('for either, and says which', function()
		local a, b, empty = full()
		fails('timeout', a:wait('rw', 0))
		fails('timeout', a:wait('rw', soon()))
		local over = waiting(a, 'rw')
		assert(b:send'x')
		assert.equal('r', over())
		assert.equal('r', a:wait'rw')
		assert.equal(1, a:recv(buffer(1), 1, 0))
		over = waiting(a, 'rw')
		empty()
		assert.equal('w', over())
		assert.equal('w', a:wait'rw')
		assert(b:send'x')
		assert.equal('r', a:wait'r')
		assert.equal('rw', a:wait'rw')
		nobody_waits_on(a)
		close(a, b)
	end)

	-- what the loop of a protocol's driver does
	runs('for either leaves nothing behind that is in the way', function()
		local a, b, empty = full()
		local over
		for _ = 1, 3 do
			for _, try in ipairs{
				function() return a:send('x', 1, 0) end,
				function() return a:wait('w', 0) end,
				function() return a:wait('rw', soon()) end,
			} do
				over = go(function() -- all of it without a turn of the loop
					assert.equal('r', a:wait'rw')
					assert.equal(1, a:recv(buffer(1), 1, 0))
					fails('timeout', try())
				end)
				assert.is_false(over'done?')
				assert(b:send'x')
				over()
			end
		end
		over = waiting(a, 'rw')
		empty()
		assert.equal('w', over())
		assert.equal(1, a:send('x', 1, 0))
		fails('timeout', a:recv(buffer(1), 1, 0))
		close(a, b)
	end)

	runs('that is not connected comes back at once', function()
		local s = assert(socket.tcp())
		assert.equal('w', s:wait('w', later()))
		assert.equal('r', s:wait('r', later()))
		fails('not_connected', s:recv(buffer(1), 1))
		s:close()
	end)

	runs('that has something in the buffer of the reads comes back at once', function()
		local a, b, empty = full()
		assert(b:send'line\nrest')
		assert.equal('line', a:readline())
		assert.equal('r', a:wait'r')
		assert.equal('r', a:wait('r', 0))
		assert.equal('r', a:wait'rw')
		fails('timeout', a:wait('w', 0)) -- which that is not about
		assert.equal('rest', spec.recv_all(a, 4))
		fails('timeout', a:wait('r', 0))
		fails('timeout', a:wait('rw', soon()))
		assert(b:send'more\n')
		assert.equal('r', a:wait'r')
		assert.equal('more', a:readline())
		empty()
		assert.equal('w', a:wait'w')
		close(a, b)
	end)

	runs('is one for each direction', function()
		local a, b, empty = full()
		local reading, writing = waiting(a, 'r'), waiting(a, 'w')
		for _, what in ipairs{'r', 'w', 'rw'} do
			fails('busy', a:wait(what, 0))
			fails('busy', a:wait(what))
		end
		fails('busy', a:recv(buffer(1), 1))
		fails('timeout', a:send('x', nil, soon()))
		assert.is_false(reading'done?')
		assert.is_false(writing'done?')
		assert(b:send'x')
		assert.equal('r', reading())
		assert.equal(1, a:recv(buffer(1), 1))
		assert.is_false(writing'done?')
		empty()
		assert.equal('w', writing())
		close(a, b)
	end)

	runs('does not disturb another thread that receives or sends', function()
		local a, b = full()
		local sending = go(a.send, a, buffer(BIG))
		assert(b:send'x')
		assert.equal('r', a:wait'r')
		a:wait('rw', soon()) -- 'r' or 'busy'
		assert.is_false(sending'done?')
		assert.equal(1, a:recv(buffer(1), 1))
		while not sending'done?' do b:recv(buffer(65536), 65536, soon()) end -- the last may be there before
		assert.equal(BIG, (sending()))
		local receiving = go(a.recv, a, buffer(1), 1)
		fails('busy', a:wait'r')
		assert.equal('w', a:wait'w')
		a:wait('rw', soon()) -- 'w' or 'busy'
		turn()
		turn()
		assert.is_false(receiving'done?')
		assert(b:send'x')
		assert.equal(1, receiving())
		close(a, b)
	end)

	runs('is in the list of threads', function()
		local a, b = pair()
		local over, thread = waiting(a, 'r')
		local found
		for _, t in ipairs(socket.threads()) do
			if t.thread == thread then found = t end
		end
		assert.equal('wait', found.what)
		assert.equal(a, found.socket)
		assert.matches('waitable_spec', found.at)
		assert(b:send'x')
		assert.equal('r', over())
		nobody_waits_on(a)
		close(a, b)
	end)

end)

-- What neither reads nor writes: a socket, and a descriptor; and how to be done with it.
local function stuck_socket()
	local a, b = full()
	return a, function() close(a, b) end
end

-- wait(), which ends by its time. Room that the system finds for a socket late, on a busy machine, is filled.
local function times_out(s, wait)
	local ready, err, errcode = wait()
	if ready == 'w' and s.type_number then
		s:send(buffer(BIG), BIG, soon())
		return times_out(s, wait)
	end
	fails('timeout', ready, err, errcode)
end

local function stuck_descriptor()
	local x, y = socketpair()
	descriptor.fill(x)
	local f = assert(socket.wrapfd(x))
	return f, function()
		f:close()
		close_fds(x, y)
	end
end

for kind, make in pairs{['a tcp socket'] = stuck_socket, ['a descriptor'] = stuck_descriptor} do
	for _, what in ipairs{'r', 'w', 'rw'} do
		describe(("a wait for '%s' on %s"):format(what, kind), function()

			runs('is ended by close()', function()
				local s, free = make()
				local over = waiting(s, what)
				s:close()
				fails('closed', over())
				fails('closed', s:wait(what))
				nobody_waits_on(s)
				free()
			end)

			runs('is ended by cancel(), and the next can begin at once', function()
				local s, free = make()
				local thread
				local over = go(function()
					thread = socket.currentthread()
					fails('canceled', s:wait(what))
					times_out(s, function() return s:wait(what, soon()) end)
				end)
				assert.is_false(over'done?')
				assert.is_true(socket.cancel(thread))
				over()
				nobody_waits_on(s)
				free()
			end)

			runs('is ended by its time', function()
				local s, free = make()
				local start
				times_out(s, function()
					start = socket.clock()
					return s:wait(what, start + SHORT)
				end)
				assert.is_true(socket.clock() >= start + SHORT)
				times_out(s, function() return s:wait(what, 0) end)
				times_out(s, function() return socket.deadline(soon(), s.wait, s, what) end)
				assert(s:settimeout(SHORT))
				times_out(s, function() return s:wait(what) end)
				times_out(s, function() return s:wait(what) end)
				fails('invalid_argument', s:wait(what, 0/0))
				nobody_waits_on(s)
				free()
			end)

			it('raises outside of threads and in plain coroutines', function()
				local s, free
				spec.run(function() s, free = make() end)
				assert.error_matches(function() s:wait(what) end, 'outside a socket thread')
				spec.run(function()
					local ok, err = coroutine.resume(coroutine.create(function() s:wait(what) end))
					assert.is_false(ok)
					assert.matches('plain coroutine', err)
					turn()
					times_out(s, function() return s:wait(what, soon()) end)
					free()
				end)
			end)

		end)
	end
end

describe('wait', function()

	runs('raises for what is no direction or time', function()
		local s, free = stuck_socket()
		for _, what in ipairs{'', 'x', 'wr', 1, true, {}} do
			assert.error_matches(function() s:wait(what) end, 'bad direction')
		end
		assert.error_matches(function() s:wait() end, 'bad direction')
		assert.error_matches(function() s:wait('r', 'x') end, 'bad expires')
		free()
	end)

	runs('is for datagrams, and for room for them', function()
		local a, b = assert(socket.udp()), assert(socket.udp())
		assert(a:bind('127.0.0.1', 0))
		fails('timeout', a:wait('r', soon()))
		assert.equal('w', a:wait'w')
		assert.equal('w', a:wait'rw')
		local over = waiting(a, 'r')
		assert(b:send('one', a:localaddr()))
		assert(b:send('', a:localaddr()))
		assert.equal('r', over())
		assert.equal('rw', a:wait'rw')
		for _, n in ipairs{3, 0} do
			assert.equal('r', a:wait'r')
			assert.equal(n, (a:recv(buffer(10), 10, nil, nil, 0)))
		end
		fails('timeout', a:wait('r', 0))
		close(a, b)
	end)

	runs('is for the error of an earlier datagram', function()
		local a, b = assert(socket.udp()), assert(socket.udp())
		assert(b:bind('127.0.0.1', 0))
		assert(a:connect(b:localaddr()))
		local over = waiting(a, 'r')
		b:close()
		assert(a:send'x')
		assert.equal('r', over())
		fails('connection_refused', a:recv(buffer(1), 1, 0))
		a:close()
	end, 'refused datagrams that are told')

	it('is for packets of a raw socket', function()
		local a, err = socket.raw('inet', 'icmp')
		if err == 'not_permitted' then pending'raw sockets are not permitted' end
		assert.truthy(a, err)
		spec.run(function()
			assert(a:connect'127.0.0.1')
			assert.equal('w', a:wait'w')
			local over = waiting(a, 'r')
			assert(a:send'\8\0\247\255\0\0\0\0') -- an echo request
			assert.equal('r', over())
			assert.equal('r', a:wait'r')
			a:close()
		end)
	end)

end)

describe('wrapfd', function()

	runs('waits for a pipe', function()
		local before = spec.fds()
		local x, y = pipe()
		local r, w = assert(socket.wrapfd(x)), assert(socket.wrapfd(y))
		assert.equal(x, r:fd())
		assert.equal('fd ' .. x, tostring(r))
		fails('timeout', r:wait('r', soon()))
		assert.equal('w', w:wait'w')
		assert.equal('w', w:wait'rw')
		local either = spec.windows and 'rw' or 'r' -- where it is a connection, that could be written to
		local over = waiting(r, 'r')
		write(y, 'ab')
		assert.equal('r', over())
		for _ = 1, 2 do -- the level counts
			assert.equal('r', r:wait'r')
			assert.equal('r', r:wait('r', 0))
			assert.equal(either, r:wait'rw')
			assert.equal(1, #read(x, 1))
		end
		fails('timeout', r:wait('r', 0))
		descriptor.fill(y)
		over = waiting(w, 'w')
		descriptor.drain(x)
		assert.equal('w', over())
		over = waiting(r, 'r')
		w:close()
		close_fds(y)
		assert.equal('r', over())
		assert.equal('', read(x, 1)) -- its end
		assert.equal('r', r:wait'r')
		r:close()
		close_fds(x)
		turn()
		assert.equal(before, spec.fds())
	end)

	runs('tells the writer that nobody reads', function()
		local x, y = pipe()
		descriptor.fill(y)
		local w = assert(socket.wrapfd(y))
		local over = waiting(w, 'w')
		close_fds(x)
		assert.equal('w', over())
		w:close()
		close_fds(y)
	end)

	runs('waits for both directions of a socket', function()
		local x, y = socketpair()
		descriptor.fill(x)
		local f = assert(socket.wrapfd(x))
		local over = waiting(f, 'rw')
		write(y, 'x')
		assert.equal('r', over())
		fails('timeout', f:wait('w', 0))
		assert.equal('x', read(x, 1))
		local reading, writing = waiting(f, 'r'), waiting(f, 'w')
		fails('busy', f:wait'r')
		fails('busy', f:wait'w')
		descriptor.drain(y)
		assert.equal('w', writing())
		assert.is_false(reading'done?')
		close_fds(y)
		assert.equal('r', reading())
		assert.equal('rw', f:wait'rw')
		f:close()
		close_fds(x)
	end)

	runs('waits for an eventfd, a timer, and a program', function()
		local e = descriptor.eventfd()
		local t = descriptor.timer(0.001)
		local f, g = assert(socket.wrapfd(e)), assert(socket.wrapfd(t))
		local over = waiting(f, 'r')
		assert.equal('r', g:wait'r')
		write(e, '\1\0\0\0\0\0\0\0')
		assert.equal('r', over())
		close(f, g)
		close_fds(e, t)
		local program = assert(io.popen('cat', 'w'))
		f = assert(socket.wrapfd(descriptor.of(program)))
		assert.equal('w', f:wait'w')
		f:close()
		program:close()
		program = assert(io.popen('echo hello', 'r'))
		f = assert(socket.wrapfd(descriptor.of(program)))
		assert.equal('r', f:wait'r')
		assert.equal('hello', program:read())
		assert.equal('r', f:wait'r') -- the end
		f:close()
		program:close()
	end, 'descriptors of pipes and files')

	runs('takes open descriptors only', function()
		for _, number in ipairs{-1, 99999, 1.5, 0/0, 1/0, -1/0, 2^32, 2^53, 1e300} do
			fails('bad_descriptor', socket.wrapfd(number))
		end
		local x, y = pipe()
		close_fds(x, y)
		fails('bad_descriptor', socket.wrapfd(x))
		for _, v in ipairs{'1', true, {}, io.stdout} do
			assert.error_matches(function() socket.wrapfd(v) end, 'number expected')
		end
		assert.error_matches(function() socket.wrapfd() end, 'number expected')
	end)

	runs('takes regular files, which are always ready, or where sockets alone are descriptors, none', function()
		local fd = descriptor.open(debug.getinfo(1, 'S').source:sub(2))
		if spec.lacks'descriptors of pipes and files' then
			fails('bad_descriptor', socket.wrapfd(fd))
		else
			local f = assert(socket.wrapfd(fd))
			for _, what in ipairs{'r', 'w', 'rw'} do
				assert.equal(what, f:wait(what, later()))
			end
			f:close()
		end
		close_fds(fd)
	end)

	runs('leaves the descriptor open', function()
		local x, y = pipe()
		local f = assert(socket.wrapfd(x))
		local over = waiting(f, 'r')
		assert.is_true(f:close())
		assert.is_true(f:close())
		fails('closed', over())
		fails('closed', f:wait'r')
		fails('closed', f:fd())
		assert.equal('fd closed', tostring(f))
		write(y, 'x')
		assert.equal('x', read(x, 1))
		for _ = 1, 3 do
			fails('timeout', assert(socket.wrapfd(x)):wait('r', 0)) -- which the collector closes
			collectgarbage()
			collectgarbage()
		end
		f = assert(socket.wrapfd(x))
		over = waiting(f, 'r')
		write(y, 'x')
		assert.equal('r', over())
		f:close()
		close_fds(x, y)
	end)

	runs('lets one at a time wait for a descriptor, where the system cannot tell them apart', function()
		local second = spec.windows and 'timeout' or 'busy'
		local x, y = pipe()
		local f, g = assert(socket.wrapfd(x)), assert(socket.wrapfd(x))
		local over = waiting(f, 'r')
		fails(second, g:wait('r', soon()))
		write(y, 'x')
		assert.equal('r', over())
		assert.equal('x', read(x, 1))
		f:close()
		over = waiting(g, 'r')
		write(y, 'x')
		assert.equal('r', over())
		g:close()
		close_fds(x, y)
		-- and one of the loop's own
		local a, b = pair()
		over = waiting(a, 'r')
		f = assert(socket.wrapfd(a:fd()))
		fails(second, f:wait('r', soon()))
		f:close()
		assert(b:send'x')
		assert.equal('r', over())
		close(a, b)
	end)

	-- The descriptor that other code closed under the object is, by number, a new socket's.
	for _, what in ipairs{'r', 'w', 'rw'} do
		runs(("survives that its descriptor is another's (%s)"):format(what), function()
			local x, y = socketpair()
			descriptor.fill(x)
			local f = assert(socket.wrapfd(x))
			local over = waiting(f, what, later())
			close_fds(x)
			local sockets, s = {}, nil
			while not s or s:fd() ~= x do
				s = assert(socket.tcp())
				sockets[#sockets + 1] = s
			end
			local l = listener()
			assert.is_true(s:connect(l:localaddr()))
			local d = assert(l:accept())
			local reading = go(spec.recv_all, s, 5)
			assert(d:send'hello')
			assert.equal('hello', reading())
			f:close()
			fails(spec.windows and 'bad_descriptor' or 'closed', over()) -- the system tells that it was closed
			reading = go(spec.recv_all, s, 5)
			assert.is_false(reading'done?')
			assert(d:send'again')
			assert.equal('again', reading())
			local sending = go(s.send, s, buffer(BIG))
			assert.equal(BIG, #spec.recv_all(d, BIG))
			assert.equal(BIG, (sending()))
			nobody_waits_on(f)
			close(d, l, unpack(sockets))
			close_fds(y)
		end)
	end

	runs('survives that its descriptor is closed and waited for', function()
		local x, y = pipe()
		local f = assert(socket.wrapfd(x))
		fails('timeout', f:wait('r', soon()))
		close_fds(x)
		local ready, err = f:wait('r', soon())
		assert.is_nil(ready)
		assert(err == 'bad_descriptor' or err == 'timeout', err)
		if descriptor.rename then -- elsewhere the system alone gives numbers
			descriptor.rename(y, x)
			y = x
		end
		local again = assert(socket.wrapfd(y))
		assert.equal('w', again:wait'w')
		close(f, again)
		close_fds(y)
	end)

	runs('is no socket', function()
		local x, y = pipe()
		local f = assert(socket.wrapfd(x))
		for _, name in ipairs{'accept', 'bind', 'connect', 'listen', 'getopt', 'localaddr'} do
			assert.is_nil(f[name], name)
		end
		-- and C refuses the rest
		local h, buf, a, n = f.h, buffer(1), ffi.new'socket2_addr[1]', ffi.new'int[1]'
		local p = require'socket2.net.addr'.pointer(assert(socket.addr('127.0.0.1', 1)))
		local calls = {
			socket_type = {}, socket_family = {}, socket_protocol = {}, socket_bind = {p},
			socket_shutdown = {1}, socket_localaddr = {a}, socket_remoteaddr = {a},
			socket_setopt = {'rcvbuf', 1}, socket_getopt = {'rcvbuf', n},
			socket_setopt_text = {'bindtodevice', 'lo'}, socket_getopt_text = {'bindtodevice', buf, 1},
			tcp_listen = {1}, tcp_accept = {a, 0}, tcp_connect = {p, 0},
			udp_connect = {p}, udp_send = {buf, 1, p, 0}, udp_recv = {buf, 1, p, a, 0},
			udp_truncated = {}, udp_join = {p, 'lo'}, udp_leave = {p, 'lo'},
			lookup_cancel = {}, lookup_result = {a, 1, buf, 1}, lookup_close = {}, timer_close = {},
		}
		for name, args in pairs(calls) do
			assert.equal(C.SOCKET2_EBADHANDLE, C['socket2_' .. name](loop, h, unpack(args)), name)
		end
		local over = waiting(f, 'r')
		write(y, 'x')
		assert.equal('r', over())
		f:close()
		assert.equal(C.SOCKET2_EBADHANDLE, C.socket2_socket_wait(loop, h, C.SOCKET2_READ, 0))
		close_fds(x, y)
	end)

end)
