-- Operations that an error ends at any point in the middle.

local ffi = require'ffi'
local coro = require'coro'
local descriptor = require'descriptor'
local this_process = require'this_process'
local socket = require'socket2'
local thread = require'socket2.thread'
local pending = require'socket2.run.pending'
local classic_tcp = require'socket2.luasocket.tcp'
local classic_udp = require'socket2.luasocket.udp'
local serial = require'socket2.luasocket.serial'

local SIZE = 3000
local canaries

-- Allocates memory of the operation's sizes, to overwrite what was freed.
local function fill_memory()
	collectgarbage()
	canaries = {}
	for i = 1, 20 do
		canaries[i] = ffi.new('char[?]', SIZE)
	end
end

local function check_memory()
	for _, c in ipairs(canaries) do
		assert(not ffi.string(c, SIZE):find'Z', 'memory of another object was written to')
	end
end

local function run(f)
	local over, ok, err
	socket.newthread(function()
		ok, err = pcall(f)
		over = true
	end)
	assert(socket.start(10))
	assert(over, 'start() returned while a thread waits')
	if not ok then
		error(err, 0)
	end
end

local function pair()
	local s, c, d = assert(socket.tcp()), nil, nil
	assert(s:listen('127.0.0.1', 0))
	run(function()
		socket.newthread(function() d = assert(s:accept()) end)
		c = assert(socket.connect(s:localaddr()))
	end)
	s:close()
	return c, d
end

local function udp()
	local s = assert(socket.udp())
	assert(s:bind('127.0.0.1', 0))
	return s
end

-- Two objects over descriptors; close() closes the descriptors, too.
local function fd_pair()
	local x, y = descriptor.socketpair()
	local a, b = assert(socket.wrapfd(x)), assert(socket.wrapfd(y))
	return a, b, {close = function()
		a:close()
		b:close()
		descriptor.close(x, y)
	end}
end

local function later()
	return socket.clock() + 10
end

-- start(f) -> t: runs f in a thread. is(t, result) waits for its end, and raises an error on another result,
-- unless f has failed.
local function start(f)
	local t = {}
	t.thread = socket.newthread(function()
		t.result = f()
		t.ok = true
	end)
	return t
end

local function is(t, expected)
	while coro.status(t.thread) ~= 'dead' do
		assert(socket.sleep(0.001))
	end
	assert(not t.ok or t.result == expected, 'another result')
end

-- Sends 'more' after all that is on its way, and reads it all, which must be bytes of the pattern and nothing
-- else.
local function read_more(from, to, pattern)
	socket.newthread(function() assert(from:send('more', nil, later())) end)
	local bytes = assert(to:readuntil('more', 1e7, later()))
	assert(bytes:gsub('more', ''):find('^[' .. pattern .. ']*$'), 'bytes of another string were sent')
end

-- Receives datagrams up to 'more', which is sent after all that is on its way.
local function skip_to_more(s)
	local buf = ffi.new'char[4]'
	repeat until ffi.string(buf, (assert(s:recv(buf, 4, later())))) == 'more'
end

-- kind -> a function that makes: the operation to interrupt, what lets it end (called twice if needed), what
-- has to work after it, and the objects to close.
local kinds = {}

function kinds.recv()
	local c, d = pair()
	return function() d:recv(ffi.new('char[?]', SIZE), SIZE) end, function()
		assert(c:send(('Z'):rep(SIZE)))
	end, function()
		assert(c:send'more\n')
		assert(d:readline(1e6, later()):find'more$')
	end, c, d
end

function kinds.readline()
	local c, d = pair()
	return function() d:readline(1e6) end, function() assert(c:send(('Z'):rep(SIZE) .. '\n')) end, function()
		assert(c:send'more\n')
		repeat until assert(d:readline(1e6, later())) == 'more'
	end, c, d
end

function kinds.send()
	local c, d = pair()
	local n, other = 3e5, nil
	c:setopt('sndbuf', 16384)
	d:setopt('rcvbuf', 16384)
	return function()
		local s = ('a'):rep(n)
		c:send(s)
	end, function()
		other = {('SECRET'):rep(n / 6), ('SECRET'):rep(n / 6)}
		read_more(c, d, 'a')
	end, function()
		assert(#other == 2)
		read_more(c, d, '.')
	end, c, d
end

function kinds.accept()
	local s, c = assert(socket.tcp()), assert(socket.tcp())
	assert(s:listen('127.0.0.1', 0))
	return function() s:accept() end, function()
		assert(c:remoteaddr() or c:connect(s:localaddr()))
	end, function()
		local e = assert(socket.connect(s:localaddr()))
		local d = assert(s:accept(later()))
		d:close()
		e:close()
	end, c, s
end

function kinds.connect()
	local s, c = assert(socket.tcp()), assert(socket.tcp())
	assert(s:listen('127.0.0.1', 0))
	return function() c:connect(s:localaddr()) end, function() end, function()
		local e = assert(socket.connect(s:localaddr()))
		e:close()
		c:close()
		local ok, err = c:send'x'
		assert(not ok and err == 'closed')
	end, s, c
end

kinds['udp recv'] = function()
	local a, b = udp(), udp()
	return function() a:recv(ffi.new('char[?]', SIZE), SIZE) end, function()
		assert(b:send(('Z'):rep(SIZE), a:localaddr()))
	end, function()
		assert(b:send('more', a:localaddr()))
		skip_to_more(a)
	end, a, b
end

kinds['udp send'] = function()
	local a, b = udp(), udp()
	return function() a:send('text', b:localaddr()) end, function() end, function()
		assert(a:send('more', b:localaddr()))
		skip_to_more(b)
	end, a, b
end

function kinds.wait()
	local c, d = pair()
	return function() d:wait'r' end, function() assert(c:send'Z') end, function()
		assert(d:wait('r', later()))
		assert(d:read(1, later()) == 'Z')
	end, c, d
end

kinds['channel send'] = function()
	local ch = assert(thread.channel(0))
	return function() ch:send'text' end, function() ch:recv(socket.clock() + 0.001) end, function()
		socket.newthread(function() assert(ch:send('more', later())) end)
		repeat until assert(ch:recv(later())) == 'more'
	end, ch
end

kinds['channel recv'] = function()
	local ch = assert(thread.channel())
	return function() ch:recv() end, function() assert(ch:send'text') end, function()
		assert(ch:send'more')
		repeat until assert(ch:recv(later())) == 'more'
	end, ch
end

kinds['lookup'] = function()
	return function() socket.addr('localhost', 80) end, function() end, function()
		assert(socket.addr('localhost', 80))
	end
end

function kinds.sleep()
	return function() socket.sleep(0.001) end, function() end, function() assert(socket.sleep(0.001)) end
end

function kinds.event()
	local e = socket.event()
	return function() e:wait() end, function() e:set() end, function() assert(e:wait(later())) end
end

function kinds.semaphore()
	local s = socket.semaphore(0)
	return function() s:take() end, function() s:give() end, function()
		s:give()
		assert(s:take(later()))
	end
end

function kinds.queue()
	local q = socket.queue()
	return function() q:pop() end, function() q:push'text' end, function()
		q:push'more'
		repeat until assert(q:pop(later())) == 'more'
	end
end

kinds['fd recv'] = function()
	local a, b, both = fd_pair()
	return function() a:recv(ffi.new('char[?]', SIZE), SIZE) end, function()
		assert(b:send(('Z'):rep(SIZE)))
	end, function()
		assert(b:send'more\n')
		assert(a:readline(1e6, later()):find'more$')
	end, both
end

kinds['fd send'] = function()
	local a, b, both = fd_pair()
	return function()
		local s = ('a'):rep(2e6)
		a:send(s)
	end, function() read_more(a, b, 'a') end, function() read_more(a, b, '.') end, both
end

kinds['send in line'] = function()
	local c, d = pair()
	c:setopt('sndbuf', 16384)
	d:setopt('rcvbuf', 16384)
	local first, third = start(function() return c:send(('a'):rep(3e5)) end), nil
	return function()
		local s = ('b'):rep(1e4)
		c:send(s)
	end, function()
		third = start(function() return c:send'c' end)
		read_more(c, d, 'abc')
	end, function()
		is(first, 3e5)
		is(third, 1)
		read_more(c, d, 'abc')
	end, c, d
end

kinds['udp recv in line'] = function()
	local a, b = udp(), udp()
	local function recv()
		return a:recv(ffi.new('char[?]', SIZE), SIZE)
	end
	local first, third = start(recv), nil
	return recv, function()
		third = start(recv)
		for _ = 1, 4 do
			assert(b:send(('Z'):rep(SIZE), a:localaddr()))
		end
	end, function()
		is(first, SIZE)
		is(third, SIZE)
		assert(b:send('more', a:localaddr()))
		skip_to_more(a)
	end, a, b
end

kinds['accept in line'] = function()
	local s, clients = assert(socket.tcp()), {}
	assert(s:listen('127.0.0.1', 0))
	local function accept()
		local c = s:accept()
		return c and c:close()
	end
	local first, third = start(accept), nil
	return accept, function()
		third = start(accept)
		for i = 1, 4 do
			clients[i] = assert(socket.connect(s:localaddr()))
		end
	end, function()
		is(first, true)
		is(third, true)
		local e = assert(socket.connect(s:localaddr()))
		repeat
			local c, ai = assert(s:accept(later()))
			c:close()
		until ai == e:localaddr()
		e:close()
		for i = 1, #clients do
			clients[i]:close()
		end
	end, s
end

kinds['new objects'] = function()
	local x, y = descriptor.socketpair()
	assert(socket.signal'hup'):close() -- the process keeps its pipe for signals
	return function()
		socket.tcp()
		socket.udp()
		socket.wrapfd(x)
		socket.signal'hup'
		thread.channel()
	end, function() end, function() end, {close = function() descriptor.close(x, y) end}
end

kinds["a drop-in's objects"] = function()
	local server = assert(classic_tcp.tcp'inet')
	assert(server:bind('127.0.0.1', 0))
	assert(server:listen())
	local c
	return function()
		classic_tcp.tcp'inet'
		classic_tcp.unixstream'unix'
		classic_udp.udp'inet6'
		serial'/dev/null'
		local s = server:accept()
		return s and s:close()
	end, function()
		c = c or socket.connect('127.0.0.1', (select(2, server:getsockname())))
	end, function() end, server, {close = function() return c and c:close() end}
end

function kinds.signal()
	local s = assert(socket.signal'hup')
	return function() s:wait() end, function() this_process.signal'hup' end, function()
		this_process.signal'hup'
		assert(s:wait(later()) == 'hup')
	end, s
end

local interrupted = {kinds = kinds}

local function check_loop()
	assert(socket.start(10) == true, 'start() goes on')
	assert(not pending.any(), 'something is waited for')
end

-- Runs the operation once, under limit(n, f). Returns whether it was interrupted.
local function check_one(kind, limit, n, late)
	local operation, finish, work, a, b = kinds[kind]()
	local over, ended = false, false
	local function begin()
		socket.newthread(function()
			operation()
			over = true
		end)
	end
	if late then
		begin()
		socket.newthread(function()
			finish()
			ended = true
		end)
	end
	local ok, reached = pcall(limit, n, late and function()
		for _ = 1, 10 do
			socket.poll(0)
		end
	end or begin)
	reached = reached or not ok
	fill_memory()
	if not (late and pcall(run, finish) or ended) then
		run(finish)
	end
	check_memory()
	run(work)
	for _, o in ipairs{a or nil, b or nil} do
		o:close()
	end
	check_loop()
	assert(reached or over, 'it did not end')
	return reached
end

-- Open descriptors, without those of forgotten objects; 0 when the system does not tell.
local function descriptors()
	collectgarbage()
	collectgarbage()
	local ok, n = pcall(this_process.fds)
	return ok and n or 0
end

-- check(kind, limit, [late]): runs the operation again and again. limit(n, f) -> boolean calls f(), lets it
-- fail after n steps, and tells whether it did; n grows until it does not. With `late` only what comes after
-- the beginning fails. Raises an error when something does not hold afterwards.
function interrupted.check(kind, limit, late)
	local n = 0
	local before, reached
	repeat
		n = n + 1
		local ok, err = pcall(check_one, kind, limit, n, late)
		if not ok then
			error(('%s, interrupted after %d: %s'):format(kind, n, err), 0)
		end
		before, reached = before or descriptors(), err
	until not reached
	local now = descriptors()
	if now > before then
		error(('%s: %d descriptors are left, not %d'):format(kind, now, before), 0)
	end
	return n
end

return interrupted
