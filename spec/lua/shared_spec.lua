-- Loops of several Lua states on one of the system's pollers: socket.epoll_fd(fd), socket.iocp(handle).

local socket = require'socket2'
local thread = require'socket2.thread'
local descriptor = require'descriptor'
local spec = require'spec'

local run, clock = spec.run, socket.clock

local SHARED = 'a poller for several loops'

local LIMIT = 30 -- seconds, of a case

-- share([fd]) -> fd | true: the library's function, by its name
local share = socket.epoll_fd() and 'epoll_fd' or 'iocp'

-- What the states run; it travels with their functions, as an upvalue.
local tools = {}

-- join(fd): the first thing that a state does; nil: it keeps its own poller.
function tools.join(fd)
	if fd then assert(socket[share](fd)) end
end

function tools.listener()
	local l = assert(socket.tcp())
	assert(l:listen('127.0.0.1', 0))
	return l, l:localaddr():port()
end

-- serve(l): echoes to all peers, until it is closed.
function tools.serve(l)
	socket.newthread(function()
		while true do
			local c = l:accept()
			if not c then break end
			socket.newthread(function()
				local buf = require'ffi'.new'char[4096]'
				repeat
					local n = c:recv(buf, 4096)
				until not n or n == 0 or not c:send(buf, n)
				c:close()
			end)
		end
	end)
end

-- talk(port, seed, rounds, [largest]): each byte that comes back is the one that was due.
function tools.talk(port, seed, rounds, largest)
	local c = assert(socket.connect('127.0.0.1', port, socket.clock() + 20))
	for i = 1, rounds do
		local size = (i * 7919 + seed * 104729) % (largest or 3000) + 1
		local parts = {}
		for k = 1, size do parts[k] = string.char((k * 31 + i * 17 + seed) % 256) end
		local s = table.concat(parts)
		assert(c:send(s))
		local back = assert(c:read(size, socket.clock() + 20))
		assert(back == s, 'other bytes came back')
	end
	return c
end

-- compute(ch, seconds) -> was it told by a message to stop, before the time was over?
function tools.compute(ch, seconds)
	local limit = socket.clock() + seconds
	while ch:count() == 0 do
		if socket.clock() > limit then return false end
	end
	return true
end

local function start(f, ...)
	return assert(thread.new(f, ...))
end

local function finish(threads)
	for _, t in ipairs(threads) do
		local _, err = t:join(clock() + LIMIT)
		assert.is_false(t:failed(), err)
	end
end

local mine = {} -- the program's own pollers

local function case(f, fd)
	return function()
		run(function() f(fd()) end, LIMIT)
	end
end

local kinds = {
	{name = 'each with a poller of its own', fd = function() end},
	{name = "on this loop's poller", fd = function() return socket[share]() end, shared = true},
	{name = "on a poller of the program's", fd = function()
		mine[#mine + 1] = descriptor.poller()
		return mine[#mine]
	end, shared = true},
}

for _, kind in ipairs(kinds) do
	spec.with(SHARED, describe, kind.shared and spec.lacks(SHARED) or false)('states ' .. kind.name, function()
		after_each(function()
			while mine[1] do descriptor.close(table.remove(mine)) end
		end)

		for _, n in ipairs{2, 4, 8} do
			it(('%d of them, talk to each other by sockets with the same handles'):format(n), case(function(fd)
				local all, go_on, done = thread.channel(n), thread.channel(n), thread.channel(n)
				local threads = {}
				for i = 1, n do
					threads[i] = start(function()
						tools.join(fd)
						local l, port = tools.listener()
						tools.serve(l)
						all:send{i, port}
						local ports = go_on:recv()
						local set, handles = socket.threadset(), {l.h}
						for k = 1, 3 do
							set:thread(function()
								local c = tools.talk(ports[(i + k - 1) % n + 1], i * 10 + k, math.floor(120 / n))
								handles[k + 1] = c.h
								c:close()
							end)
						end
						for _, result in ipairs(set:wait()) do assert(result.ok, result.traceback) end
						done:send(i)
						go_on:recv()
						l:close()
						return unpack(handles)
					end)
				end
				local ports = {}
				for _ = 1, n do
					local m = all:recv()
					ports[m[1]] = m[2]
				end
				for _ = 1, n do go_on:send(ports) end
				for _ = 1, n do done:recv(clock() + LIMIT) end
				go_on:close()
				finish(threads)
				local first = {threads[1]:join()}
				for i = 2, n do assert.equal(first[1], (threads[i]:join())) end
				assert.equal(4, #first)
			end, kind.fd))
		end

		it('do not wait for one that computes, nor for one that sleeps', case(function(fd)
			local ports, stop, asleep = thread.channel(), thread.channel(), thread.channel()
			local own = thread.channel()
			local busy = start(function()
				tools.join(fd)
				local l, port = tools.listener()
				local c = assert(socket.connect('127.0.0.1', port))
				local s = l:accept()
				local got
				socket.newthread(function() got = s:readline() end)
				socket.sleep(0.001) -- it waits, and so does its loop
				ports:send(port)
				local told = tools.compute(stop, 20)
				c:send'late\n'
				while not got do socket.sleep(0.001) end
				own:send{told, got}
			end)
			ports:recv()
			local idle = start(function()
				tools.join(fd)
				return asleep:recv()
			end)
			local server = start(function()
				tools.join(fd)
				local l, port = tools.listener()
				tools.serve(l)
				ports:send(port)
				asleep:recv()
				l:close()
			end)
			local port = ports:recv()
			local client = start(function()
				tools.join(fd)
				local begin = socket.clock()
				tools.talk(port, 1, 100, 100):close()
				for _ = 1, 20 do -- with pauses, in which nobody waits on the epoll for long
					socket.sleep(0.002)
					tools.talk(port, 2, 2, 10):close()
				end
				return socket.clock() - begin
			end)
			local time = client:join(clock() + LIMIT)
			stop:send(true)
			asleep:send'first'
			asleep:send'second'
			assert.is_true(time < 10, tostring(time))
			assert.same({true, 'late'}, own:recv(clock() + LIMIT))
			finish{busy, idle, server, client}
		end, kind.fd))

		it('go on while others close descriptors whose numbers are used again at once', case(function(fd)
			local ports, over = thread.channel(), thread.channel()
			local server = start(function()
				tools.join(fd)
				local l, port = tools.listener()
				tools.serve(l)
				ports:send(port)
				over:recv()
				l:close()
			end)
			local port = ports:recv()
			local threads = {}
			for i = 1, 3 do
				threads[i] = start(function()
					tools.join(fd)
					local l, own = tools.listener()
					for k = 1, 80 do
						local c = assert(socket.connect('127.0.0.1', own))
						local s = assert(l:accept())
						local got, ended
						socket.newthread(function()
							local buf = require'ffi'.new'char[8]'
							local n, err = s:recv(buf, 8)
							assert(n == 1, err or 'not the byte that was sent')
							got = true
							n = s:recv(buf, 8) -- until one of the two is closed
							ended = n == 0 or n == nil
						end)
						assert(c:send'x')
						local other = assert(socket.connect('127.0.0.1', port))
						assert(other:send(k .. '\n'))
						assert(other:readline(nil, socket.clock() + 20) == tostring(k))
						while not got do socket.sleep(0) end -- another state may have its event in hand
						if k % 2 == 0 then c:close() else s:close() end
						other:close()
						while not ended do socket.sleep(0) end
						c:close()
						s:close()
					end
					l:close()
				end)
			end
			for i = 4, 5 do
				threads[i] = start(function()
					tools.join(fd)
					tools.talk(port, i, 100, 2000):close()
				end)
			end
			finish(threads)
			over:close()
			finish{server}
		end, kind.fd))

		it('go on when others end, or fail, with operations pending', case(function(fd)
			local ports, over, stop = thread.channel(), thread.channel(), thread.channel()
			local server = start(function()
				tools.join(fd)
				local l, port = tools.listener()
				tools.serve(l)
				ports:send(port)
				over:recv()
				l:close()
			end)
			local port = ports:recv()
			local client = start(function()
				tools.join(fd)
				local n = 0
				while stop:count() == 0 do
					tools.talk(port, n, 10, 500):close()
					n = n + 1
				end
				return n
			end)
			local listener, own = spec.listener()
			for round = 1, 4 do
				local dying, peers = {}, {}
				for i = 1, 3 do
					dying[i] = start(function()
						tools.join(fd)
						local c = assert(socket.connect('127.0.0.1', own))
						local d = assert(socket.connect('127.0.0.1', port))
						socket.newthread(function() d:readline() end)
						socket.newthread(function() d:send(('x'):rep(2^23)) end)
						socket.newthread(function() c:readline() end)
						socket.sleep(0.001 * i)
						if round % 2 == 0 then error'the end' end
						socket.stop()
						socket.sleep(1000)
					end)
				end
				for i = 1, 3 do peers[i] = assert(listener:accept(clock() + LIMIT)) end
				for i = 1, 3 do
					local _, err = dying[i]:join(clock() + LIMIT)
					assert.matches(round % 2 == 0 and 'the end' or 'stop%(%) was called', err)
					assert.equal('', peers[i]:readall(nil, clock() + LIMIT))
					peers[i]:close()
				end
			end
			listener:close()
			stop:send(true)
			assert.is_true(client:join(clock() + LIMIT) >= 1)
			over:close()
			finish{server, client}
		end, kind.fd))

		it('are woken by channels', case(function(fd)
			local n, HOPS = 4, 200
			local chs, threads = {}, {}
			for i = 1, n do chs[i] = thread.channel(i % 2) end
			for i = 1, n do
				local from, to = chs[i], chs[i % n + 1]
				threads[i] = start(function()
					tools.join(fd)
					for v in from:values() do
						if v == HOPS then
							to:close()
							return v
						end
						to:send(v + 1)
					end
					to:close()
				end)
			end
			chs[1]:send(1)
			finish(threads)
			local last = 0
			for i = 1, n do
				if threads[i]:join() == HOPS then last = last + 1 end
			end
			assert.equal(1, last)
		end, kind.fd))

		it('have their timers on time', case(function(fd)
			local threads = {}
			for i = 1, 4 do
				threads[i] = start(function()
					tools.join(fd)
					local l, port = tools.listener()
					tools.serve(l)
					local early, late, set = 0, 0, socket.threadset()
					for k = 1, 5 do
						set:thread(function()
							for n = 1, 12 do
								local due = socket.clock() + (n * k * i % 11) / 1000
								socket.sleep(due - socket.clock())
								local off = socket.clock() - due
								early, late = math.min(early, off), math.max(late, off)
							end
						end)
					end
					if i == 1 then tools.talk(port, 1, 50, 100):close() end
					if i == 2 then
						local limit = socket.clock() + 0.05
						while socket.clock() < limit do end
					end
					for _, result in ipairs(set:wait()) do assert(result.ok, result.traceback) end
					l:close()
					return early, late
				end)
			end
			finish(threads)
			for i = 1, 4 do
				local early, late = threads[i]:join()
				assert.is_true(early > -1e-6, 'early by ' .. early)
				assert.is_true(late < 3, 'late by ' .. late)
			end
		end, kind.fd))
	end)
end

spec.with(SHARED, describe)('a poller', function()
	it('is good after the state that made it has ended', function()
		run(function()
			local numbers, ports = thread.channel(), thread.channel()
			local first, second = thread.channel(), thread.channel()
			local maker = start(function()
				numbers:send(socket[share]())
				local l, port = tools.listener()
				tools.serve(l)
				tools.talk(port, 1, 5):close()
				first:recv()
				l:close()
			end)
			local fd = numbers:recv()
			local server = start(function()
				tools.join(fd)
				local l, port = tools.listener()
				tools.serve(l)
				ports:send(port)
				second:recv()
				l:close()
				return socket[share]()
			end)
			local port = ports:recv()
			first:send(true)
			finish{maker}
			local clients = {}
			for i = 1, 2 do
				clients[i] = start(function()
					tools.join(fd)
					tools.talk(port, i, 50):close()
				end)
			end
			finish(clients)
			second:send(true)
			assert.equal(fd, server:join(clock() + LIMIT))
		end, LIMIT)
	end)

	it('has somebody who looks at it as long as one of its states waits', function()
		run(function()
			local n, fd = 5, descriptor.poller() -- this loop has its own: it cannot help out
			local ports, stop = thread.channel(), thread.channel()
			for round = 1, 4 do
				local threads, peers = {}, {}
				for i = 1, n do
					threads[i] = start(function()
						tools.join(fd)
						local l, port = tools.listener()
						ports:send(port)
						local c = l:accept()
						l:close()
						c:send(c:readline() .. '\n')
						local told = tools.compute(stop, 20)
						c:close()
						return told
					end)
					peers[i] = assert(socket.connect('127.0.0.1', ports:recv()))
				end
				for k = 1, n do -- those that have answered compute until the last one has
					local i = round % 2 == 0 and k or n + 1 - k
					peers[i]:send(round .. '\n')
					assert.equal(tostring(round), peers[i]:readline(nil, clock() + 10))
				end
				stop:send(true)
				finish(threads)
				for i = 1, n do
					assert.is_true((threads[i]:join()))
					peers[i]:close()
				end
				stop:recv()
			end
			descriptor.close(fd)
		end, LIMIT)
	end)

	it('is left with nothing in it, and nothing of it is left', function()
		run(function()
			thread.new(function(fd) tools.join(fd) end, socket[share]()):join()
			collectgarbage()
			collectgarbage()
			local before = spec.fds()
			local fd = descriptor.poller()
			for _ = 1, 5 do
				local threads = {}
				for i = 1, 6 do
					threads[i] = start(function()
						tools.join(i % 2 == 0 and fd or nil)
						local l, port = tools.listener()
						tools.serve(l)
						tools.talk(port, i, 3):close()
						l:close()
						return socket[share]() ~= fd -- which it has a duplicate of
					end)
				end
				for i = 1, 6 do assert.is_true((threads[i]:join(clock() + LIMIT))) end
			end
			if not spec.lacks'/proc' then
				local info = assert(io.open('/proc/self/fdinfo/' .. fd))
				spec.wait_until(function()
					info:seek'set'
					return not info:read'*a':find'tfd:'
				end)
				info:close()
			end
			descriptor.close(fd)
			spec.wait_until(function() return spec.fds() <= before end)
		end, LIMIT)
	end)

	it('is refused when the loop has a socket, or is none', function()
		run(function()
			local r, w = descriptor.pipe()
			local s = spec.listener()
			local t = start(function(fd, bad, sock)
				local words = {}
				for _, v in ipairs{-1, -1/0, 0/0, 0.5, 1e9, 2^31, 2^32, 2^53, bad, sock} do
					local ok, err, errcode = socket[share](v)
					assert(ok == nil and type(errcode) == 'number')
					words[#words + 1] = err
				end
				for _, v in ipairs{'1', false, {}} do
					assert(not pcall(socket[share], v))
				end
				local own = socket[share]()
				local u = socket.udp()
				local ok, err = socket[share](fd)
				assert(ok == nil and err == 'busy' and own == socket[share]())
				u:close()
				local l, port = tools.listener()
				tools.serve(l)
				tools.talk(port, 1, 5):close() -- the loop is as before
				l:close()
				return unpack(words)
			end, socket[share](), r, s:fd())
			local words = {t:join(clock() + LIMIT)}
			assert.is_false(t:failed(), words[2])
			assert.equal(10, #words)
			for _, word in ipairs(words) do assert.matches('^[%l_]+$', word) end
			descriptor.close(r, w)
			s:close()
		end, LIMIT)
	end)
end)
