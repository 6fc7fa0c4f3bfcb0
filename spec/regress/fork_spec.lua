-- A child that closed a socket, or its state, took it out of the epoll of its parent, and what the child had
-- from its parent never became ready there.

local ffi = require'ffi'
local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

local C = ffi.C

if not spec.windows then
	ffi.cdef[[
	int spec_fork(void) __asm__("fork");
	int spec_waitpid(int, int *, int) __asm__("waitpid");
	void spec_exit(int) __asm__("_exit");
	unsigned spec_alarm(unsigned) __asm__("alarm");
	]]
end

local it = spec.with('fork', it)

-- fork(f) -> pid: a child that runs f and ends with 0, or with 1 if that raises or takes too long.
local function fork(f)
	io.stdout:flush()
	local pid = C.spec_fork()
	if pid ~= 0 then return pid end
	C.spec_alarm(20)
	local ok, err = xpcall(f, debug.traceback)
	if not ok then io.stderr:write('in the child: ', tostring(err), '\n') end
	C.spec_exit(ok and 0 or 1)
end

-- A child that ends by a signal has other bits.
local function check(pid)
	local status = ffi.new'int[1]'
	assert.equal(pid, C.spec_waitpid(pid, status, 0))
	assert.equal(0, status[0])
end

-- echo(s): answers each line of a connection
local function echo(s)
	repeat local line = s:readline() until not line or not s:send(line .. '\n')
	s:close()
end

-- ask(s, text) -> what the peer answers
local function ask(s, text)
	assert(s:send(text .. '\n'))
	return (s:readline(nil, socket.clock() + 10))
end

describe('fork', function()
	local server, ai, connections, served

	before_each(function()
		server = spec.listener()
		ai = server:localaddr()
		connections, served = {}, 0
		socket.newthread(function()
			while true do
				local s = server:accept()
				if not s then break end
				connections[#connections + 1] = s
				socket.newthread(function()
					echo(s)
					served = served + 1
				end)
			end
		end)
	end)

	after_each(function()
		server:close()
		spec.finish()
	end)

	it('leaves the parent what a child closes', spec.threaded(function()
		local s = assert(socket.connect(ai))
		assert.equal('before', ask(s, 'before'))
		check(fork(function()
			server:close()
			s:close()
			for _, c in ipairs(connections) do c:close() end
			socket.sleep(0.001)
		end))
		assert.equal('after', ask(s, 'after'))
		s:close()
		s = assert(socket.connect(ai))
		assert.equal('another', ask(s, 'another'))
		s:close()
	end))

	it('leaves the parent what a child closes with its state', function()
		local output, code = spec.luajit[[
			local socket, ffi = require'socket2', require'ffi'
			ffi.cdef'int fork(void); int waitpid(int, int *, int);'
			local server = assert(socket.tcp())
			assert(server:listen('127.0.0.1', 0))
			socket.newthread(function()
				for _ = 1, 2 do assert(server:accept()):close() end
			end)
			socket.newthread(function()
				assert(socket.connect(server:localaddr())):readall()
				local pid = ffi.C.fork()
				if pid == 0 then os.exit(0, true) end
				ffi.C.waitpid(pid, nil, 0)
				assert(socket.connect(server:localaddr())):readall()
				io.write'served'
			end)
			assert(socket.start(10))]]
		assert.equal('served', output)
		assert.equal(0, code)
	end)

	it('gives the child the listener that a thread waits at', spec.threaded(function()
		local ours, theirs = spec.pair() -- for words between the two
		local pid = fork(function()
			assert(theirs:readline())
			spec.wait_until(function() return served == 1 end)
		end)
		server:close()
		assert(ours:send'accept\n')
		local s = assert(socket.connect(ai))
		assert.equal('from the child', ask(s, 'from the child'))
		s:close()
		check(pid)
		ours:close()
		theirs:close()
	end))

	it('gives the child connections', spec.threaded(function()
		local ours, theirs = spec.pair()
		assert(ours:send'to the parent\n')
		assert.equal('to the parent', theirs:readline())
		local pid = fork(function()
			ours:close()
			assert(theirs:readline(nil, socket.clock() + 10) == 'to the child')
			assert(theirs:send'from the child\n')
		end)
		theirs:close()
		assert.equal('from the child', ask(ours, 'to the child'))
		check(pid)
		assert.equal('', ours:readall())
		ours:close()
	end))

	it('leaves a send that is under way to the parent', spec.threaded(function()
		local ours, theirs = spec.pair()
		local size = 8 * 2^20
		local text = ('x'):rep(size)
		local sent, err
		socket.newthread(function() sent, err = ours:send(text) end)
		spec.turn()
		check(fork(function()
			spec.wait_until(function() return err end)
			assert(not sent and err == 'canceled', err)
		end))
		assert.equal(size, #spec.recv_all(theirs, size))
		spec.wait_until(function() return sent end)
		assert.equal(size, sent)
		ours:close()
		assert.equal('', spec.recv_all(theirs))
		theirs:close()
	end))

	it('leaves a connect that is under way to the parent', spec.threaded(function()
		local hole, free = spec.hole()
		local s, result = assert(socket.tcp()), nil
		socket.newthread(function() result = {s:connect(hole)} end)
		spec.turn()
		check(fork(function()
			s:close()
			spec.turn()
		end))
		-- A connect that was called off would have no port, or wait no more.
		assert.is_true(s:localaddr():port() > 0)
		spec.turn()
		assert.is_nil(result)
		s:close()
		spec.wait_until(function() return result end)
		assert.equal('closed', result[2])
		free()
	end))

	it('has timers in both', spec.threaded(function()
		local fired
		socket.runafter(0.02, function() fired = true end)
		check(fork(function()
			spec.wait_until(function() return fired end)
		end))
		spec.wait_until(function() return fired end)
	end))

	it('begins lookups again', spec.threaded(function()
		local found
		socket.newthread(function() found = {socket.addr('localhost', 1)} end)
		check(fork(function()
			spec.wait_until(function() return found end)
			assert(found[1], found[2])
			assert(socket.addr('localhost', 2))
		end))
		spec.wait_until(function() return found end)
		assert(found[1], found[2])
	end))

	it('makes two channels of one', spec.threaded(function()
		local ch = thread.channel()
		local got
		socket.newthread(function() got = ch:recv() end)
		spec.turn()
		check(fork(function()
			assert(ch:send'of the child')
			spec.wait_until(function() return got end)
			assert(got == 'of the child')
		end))
		assert.is_nil(got)
		assert(ch:send'of the parent')
		spec.wait_until(function() return got end)
		assert.equal('of the parent', got)
	end))

	it('leaves those who wait in OS threads to the parent', spec.threaded(function()
		local requests, answers = thread.channel(), thread.channel()
		local t = assert(thread.new(function(from, to)
			to:send'ready'
			to:send((from:recv()))
		end, requests, answers))
		assert.equal('ready', answers:recv())
		spec.turn()
		check(fork(function()
			assert(requests:send(1))
			assert(requests:recv() == 1)
			local own = assert(thread.new(function(x) return x + 1 end, 1))
			assert(own:join() == 2)
		end))
		assert(requests:send(2))
		assert.equal(2, answers:recv())
		t:join()
	end))

	it('can be done while OS threads are at work', spec.threaded(function()
		local stop, out = thread.channel(1), thread.channel(1)
		local t = assert(thread.new(function(from, to)
			while from:count() == 0 do to:send'x' end
			to:send(false)
		end, stop, out))
		for _ = 1, 20 do
			check(fork(function()
				local ch = thread.channel(1)
				for i = 1, 10 do
					assert(ch:send(i))
					assert(ch:recv() == i)
				end
				assert(socket.addr('localhost', 1))
			end))
			assert.equal('x', (out:recv()))
		end
		assert(stop:send(true))
		repeat until not out:recv()
		t:join()
	end))

	it('can be done in a child', spec.threaded(function()
		check(fork(function()
			check(fork(function()
				server:close()
				local own = spec.listener()
				socket.newthread(function() echo(assert(own:accept())) end)
				assert(ask(assert(socket.connect(own:localaddr())), 'grandchild') == 'grandchild')
			end))
			server:close()
			assert(socket.sleep(0.001))
		end))
		local s = assert(socket.connect(ai))
		assert.equal('after', ask(s, 'after'))
		s:close()
	end))
end)
