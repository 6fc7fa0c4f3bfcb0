-- A thread had its turn in a line, but an error (from a debug hook, or for want of memory) ended it before it
-- began, or made it give up its turn: all behind it waited forever. So they did when the error came to a
-- thread with an operation that was over.

local spec = require'spec'

local PRELUDE = [[
jit.off()
local ffi = require'ffi'
local socket = require'socket2'
local thread = require'socket2.thread'
socket.onerror = function() end

local function later()
	return socket.clock() + 10
end

-- catching(f) -> function: f(), and a wait that is long, when it fails.
local function catching(f)
	return function()
		if not pcall(f) then
			socket.sleep(60)
		end
	end
end

-- interrupt(thread, n): it fails after n more instructions of its own. -> has_failed()
local function interrupt(thread, n)
	local left = n
	debug.sethook(function()
		if coroutine.running() == thread then
			left = left - 1
			if left == 0 then
				debug.sethook()
				error('too many instructions', 0)
			end
		end
	end, '', 1)
	return function()
		debug.sethook()
		return left <= 0
	end
end

local function poll_until(done)
	local time = later()
	while not done() do
		assert(socket.clock() < time, 'a thread in line waits forever')
		socket.poll(0.01)
	end
end

local function run(f)
	local result
	socket.newthread(function() result = f() end)
	poll_until(function() return result end)
	return result
end

-- case() -> f, for each of the threads in line; release(), which lets the operations end; close().
-- The one of them that is the victim is wrap(its function).
local function check(case, wrap, victim)
	local n, has_failed = 0, nil
	repeat
		n = n + 1
		local f, release, close = case()
		local threads, over = {}, 0
		for i = 1, 4 do
			local function step()
				f(i)
				over = over + 1
			end
			threads[i] = socket.newthread(i == victim and wrap(step) or step)
		end
		has_failed = interrupt(threads[victim], n)
		release()
		poll_until(function() return over >= 3 end)
		has_failed = has_failed()
		socket.cancel(threads[victim])
		close()
		assert(socket.start(10) == true)
	until not has_failed
	assert(n > 10)
end

local cases = {}

function cases.send()
	local server = assert(socket.tcp())
	assert(server:listen('127.0.0.1', 0))
	local c = run(function() return assert(socket.connect(server:localaddr())) end)
	local d = run(function() return assert(server:accept()) end)
	c:setopt('sndbuf', 16384)
	d:setopt('rcvbuf', 16384)
	return function() assert(c:send(('x'):rep(3e5))) end, function()
		socket.newthread(function()
			while d:read(1000) do end
		end)
	end, function()
		server:close()
		c:close()
		d:close()
	end
end

function cases.recv()
	local a, b = assert(socket.udp()), assert(socket.udp())
	assert(a:bind('127.0.0.1', 0))
	return function() assert(a:recv(ffi.new'char[8]')) end, function()
		socket.newthread(function()
			for _ = 1, 4 do
				assert(b:send('x', a:localaddr()))
			end
		end)
	end, function()
		a:close()
		b:close()
	end
end

function cases.channel_send()
	local ch = assert(thread.channel(0))
	return function(i) assert(ch:send(i)) end, function()
		socket.newthread(function()
			for _ = 1, 4 do
				ch:recv()
			end
		end)
	end, function() ch:close() end
end

function cases.channel_recv()
	local ch = assert(thread.channel())
	return function() assert(ch:recv()) end, function()
		for i = 1, 4 do
			socket.newthread(ch.send, ch, i)
		end
	end, function() ch:close() end
end

local function plain(f) return f end
]]

local function case(name, wrap, victim)
	return function()
		local code = ('check(cases.%s, %s, %d) io.write"well"'):format(name, wrap, victim)
		assert.equal('well', (spec.luajit(PRELUDE .. code)))
	end
end

describe('those in line behind a thread that fails have their turns', function()
	it('when it ends as its turn comes: senders', case('send', 'plain', 2))
	it('when it ends as its turn comes: receivers', case('recv', 'plain', 2))
	it('when it goes on, too', case('send', 'catching', 2))
	it('when it ends as its turn comes: senders to a channel', case('channel_send', 'plain', 2))
	it('when it goes on, too: receivers from a channel', case('channel_recv', 'catching', 2))
	it('when it ends as its operation is over: receivers from a channel', case('channel_recv', 'plain', 1))
	it('when it ends as its operation is over: senders', case('send', 'plain', 1))
	it('when it ends as its operation is over: receivers', case('recv', 'catching', 1))
end)
