-- socket.select: what is ready, on ours outside of threads and in one, and on LuaSocket where it is
-- installed. Then more descriptors than its select() can take.

local api = require'socket2'
local process = require'process'
local spec = require'spec'
local both = require'both'

local _, original, ours = both'socket'

local socket -- of the case that runs

local function pair()
	local server = assert(socket.bind('127.0.0.1', 0))
	local _, port = server:getsockname()
	local a = assert(socket.connect('127.0.0.1', port))
	local b = assert(server:accept())
	return a, b, server
end

-- The results have the objects, both ways, and nothing else.
local function has(t, ...)
	local n = select('#', ...)
	assert.equal(n, #t)
	local keys = 0
	for _ in pairs(t) do
		keys = keys + 1
	end
	assert.equal(2 * n, keys)
	for i = 1, n do
		local o = select(i, ...)
		assert.equal(o, t[t[o]])
	end
end

-- LuaSocket leaves out a third one that is nil.
local function results(...)
	assert.equal(socket == original and select(3, ...) == nil and 2 or 3, select('#', ...))
	return ...
end

local function selects(...)
	return results(socket.select(...))
end

local function nothing(...)
	local r, w, err = selects(...)
	has(r)
	has(w)
	assert.equal('timeout', err)
end

-- `lacking`: what LuaSocket lacks for it on Windows, if anything
local function case(name, f, lacking)
	local function on(m)
		return function()
			socket = m
			f()
		end
	end
	it(name .. ': ours', on(ours))
	it(name .. ': ours, in a thread', spec.threaded(on(ours)))
	if original then
		spec.with(lacking, it, lacking ~= nil and spec.windows)(name .. ': LuaSocket', on(original))
	end
end

local function took(f, ...)
	local t = api.clock()
	f(...)
	return api.clock() - t
end

-- An object of somebody else's, around a socket.
local function foreign(s, is_dirty)
	return {
		getfd = function() return s:getfd() end,
		dirty = function() return is_dirty or s:dirty() end,
	}
end

describe('select', function()
	case('finds what can be read, written, both', function()
		local a, b, server = pair()
		nothing({a, b, server}, nil, 0)
		local r, w, err = selects(nil, {a, b}, 5)
		has(r)
		has(w, a, b)
		assert.is_nil(err)
		assert(b:send'x')
		r, w, err = selects({a, b}, {a}, 5)
		has(r, a)
		has(w, a)
		assert.is_nil(err)
		has((selects({a, b, server}, {}, 5)), a)
		assert.equal('x', a:receive(1))
		nothing({a}, {}, 0)
		local _, port = server:getsockname()
		local c = assert(socket.connect('127.0.0.1', port))
		has((selects({a, server}, nil, 5)), server)
		assert(server:accept()):close()
		has((selects({c, a}, nil, 5)), c)
		assert.same({nil, 'closed', ''}, {c:receive()})
		for _, s in ipairs{a, b, c, server} do
			s:close()
		end
	end)

	case('waits as long as it was told', function()
		local a, b, server = pair()
		assert.is_true(took(nothing, {a}, nil, 0) < 1)
		local t = took(nothing, {a}, {}, 0.05)
		assert.is_true(t >= 0.049 and t < 2)
		t = took(nothing, nil, nil, 0.03)
		assert.is_true(t >= 0.029 and t < 2)
		assert.is_true(took(nothing, {a}, nil, '0.01') >= 0.009)
		assert(b:send'x')
		for _, forever in ipairs{-1, -0.5} do
			has((selects({a}, nil, forever)), a)
		end
		has((selects({a})), a)
		for _, s in ipairs{a, b, server} do
			s:close()
		end
	end)

	case('has what is buffered at once', function()
		local a, b, server = pair()
		assert(b:send'one\ntwo\n')
		assert.equal('one', a:receive())
		assert.is_true(a:dirty())
		local r, w, err = selects({b, a}, {}, 5)
		has(r, a)
		has(w)
		assert.is_nil(err)
		r, w = selects({a}, {a, b}, 5)
		has(r, a)
		has(w, a, b)
		assert.equal('two', a:receive())
		nothing({a}, nil, 0)
		for _, s in ipairs{a, b, server} do
			s:close()
		end
	end)

	case('takes whatever has getfd() and dirty()', function()
		local a, b, server = pair()
		local o = foreign(a)
		nothing({o}, nil, 0)
		nothing({o}, nil, 0.01)
		has((select(2, selects(nil, {o}, 5))), o)
		assert(b:send'x')
		has((selects({o}, nil, 5)), o)
		local r, w = selects({o}, {b}, 5)
		has(r, o)
		has(w, b)
		assert.equal('x', a:receive(1))
		nothing({o}, nil, 0)
		o = foreign(a, true)
		has((selects({o}, nil, 5)), o)
		o = {getfd = function() return a:getfd() end}
		nothing({o}, nil, 0)
		local empty = {{}, {getfd = function() end}, {getfd = function() return -1 end, dirty = function()
			return true
		end}}
		nothing(empty, empty, 0.01)
		for _, s in ipairs{a, b, server} do
			s:close()
		end
	end)

	case('skips what is closed or has no descriptor yet', function()
		local a, b, server = pair()
		local master = socket.tcp()
		nothing({master}, {master}, 0)
		assert(b:send'x\ny\n')
		assert.equal('x', a:receive())
		a:close()
		nothing({a}, {a}, 0.01)
		b:close()
		nothing({a, b, master}, {b}, 0.01)
		server:close()
		nothing({server}, nil, 0)
	end)

	case('has an object once that is listed twice', function()
		local a, b, server = pair()
		has((select(2, selects({}, {a, a}, 5))), a)
		assert(b:send'x')
		has((selects({a, a, b, a}, nil, 5)), a)
		for _, s in ipairs{a, b, server} do
			s:close()
		end
	end)

	case('waits for a connect', function()
		local server = assert(socket.bind('127.0.0.1', 0))
		local _, port = server:getsockname()
		local s = assert(socket.tcp())
		s:settimeout(0)
		local ok, err = s:connect('127.0.0.1', port)
		assert.is_true(ok == 1 or err == 'timeout')
		has((select(2, selects(nil, {s}, 5))), s)
		ok, err = s:connect('127.0.0.1', port)
		assert.is_true(ok == 1 or err == 'already connected')
		server:close()
		s:close()
		s = assert(socket.tcp())
		s:settimeout(0)
		ok, err = s:connect('127.0.0.1', port)
		assert.is_nil(ok)
		if err == 'timeout' then
			has((select(2, selects(nil, {s}, 5))), s)
			assert.same({nil, 'connection refused'}, {s:connect('127.0.0.1', port)})
		end
		s:close()
	end, 'a select() that finds refused connects')

	case('refuses what is no list', function()
		assert.has_error(function() socket.select(1) end)
		assert.has_error(function() socket.select({}, 'x') end)
		assert.has_error(function() socket.select({}, {}, 'soon') end)
		assert.has_error(function() socket.select({{getfd = function() error'mine' end}}, nil, 0) end)
		assert.has_error(function() socket.select({{getfd = function() return 60 end}}, nil, 0) end)
	end, 'a select() that looks at descriptors before it waits')
end)

describe('select beside threads', function()
	before_each(function()
		socket = ours
	end)

	it('lets them go on while it waits outside', function()
		local a, b = pair()
		local ticks = 0
		api.newthread(function()
			for _ = 1, 5 do
				api.sleep(0.001)
				ticks = ticks + 1
			end
			b:send'x'
		end)
		has((selects({a}, nil, nil)), a)
		assert.equal(5, ticks)
	end)

	it('waits in several threads at once, for what nothing else waits for', function()
		local a, b = pair()
		local c, d = pair()
		local found = {}
		for _, s in ipairs{a, c} do
			api.newthread(function()
				has((selects({s}, nil)), s)
				found[#found + 1] = s
				assert(s:receive(1) == 'x')
			end)
		end
		assert.equal(0, #found)
		assert(b:send'x')
		spec.poll_until(function() return #found == 1 end)
		assert(d:send'x')
		assert(api.start())
		assert.same({a, c}, found)
	end)

	it('ends by cancel() and by deadline()', function()
		local a = pair()
		local err
		local thread = api.newthread(function()
			err = select(3, selects({a}))
		end)
		assert.is_true(api.cancel(thread))
		spec.poll_until(function() return err end)
		assert.equal('canceled', err)
		assert.equal('timeout', spec.run(function()
			return (select(3, api.deadline(api.clock() + 0.01, selects, {a})))
		end))
	end)

	it('finds what another thread closes meanwhile', function()
		local a = pair()
		api.newthread(function()
			api.sleep(0.001)
			a:close()
		end)
		spec.run(function()
			has((selects({a}, nil, 5)), a)
		end)
		assert.same({nil, 'closed', ''}, {a:receive()})
	end)

	it('takes a wrapper of a socket that a thread reads', function()
		local a, b = pair()
		local got
		api.newthread(function()
			got = a:receive(1)
		end)
		nothing({foreign(a)}, nil, 0.01)
		assert(b:send'x')
		spec.poll_until(function() return got end)
	end)

	it('gives back what it has borrowed for objects of others', function()
		local C, loop = require'socket2.lib'.C, require'socket2.run.sched'.loop
		local a, b, server = pair()
		local dirty = foreign(b, true)
		local function last_handle() -- they are numbered in the order in which they are made
			local h = C.socket2_timer_new(loop, api.clock() + 100)
			C.socket2_timer_close(loop, h)
			return h
		end
		local before = last_handle()
		nothing({foreign(a), foreign(server)}, nil, 0)
		assert.is_false((pcall(selects, {foreign(a), {getfd = function() error'no descriptor' end}}, nil, 0)))
		has((selects({dirty}, nil, 0)), dirty)
		local after, open = last_handle(), 0
		assert.is_true(after > before + 3)
		for h = before, after do
			if C.socket2_socket_close(loop, h) == 0 then open = open + 1 end
		end
		assert.equal(0, open)
	end)

	it('raises the error of a thread that fails meanwhile', function()
		local a = pair()
		api.newthread(function()
			api.sleep(0.001)
			error'of a thread'
		end)
		assert.has_error(function()
			local ok, err = pcall(socket.select, {a}, nil, 5)
			error(not ok and err:match'of a thread' or err, 0)
		end, 'of a thread')
	end)
end)

describe('select with 5000 connections', function()
	it('finds each of them', function()
		if process.output"bash -c 'ulimit -n 12000 && echo may' 2>&1" ~= 'may\n' then
			return pending'needs the right to 12,000 descriptors'
		end
		local client = os.tmpname()
		local f = assert(io.open(client, 'w'))
		f:write[[
			local socket, port, n = require'socket2', tonumber(arg[1]), tonumber(arg[2])
			local open, done = 0, 0
			local all_open = socket.event()
			for i = 1, n do
				socket.newthread(function()
					local c = assert(socket.tcp())
					assert(c:connect('127.0.0.1', port))
					open = open + 1
					if open == n then
						all_open:set()
					end
					all_open:wait()
					local line = ('connection %d\n'):format(i)
					assert(c:send(line))
					assert(c:read(#line) == line)
					done = done + 1
					if done == n then
						print('echoed ' .. done)
						os.exit(0)
					end
				end)
			end
			socket.start()
		]]
		f:close()
		local server = os.tmpname()
		f = assert(io.open(server, 'w'))
		f:write[[
			local socket = require'socket'
			local n = tonumber(arg[1])
			local server = assert(socket.bind('127.0.0.1', 0, 4096))
			server:settimeout(0)
			print((select(2, server:getsockname())))
			io.stdout:flush()
			local list, echoed = {server}, 0
			while echoed < n do
				local r = socket.select(list, nil, 10)
				assert(r[1], 'nothing came')
				for i = 1, #r do
					local c = r[i]
					if c == server then
						c = server:accept()
						while c do
							c:settimeout(0)
							list[#list + 1] = c
							c = server:accept()
						end
					else
						local line = c:receive()
						if line then
							assert(c:send(line .. '\n'))
							echoed = echoed + 1
						end
					end
				end
			end
			print('served', #list - 1)
			io.stdout:flush()
			io.read()
		]]
		f:close()
		local n = spec.few(5000)
		local run = "bash -c 'ulimit -n 12000 && exec timeout 60 tools/run %s %s'"
		local p = process.start(run:format('-lsocket2.dropin ' .. server, n .. ' </dev/null'))
		local t = api.clock()
		local port = tonumber(p.file:read'*l')
		assert.equal(('echoed %d\n'):format(n), process.output(run:format(client, port .. ' ' .. n)))
		assert.equal(('served\t%d'):format(n), p.file:read'*l')
		assert.is_true(api.clock() - t < 30)
		p:stop()
		os.remove(client)
		os.remove(server)
	end)
end)
