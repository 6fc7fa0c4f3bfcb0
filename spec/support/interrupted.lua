-- Operations that an error ends in the middle, wherever that is.

local ffi = require'ffi'
local socket = require'socket2'
local thread = require'socket2.thread'

local SIZE = 3000
local canaries

-- Memory like that of the operation, in its place if that was freed.
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

local function later()
	return socket.clock() + 0.5
end

-- kind -> a function that makes: what is interrupted, what lets it end, what then has to work, and what is to
-- be closed.
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
		d:settimeout(0.01)
		local s
		repeat
			local got = d:recv(ffi.cast('char *', canaries[1]), SIZE)
			s = got and ffi.string(canaries[1], got) or ''
			assert(not s:find'[^a]', 'bytes of another string were sent')
		until not got or got == 0
	end, function()
		assert(#other == 2 and c:send'more')
		assert(d:read(4, later()) == 'more')
	end, c, d
end

function kinds.accept()
	local s, c = assert(socket.tcp()), assert(socket.tcp())
	assert(s:listen('127.0.0.1', 0))
	return function() s:accept() end, function() assert(c:connect(s:localaddr())) end, function()
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
		local buf = ffi.new'char[4]'
		repeat
			local n = assert(a:recv(buf, 4, later()))
		until ffi.string(buf, n) == 'more'
	end, a, b
end

kinds['udp send'] = function()
	local a, b = udp(), udp()
	return function() a:send('text', b:localaddr()) end, function() end, function()
		assert(a:send('more', b:localaddr()))
		local buf = ffi.new'char[4]'
		repeat
			local n = assert(b:recv(buf, 4, later()))
		until ffi.string(buf, n) == 'more'
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
		local v
		repeat
			v = assert(ch:recv(later()))
		until v == 'more'
	end, ch
end

kinds['channel recv'] = function()
	local ch = assert(thread.channel())
	return function() ch:recv() end, function() assert(ch:send'text') end, function()
		assert(ch:send'more')
		local v
		repeat
			v = assert(ch:recv(later()))
		until v == 'more'
	end, ch
end

kinds['look-up'] = function()
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
		local v
		repeat
			v = assert(q:pop(later()))
		until v == 'more'
	end
end

local interrupted = {kinds = kinds}

-- check(kind, limit, first, last): runs an operation under limit(n, f), which calls f() and lets it fail
-- after n steps, for every n until it is over before that. Raises what does not hold then.
function interrupted.check(kind, limit, first, last)
	for n = first, last do
		local operation, finish, work, a, b = kinds[kind]()
		local over = false
		pcall(limit, n, function()
			socket.newthread(function()
				operation()
				over = true
			end)
		end)
		fill_memory()
		local ok, err = pcall(function()
			run(finish)
			check_memory()
			run(work)
		end)
		if not ok then
			error(('%s, interrupted after %d: %s'):format(kind, n, err), 0)
		end
		for _, o in ipairs{a or nil, b or nil} do
			o:close()
		end
		if not pcall(socket.start, 10) then
			error(('%s, interrupted after %d: the loop does not end'):format(kind, n), 0)
		end
		if over and n > first + 100 then
			return
		end
	end
end

return interrupted
