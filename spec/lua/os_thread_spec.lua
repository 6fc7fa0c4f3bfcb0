-- OS threads, each with a Lua state: require'socket2.thread'.

local socket = require'socket2'
local thread = require'socket2.thread'
local coro = require'coro'
local spec = require'spec'

local threaded, fails, run, go = spec.threaded, spec.fails, spec.run, spec.go
local clock = socket.clock

local function start(f, ...)
	return assert(thread.new(f, ...))
end

local function failure(t, pattern)
	local v, err, errcode = t:join()
	assert.is_nil(v)
	assert.is_nil(errcode)
	assert.matches(pattern, err)
	assert.is_true(t:failed())
	return err
end

-- script(code, [prefix]) -> output, exit code: in a socket thread of a process of its own.
local function script(code, prefix)
	return spec.luajit(([[
	local socket, thread = require'socket2', require'socket2.thread'
	socket.newthread(function() %s end)
	socket.start()]]):format(code), prefix or 'timeout 30')
end

describe('a thread', function()
	it('runs a function with its upvalues and arguments, and gives its results', threaded(function()
		local factor = 3
		local t = start(function(a, b, ...)
			socket.sleep(0.001)
			return a * factor, b, select('#', ...), nil
		end, 14, {1}, nil, nil)
		assert.is_nil(t:failed())
		for _ = 1, 2 do
			local r = {n = select('#', t:join()), t:join()}
			assert.same({42, {1}, 2, n = 4}, r)
		end
		assert.is_false(t:failed())
		assert.is_true(start(function() end):join())
		assert.equal(6, start('local a, b = ... return a * b', 2, 3):join())
	end))

	it('has a state of its own', threaded(function()
		_G.os_thread_spec_global = 1
		local t = start(function()
			local before = os_thread_spec_global -- luacheck: ignore
			os_thread_spec_global = 2 -- luacheck: ignore
			return before, package.path, package.cpath, package.preload.os_thread_spec
		end)
		local before, path, cpath, preload = t:join()
		assert.same({nil, package.path, package.cpath, nil}, {before, path, cpath, preload})
		assert.equal(1, _G.os_thread_spec_global)
		_G.os_thread_spec_global = nil
	end))

	it('lives until its socket threads are over', threaded(function()
		local ch = thread.channel()
		local t = start(function()
			socket.newthread(function()
				socket.sleep(0.005)
				ch:send'late'
			end)
			return 'early'
		end)
		assert.equal('early', t:join())
		assert.equal('late', ch:recv(0))
	end))

	it('that raises gives the error with its traceback', threaded(function()
		failure(start(function() error'oops' end), 'os_thread_spec.lua:%d+: oops\nstack traceback:.*os_thread_spec')
		failure(start(function() error({1}) end), '^table: 0x%x+\nstack traceback:')
		failure(start(function() error() end), '^nil\nstack')
		failure(start(function() error(setmetatable({}, {__tostring = error})) end), 'no text')
		local endless = start(function() local function f() return 1 + f() end f() end)
		assert.is_true(spec.is_overflow(failure(endless, '')))
		failure(start"error'plain'", 'plain')
		local t = start(function() error'again' end)
		assert.equal(failure(t, 'again'), failure(t, 'again'))
	end))

	it('fails with any of its socket threads', threaded(function()
		failure(start(function()
			socket.newthread(function()
				socket.sleep(0.001)
				error'the other'
			end)
			return 'fine'
		end), 'the other')
		failure(start(function()
			socket.newthread(function() error'at once' end)
			socket.sleep(60)
		end), 'at once')
	end))

	it('may hear of errors in its socket threads, but not of its own', threaded(function()
		assert.equal('heard', start(function()
			local heard
			socket.onerror = function() heard = 'heard' end
			socket.newthread(function() error'x' end)
			return heard
		end):join())
		failure(start(function()
			socket.onerror = function() end
			error'own'
		end), 'own')
	end))

	it('fails with results that cannot be sent', threaded(function()
		failure(start(function() return 1, {x = coro.create(print)} end), 'cannot send a thread %(at %[2%]%.x%)')
		failure(start(function() return print, coroutine.wrap(print) end), 'cannot send a C function')
	end))

	it('with results whose module is missing here fails', threaded(function()
		failure(start(function()
			package.loaded.os_thread_spec_module = {}
			return package.loaded.os_thread_spec_module
		end), "module 'os_thread_spec_module' not found")
	end))

	it('fails when it stops before it is over', threaded(function()
		failure(start(function()
			socket.stop()
			socket.sleep(60)
		end), 'socket.stop%(%) was called')
	end))

	it('is not started with what cannot be sent', threaded(function()
		local function raises(pattern, ...)
			local ok, err = pcall(thread.new, ...)
			assert.is_false(ok)
			assert.matches(pattern, err)
		end
		local co = coro.create(print)
		raises("cannot send a thread %(at %[1%]%.f%.upvalue 'co'%)", function() return co end)
		raises('cannot send a thread %(at %[1%]%[2%]%)', print, 1, co)
		raises('cannot send a thread object', print, start(function() end))
		raises('cannot send a queue', print, socket.queue())
		raises('unexpected symbol', 'return =')
		raises('function or string expected, got nil', nil)
	end))

	it('can be joined by several threads, with expires and cancel()', function()
		run(function()
			local ch = thread.channel()
			local t = start(function() return ch:recv() end)
			local joins, threads = {}, {}
			for i = 1, 4 do
				threads[i] = socket.newthread(function() joins[i] = {t:join(i < 3 and clock() + 0.01 or nil)} end)
			end
			socket.cancel(threads[3])
			fails('timeout', t:join(clock() + 0.02))
			fails('timeout', t:join(0))
			fails('timeout', socket.deadline(clock() + 0.001, t.join, t))
			fails('timeout', unpack(joins[1], 1, 3))
			fails('timeout', unpack(joins[2], 1, 3))
			fails('canceled', unpack(joins[3], 1, 3))
			ch:send'result'
			assert.equal('result', t:join())
			spec.wait_until(function() return joins[4] end)
			assert.same({'result'}, joins[4])
		end)
	end)

	it('that is over is joined anywhere, but waited for in socket threads', function()
		local t = start(function() end)
		assert.error_matches(function() t:join() end, 'join%(%) outside a socket thread')
		t = start(function() return 1 end)
		run(function() t:join() end)
		assert.equal(1, t:join())
	end)

	it('has a name', threaded(function()
		local t = start(function() return thread.name(), thread.name'worker 7', thread.name() end)
		assert.matches('^os_thread_spec.lua:%d+$', t:name())
		assert.equal('thread ' .. t:name(), tostring(t))
		local own, set, after = t:join()
		assert.equal(t:name():sub(-15), own)
		assert.same({'worker 7', 'worker 7'}, {set, after})
		fails('invalid_argument', thread.name'a\0b')
		assert.has_error(function() thread.name(1) end)
		assert.is_true(thread.cpus() >= 1)
	end))

	it('starts threads itself, which go on without it', threaded(function()
		local ch = thread.channel()
		start(function()
			thread.new(function()
				local ok, inner = pcall(function() return ch:recv() end)
				ch:send(ok and inner)
			end)
		end):join()
		ch:send'x'
		local got
		repeat got = ch:recv() until got == 'x'
	end))

	it('leaves no descriptor and no channel behind', function()
		run(function()
			start(function() end):join()
			collectgarbage()
			collectgarbage()
			local before = spec.fds()
			for _ = 1, 5 do
				local threads = {}
				for i = 1, 10 do
					threads[i] = start(function()
						local s = assert(socket.tcp())
						assert(s:listen('127.0.0.1', 0))
						socket.sleep(0.001)
						return i
					end)
				end
				for i = 1, 10 do assert.equal(i, threads[i]:join()) end
			end
			assert.is_true(spec.fds() <= before)
		end, 60)
	end)

	it('that ends with all kinds of waits pending ends cleanly', function()
		run(function()
			local ch = thread.channel(0)
			collectgarbage()
			collectgarbage()
			local before = spec.fds()
			for _ = 1, 5 do
				failure(start(function()
					local l = assert(socket.tcp())
					assert(l:listen('127.0.0.1', 0))
					socket.newthread(function() l:accept() end)
					socket.newthread(function() ch:recv() end)
					socket.newthread(function() ch:send'x' end)
					socket.newthread(function() socket.udp():recv(require'ffi'.new'char[1]', 1) end)
					socket.newthread(function() thread.new(function() ch:recv() end):join() end)
					socket.runevery(0.01, function() end)
					socket.newthread(function() socket.addr('localhost', 80) end)
					socket.sleep(0.002)
					error'the end'
				end), 'the end')
				ch:send'' -- the inner thread's
			end
			spec.wait_until(function() return spec.fds() <= before end)
		end, 60)
	end)

	spec.with('a limit of memory', it)('without memory fails, and no other', function()
		if (os.getenv'LD_PRELOAD' or ''):find'[at]san' then
			return pending'the sanitizers need all the address space'
		end
		local output, exit = script([[
		local t = thread.new(function()
			local t = {}
			for i = 1, 1e9 do t[i] = ('x'):rep(2^20) .. i end
		end)
		local v, err = t:join()
		print(v, err:match'not enough memory')
		print(thread.new(function() return 'fine' end):join())]], 'ulimit -v 600000; timeout 60')
		assert.equal('nil\tnot enough memory\nfine\n', output)
		assert.equal(0, exit)
	end)

	it('does not outlive the process, which ends by itself or by os.exit()', function()
		local busy = [[
		local ch, nothing = thread.channel(), thread.channel()
		for i = 1, 8 do
			thread.new(function(i)
				ch:send(i)
				if i % 3 == 0 then while true do local t = {i} end end
				if i % 3 == 1 then nothing:recv() end
				while true do socket.sleep(0.001) end
			end, i)
		end
		for i = 1, 8 do ch:recv() end
		]]
		for i = 1, 3 do
			local output, exit = script(busy .. 'print"end"')
			assert.same({'end\n', 0}, {output, exit}, i)
			output, exit = script(busy .. 'io.write"exit" io.flush() os.exit(7)')
			assert.same({'exit', 7}, {output, exit}, i)
			output, exit = script(busy .. 'io.write"close" io.flush() os.exit(8, true)')
			assert.same({'close', 8}, {output, exit}, i)
			output, exit = script(busy .. 'error"failed"')
			assert.matches('failed', output)
			assert.equal(1, exit)
		end
	end)

	it('may end the process itself', function()
		local _, exit = script'thread.new(function() os.exit(9) end):join()'
		assert.equal(9, exit)
	end)
end)

describe('a socket', function()
	-- What a server in another state does with it.
	local function echo(s)
		for line in s:lines() do
			assert(s:send(line .. '!\n'))
		end
		s:close()
	end

	it('that was accepted here is served in another state, with what was buffered', threaded(function()
		local client, server = spec.pair()
		client:send'skip\none\ntwo'
		assert.equal('skip', server:readline())
		assert.equal(7, server:buffered())
		server:settimeout(7, 8)
		local t = start(function(s)
			assert(s:buffered() == 7 and s.read_timeout == 7 and s.write_timeout == 8)
			echo(s)
		end, server)
		assert.equal('tcp closed', tostring(server))
		fails('closed', server:send'x')
		fails('closed', server:readline())
		assert.equal('one!', client:readline())
		client:send'\nthree\n'
		client:shutdown'w'
		assert.equal('two!', client:readline())
		assert.equal('three!', client:readline())
		assert.equal('', client:readall())
		t:join()
		assert.is_false(t:failed())
	end))

	it('goes to and fro through channels', threaded(function()
		local there, back = thread.channel(), thread.channel()
		local t = start(function()
			for s in there:values() do back:send(s) end
		end)
		local client, server = spec.pair()
		for i = 1, 20 do
			client:send(i .. '\nbuffered' .. i .. '\n')
			assert.equal(tostring(i), server:readline())
			assert(there:send{server, server})
			local both = {back:recv()}
			server = both[1][1]
			assert.equal(server, both[1][2])
			assert.equal('buffered' .. i, server:readline())
		end
		there:close()
		t:join()
	end))

	it('that listens is accepted from by several states', threaded(function()
		local listener, port = spec.listener()
		local ch = thread.channel(0)
		local t = start(function()
			local l = ch:recv()
			while true do
				local s = l:accept()
				local line = s:readline()
				s:send(line .. '\n')
				s:close()
				if line == 'end' then break end
			end
		end)
		assert(ch:send(listener))
		for _, line in ipairs{'a', 'b', 'end'} do
			local c = assert(socket.connect('127.0.0.1', port))
			c:send(line .. '\n')
			assert.equal(line, c:readline())
		end
		t:join()
		assert.is_false(t:failed())
	end))

	it('of udp goes as well', threaded(function()
		local u = assert(socket.udp())
		assert(u:bind('127.0.0.1', 0))
		local to = u:localaddr()
		local t = start(function()
			local buf = require'ffi'.new'char[10]'
			return require'ffi'.string(buf, (u:recv(buf, 10)))
		end)
		assert.equal('udp closed', tostring(u))
		assert(socket.udp():send('hello', to))
		assert.equal('hello', t:join())
	end))

	it('whose message was not sent is as before', threaded(function()
		local client, server = spec.pair()
		client:send'line\nrest'
		assert.equal('line', server:readline())
		local ch = thread.channel(0)
		fails('timeout', ch:send({server}, clock() + 0.005))
		fails('timeout', ch:send(server, 0))
		local over = go(ch.send, ch, server)
		assert.equal('tcp closed', tostring(server))
		ch:close()
		fails('closed', over())
		fails('closed', ch:send(server))
		assert.equal('rest', server:read(4))
		client:send'more\n'
		assert.equal('more', server:readline(nil, clock() + 5))
		assert(server:send'back\n')
		assert.equal('back', client:readline())
	end))

	it('that is closed on its way stays closed, also when the message comes back', threaded(function()
		local client, server = spec.pair()
		collectgarbage()
		collectgarbage()
		local before = spec.fds()
		local ch = thread.channel(0)
		local over = go(ch.send, ch, {server}, clock() + 0.005)
		server:close()
		fails('timeout', over())
		assert.equal('tcp closed', tostring(server))
		assert.equal(before - 1, spec.fds())
		assert.equal('', client:readall())
	end))

	it('that a thread waits on is busy, and one that is closed no value', threaded(function()
		local client, server = spec.pair()
		local _, other = spec.pair()
		local ch = thread.channel()
		local over = go(server.readline, server)
		fails('busy', ch:send{other, server})
		fails('busy', thread.new(print, other, server))
		assert.matches('^tcp connected', tostring(other))
		client:send'x\n'
		assert.equal('x', over())
		server:close()
		assert.has_error(function() ch:send{server} end)
		assert.equal(0, ch:count())
	end))
end)

describe('detach() and attach()', function()
	it('hand a descriptor over', threaded(function()
		local client, server = spec.pair()
		local fd = assert(server:detach())
		assert.equal('tcp closed', tostring(server))
		fails('closed', server:detach())
		fails('socket_type_not_supported', socket.attach(fd, 'udp'))
		local s = assert(socket.attach(fd, 'tcp'))
		assert.equal(fd, s:fd())
		assert.matches('^tcp connected', tostring(s))
		client:send'hello\n'
		assert.equal('hello', s:readline())
		s:close()
		assert.equal('', client:readall())
		fails('bad_descriptor', socket.attach(-1, 'tcp'))
		fails('bad_descriptor', socket.attach(0.5, 'tcp'))
		assert.has_error(function() socket.attach('1', 'tcp') end)
		assert.has_error(function() socket.attach(1, 'x') end)
	end))

	it('know a bound socket, which then listens where it is', threaded(function()
		local s = assert(socket.tcp())
		assert(s:bind('127.0.0.1', 0))
		local port = s:localaddr():port()
		s = assert(socket.attach(s:detach(), 'tcp'))
		assert(s:listen())
		assert.equal(port, s:localaddr():port())
	end))

	it('lose nothing: busy while a thread waits or bytes are buffered', threaded(function()
		local client, server = spec.pair()
		client:send'a\nb\n'
		assert.equal('a', server:readline())
		fails('busy', server:detach())
		assert.equal('b', server:readline())
		local over = go(server.readline, server)
		fails('busy', server:detach())
		client:send'c\n'
		assert.equal('c', over())
		assert(socket.attach(assert(server:detach()), 'tcp')):close()
	end))
end)
