-- Signals: socket.signal().

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'
local this_process = require'this_process'

local threaded, fails, raises, run, go = spec.threaded, spec.fails, spec.raises, spec.run, spec.go
local clock, raise = socket.clock, this_process.signal

local function watch(...)
	return assert(socket.signal(...))
end

local function soon()
	return clock() + 10
end

-- What is raised in the specs is what every system has that they run on.
local A, B = 'int', spec.windows and 'break' or 'term'

describe('a signal', function()
	it('is waited for by its name', threaded(function()
		local s = watch(A, B)
		local first, second = nil, nil
		local over = go(function()
			first = s:wait()
			second = s:wait(soon())
		end)
		raise(B)
		spec.wait_until(function() return first end)
		assert.equal(B, first)
		raise(A)
		over()
		assert.equal(A, second)
		assert.is_true(s:close())
	end))

	it('that comes between two waits is kept, once', threaded(function()
		local s = watch(A, B)
		for _ = 1, 3 do
			raise(B)
			raise(A)
		end
		-- Both have come when a third one has that was raised after them.
		local names = {}
		names[s:wait(soon()) or 'none'] = true
		names[s:wait(soon()) or 'none'] = true
		assert.same({[A] = true, [B] = true}, names)
		s:close()
	end))

	it('comes to every object that watches for it, in every state', threaded(function()
		local a, b = watch(A), watch(B, A)
		local ready = assert(thread.channel())
		local other = assert(thread.new(function(channel, name)
			local socket = require'socket2' -- luacheck: ignore
			local s = assert(socket.signal(name))
			channel:send(true)
			return s:wait(socket.clock() + 10)
		end, ready, A))
		assert.is_true(ready:recv(soon()))
		raise(A)
		assert.equal(A, a:wait(soon()))
		assert.equal(A, b:wait(soon()))
		assert.equal(A, other:join())
		a:close()
		raise(A)
		assert.equal(A, b:wait(soon()))
		b:close()
	end))

	it('that was not asked for is none of the object', threaded(function()
		local a, b = watch(A), watch(B)
		raise(B)
		assert.equal(B, b:wait(soon()))
		fails('timeout', a:wait(clock()))
		a:close()
		b:close()
	end))

	it('wakes a loop that sleeps', function()
		local s = watch(A)
		local name
		socket.newthread(function() name = s:wait() end)
		socket.poll(0)
		local other = run(function()
			return assert(thread.new(function(name, path, cpath) -- luacheck: ignore
				package.path, package.cpath = path, cpath
				local socket = require'socket2' -- luacheck: ignore
				socket.sleep(0.05)
				require'this_process'.signal(name)
			end, A, package.path, package.cpath))
		end)
		assert.is_true(socket.start(10))
		assert.equal(A, name)
		s:close()
		run(function() assert(other:join()) end)
	end)
end)

describe('a wait for signals', function()
	it('ends in time, by cancel, by a deadline, and by close', threaded(function()
		local s = watch(A)
		local before = clock()
		fails('timeout', s:wait(before + 0.05))
		assert.is_true(clock() >= before + 0.05)
		fails('timeout', s:wait(clock()))
		fails('timeout', socket.deadline(clock() + 0.05, s.wait, s))

		local thr
		local over = go(function()
			thr = socket.currentthread()
			return s:wait()
		end)
		assert.is_true(socket.cancel(thr))
		fails('canceled', over())

		over = go(s.wait, s)
		fails('busy', s:wait(soon()))
		local report = tostring(socket.threads())
		assert.matches('signal ' .. A, report, 1, true)
		s:close()
		fails('closed', over())
		fails('closed', s:wait())
		assert.is_true(s:close())
	end))

	it('that was canceled loses no signal', threaded(function()
		local s = watch(A)
		for i = 1, 100 do
			local thr
			local over = go(function()
				thr = socket.currentthread()
				return s:wait(soon())
			end)
			raise(A)
			for _ = 1, i % 5 do
				spec.turn()
			end
			socket.cancel(thr)
			local name, err = over()
			if not name then
				assert.equal('canceled', err)
				name = s:wait(soon())
			end
			assert.equal(A, name)
		end
		s:close()
	end))

	it('keeps start() running, and no object without one does', function()
		local s = watch(A)
		assert.is_true(socket.start(10))
		local name
		socket.newthread(function() name = s:wait() end)
		assert.is_false((socket.start(0.01)))
		raise(A)
		assert.is_true(socket.start(10))
		assert.equal(A, name)
		s:close()
	end)

	it('lets others go on, however many signals there are', threaded(function()
		local s, turns, stop = watch(A), 0, false
		local over = go(function()
			while not stop do
				socket.sleep(0)
				turns = turns + 1
			end
		end)
		for _ = 1, 1000 do
			raise(A)
			assert.equal(A, s:wait(soon()))
		end
		stop = true
		over()
		assert.is_true(turns > 10)
		s:close()
	end))

	it('is for socket threads', function()
		local s = watch(A)
		raises('outside a socket thread', s.wait, s)
		s:close()
	end)
end)

describe('socket.signal', function()
	it('raises for what is no name', function()
		for name in ('kill stop segv INT sigint'):gmatch'%S+' do
			raises("bad argument #2 to 'signal' %(no signal to wait for: '" .. name .. "'%)", socket.signal,
				A, name)
		end
		raises("bad argument #1 to 'signal' %(string expected, got nil%)", socket.signal)
		raises("bad argument #2 to 'signal' %(string expected, got nil%)", socket.signal, A, nil)
		raises("bad argument #1 to 'signal' %(string expected, got number%)", socket.signal, 15)
	end)

	it('tells what the system does not have', function()
		for name in (spec.windows and 'usr1 chld quit' or 'break'):gmatch'%S+' do
			fails('not_supported', socket.signal(A, name))
		end
	end)

	it('takes a name twice', threaded(function()
		local s = watch(A, A)
		assert.equal(('signal %s, %s'):format(A, A), tostring(s))
		raise(A)
		assert.equal(A, s:wait(soon()))
		fails('timeout', s:wait(clock()))
		s:close()
	end))

	it('makes objects without descriptors of their own, however many', threaded(function()
		watch(A):close() -- the first makes what all share
		local fds, objects = this_process.fds(), {}
		for i = 1, 300 do
			objects[i] = watch(A, B)
		end
		assert.equal(fds, this_process.fds())
		raise(A)
		for i = 1, 300 do
			assert.equal(A, objects[i]:wait(soon()))
			objects[i]:close()
		end
	end))
end)

if spec.windows then
	return -- what follows ends processes, and whole consoles there
end

-- script(code) -> output, exit code: of a process of its own, which has a function kill(name).
local function script(code)
	return run(function()
		return spec.luajit([[
		io.stdout:setvbuf'no'
		local socket, this_process = require'socket2', require'this_process'
		local kill = this_process.signal
		]] .. code, 'timeout 30')
	end)
end

describe('what a signal did before', function()
	it('it does again after the close', function()
		local out, code = script[[
		local s, t = socket.signal'term', socket.signal('term', 'int')
		kill'term'
		s:close()
		kill'term'
		print'alive'
		t:close()
		kill'term'
		print'not reached']]
		assert.matches('^alive\n', out)
		assert.is_nil(out:find'not reached')
		assert.not_equal(0, code)
	end)

	it('it does again when the object was forgotten', function()
		local out = script[[
		socket.signal'term'
		kill'term'
		print'alive'
		collectgarbage() collectgarbage()
		kill'term'
		print'not reached']]
		assert.matches('^alive\n', out)
		assert.is_nil(out:find'not reached')
	end)

	it('stays with a handler that the program has set meanwhile', function()
		local out, code = script[[
		local ffi = require'ffi'
		ffi.cdef'void (*signal(int, void (*)(int)))(int);'
		local IGNORE = ffi.cast('void (*)(int)', 1)
		local s = socket.signal'term'
		ffi.C.signal(15, IGNORE)
		s:close()
		kill'term'
		local t = socket.signal'term'
		t:close()
		kill'term'
		print'alive']]
		assert.equal('alive\n', out)
		assert.equal(0, code)
	end)

	it("is luajit's own at Ctrl-C", function()
		local out, code = script[[
		local s = socket.signal'int'
		kill'int'
		for _ = 1, 1e6 do end
		socket.newthread(function() print(s:wait()) end)
		socket.start()
		s:close()
		kill'int'
		jit.off()
		for _ = 1, 1e9 do end
		print'not reached']]
		assert.matches('^int\n', out)
		assert.is_nil(out:find'not reached')
		assert.not_equal(0, code)
	end)

	it('lets the children of the process have it', function()
		local out = script[[
		local s = socket.signal'term'
		print((io.popen'kill -TERM $$; echo alive':read'*a'))
		s:close()]]
		assert.equal('\n', out)
	end)
end)

describe('the signals of this system', function()
	local all = 'int term hup quit usr1 usr2 chld winch cont tstp ttin ttou alrm pipe urg io xcpu xfsz'
	for name in all:gmatch'%S+' do
		it('have ' .. name, threaded(function()
			local s = watch(name)
			-- Not by os.execute(), which ignores some of them meanwhile.
			io.popen(('kill -%s %d'):format(name:upper(), this_process.pid())):close()
			assert.equal(name, s:wait(soon()))
			s:close()
		end))
	end
end)

describe('a forked child', function()
	it('has the signals that come to it, its parent those of its own', function()
		local out = script[[
		local ffi = require'ffi'
		ffi.cdef'int fork(void); int waitpid(int, int *, int); int kill(int, int); int getppid(void);'
		local s, t = assert(socket.signal('term', 'hup')), assert(socket.signal'int')
		-- The library's thread is at rest after a first signal. A child that the address sanitizer sees forked
		-- while another thread starts may find a lock of its allocator held forever.
		kill'hup'
		local name
		socket.newthread(function()
			s:wait()
			name = s:wait()
		end)
		socket.poll(10)
		local pid = ffi.C.fork()
		if pid == 0 then
			kill'int'
			kill'term' -- before its loop turns
			socket.start(10)
			io.write('child ', name, '\n')
			socket.newthread(function() print('child', t:wait(socket.clock() + 10)) end)
			socket.start(10)
			s:close()
			ffi.C.kill(ffi.C.getppid(), 1)
			kill'term' -- ends it: nobody watches any more
		end
		socket.start(20)
		local status = ffi.new'int[1]'
		ffi.C.waitpid(pid, status, 0)
		print('parent', name, status[0])
		kill'term'
		kill'int'
		socket.newthread(function() print('parent', s:wait(), t:wait()) end)
		socket.start(10)]]
		assert.equal('child term\nchild\tint\nparent\thup\t15\nparent\tterm\tint\n', out)
	end)
end)

describe('a server', function()
	it('is stopped by a signal, and finishes what it has begun', threaded(function()
		local server = assert(socket.serve{host = '127.0.0.1', threads = 1, handler = function(c)
			c:send'hello\n'
			c:send((c:readline() or 'nothing') .. '\n')
		end})
		local s, stopped = watch'term', nil
		local over = go(function()
			s:wait(soon())
			stopped = server:stop(soon())
			s:close()
		end)
		local c = assert(socket.connect(server:addr()))
		assert.equal('hello', c:readline(nil, soon()))
		raise'term'
		spec.wait_until(function()
			local late = socket.connect(server:addr())
			return not late or late:close() and false
		end)
		assert.is_nil(stopped)
		assert(c:send'bye\n')
		assert.equal('bye', c:readline(nil, soon()))
		c:close()
		over()
		assert.is_true(stopped)
	end))
end)
