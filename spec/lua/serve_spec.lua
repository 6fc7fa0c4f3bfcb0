-- Servers of several OS threads: socket.serve{}.

local lfs = require'lfs'
local socket = require'socket2'
local thread = require'socket2.thread'
local process = require'process'
local spec = require'spec'

local fails, run, go, clock = spec.fails, spec.run, spec.go, socket.clock
local max, min, floor = math.max, math.min, math.floor

local LIMIT = 30 -- seconds, of a case

local function echo(c)
	local line
	repeat
		line = c:readline()
	until not line or not c:send(line .. '\n')
end

-- serve{...} -> server, port: on the loopback.
local function serve(o)
	o.host, o.port, o.threads, o.handler = '127.0.0.1', o.port or 0, o.threads or 4, o.handler or echo
	local server = assert(socket.serve(o))
	return server, server:addr():port()
end

local function connect(port)
	return assert(socket.connect('127.0.0.1', port, clock() + LIMIT))
end

local function ask(c, line)
	assert(c:send(line .. '\n'))
	return c:readline(nil, clock() + LIMIT)
end

local function sum(loads)
	local n = 0
	for _, load in ipairs(loads) do n = n + load end
	return n
end

local function wait_for_loads(server, n)
	spec.wait_until(function() return sum(server:loads()) == n end)
	return server:loads()
end

-- counts() -> function: waits until there are as many descriptors and threads as now.
local function counts()
	collectgarbage()
	collectgarbage()
	local fds, n = spec.fds(), spec.tasks()
	return function()
		spec.wait_until(function()
			collectgarbage()
			return spec.fds() <= fds and spec.tasks() <= n
		end)
	end
end

-- poller([n]) -> number: the epoll of this loop, or the completion port; now the one of that number.
local function poller(n)
	return socket.epoll_fd(n) or socket.iocp(n)
end

-- case(f) -> function: a test's body, in a socket thread, that has to leave nothing behind.
local function case(f)
	return function()
		run(function()
			-- What comes with the first thread, and the first on the poller.
			thread.new(function(n) assert(poller(n)) end, poller()):join()
			local as_before = counts()
			f()
			as_before()
		end, LIMIT)
	end
end

-- output_of(command) -> what another program prints, while the loop goes on.
local function output_of(command)
	local path = os.tmpname()
	os.remove(path)
	os.execute(('unset LD_PRELOAD; { { %s\n} >%s.part; mv %s.part %s; } 2>/dev/null </dev/null &'):format(
		command, path, path, path))
	local limit = clock() + LIMIT
	local all
	repeat
		socket.sleep(0.01)
		all = process.read(path)
	until all or clock() > limit
	os.remove(path)
	return all
end

-- with_module(source, f): f(name, dir) while there is a module of that name.
local function with_module(source, f)
	local dir = os.tmpname()
	os.remove(dir)
	assert(lfs.mkdir(dir))
	local file = assert(io.open(dir .. '/served.lua', 'w'))
	file:write('local dir = ', ('%q'):format(dir), '\n', source)
	file:close()
	local path = package.path
	package.path = dir .. '/?.lua;' .. path
	local ok, err = pcall(f, 'served', dir)
	package.path = path
	for name in lfs.dir(dir) do os.remove(dir .. '/' .. name) end
	lfs.rmdir(dir)
	if not ok then error(err, 0) end
end

-- unheard(f) -> list of the errors in socket threads during f()
local function unheard(f)
	local errors = {}
	socket.onerror = function(_, err) errors[#errors + 1] = err end
	local ok, err = pcall(f)
	socket.onerror = nil
	if not ok then error(err, 0) end
	return errors
end

-- script(code, [seconds]) -> output, exit code: in a process of its own.
local function script(code, seconds)
	return spec.luajit([[
	local socket, thread = require'socket2', require'socket2.thread'
	local function echo(c)
		local line
		repeat
			line = c:readline()
		until not line or not c:send(line .. '\n')
	end
	]] .. code, 'timeout ' .. (seconds or 60))
end

-- ended(code) -> output, exit code: as script(), of a process that ends in the middle of it all. In Wine one
-- of 20 hangs or complains, whatever the program: the threads that it ends can have a lock of its own.
local function ended(code)
	local output, exit
	for _ = 1, spec.wine and 5 or 1 do
		output, exit = script(code, spec.wine and 10)
		if exit ~= 124 and not output:find'wine client error' then
			break
		end
	end
	return output, exit
end

local balances = {'handoff', not spec.lacks'the option reuseport' and 'reuseport' or nil}

local kinds = {}
for _, balance in ipairs(balances) do
	for _, share in ipairs{false, true} do
		kinds[#kinds + 1] = {balance = balance, share_epoll = share,
			name = ('a server by %s%s'):format(balance, share and ' on one epoll' or '')}
	end
end

-- of(kind, [o]) -> options
local function of(kind, o)
	o = o or {}
	o.balance, o.share_epoll = kind.balance, kind.share_epoll
	return o
end

for _, kind in ipairs(kinds) do
	describe(kind.name, function()
		it('serves its clients, each byte in order', case(function()
			local server, port = serve(of(kind))
			local clients = socket.threadset()
			for i = 1, 24 do
				clients:thread(function()
					local c = connect(port)
					for k = 1, 20 do
						local line = ('%d %d %s'):format(i, k, ('x'):rep(k * i % 100))
						assert.equal(line, ask(c, line))
					end
					c:shutdown'w'
					assert.equal('', c:readall())
					c:close()
				end)
			end
			for _, result in ipairs(clients:wait()) do
				assert.is_true(result.ok, result.traceback)
			end
			wait_for_loads(server, 0)
			assert.is_true(server:stop(clock() + LIMIT))
			fails('connection_refused', socket.connect('127.0.0.1', port))
		end))

		it('serves other programs', case(function()
			local server, port = serve(of(kind, {threads = 2}))
			for _, command in ipairs{
				('sh -c "printf \'one\\ntwo\\n\' | timeout 20 nc -N 127.0.0.1 %d"'):format(port),
				([[timeout 20 python3 -c "
import socket
s = socket.create_connection(('127.0.0.1', %d))
s.sendall(b'one\ntwo\n')
s.shutdown(socket.SHUT_WR)
print(s.makefile().read(), end='')"]]):format(port),
			} do
				assert.equal('one\ntwo\n', output_of(command))
			end
			assert.is_true(server:stop(clock() + LIMIT))
		end))

		it('finishes what is open when it stops, and refuses others', case(function()
			local there, on = thread.channel(), thread.channel()
			local server, port = serve(of(kind, {threads = 2, handler = function(c)
				local line = c:readline()
				if not line then return end
				there:send(line)
				c:send(line .. ' has')
				on:recv()
				c:send' an answer\n'
			end}))
			local clients = {}
			for i = 1, 4 do
				clients[i] = connect(port)
				clients[i]:send(i .. '\n')
				there:recv()
			end
			local over = go(server.stop, server)
			spec.wait_until(function()
				local c, err = socket.connect('127.0.0.1', port)
				if c then c:close() end -- as yet, in the backlog
				return err == 'connection_refused'
			end)
			assert.is_false(over'?')
			wait_for_loads(server, 4)
			on:close()
			for i = 1, 4 do
				assert.equal(i .. ' has an answer', clients[i]:readline())
				assert.equal('', clients[i]:readall())
				clients[i]:close()
			end
			assert.is_true(over())
			assert.is_true(server:wait())
			assert.same({n = 1, true}, {n = select('#', server:stop()), true})
			assert.same({0, 0}, server:loads())
		end))

		it('cuts off what is open at the deadline, and earlier when told so later', case(function()
			for _, again in ipairs{false, true} do
				local server, port = serve(of(kind, {threads = 2}))
				local clients = {}
				for i = 1, 6 do
					clients[i] = connect(port)
					assert.equal('x', ask(clients[i], 'x'))
				end
				local start = clock()
				local over = again and go(server.stop, server, start + 1000)
				fails('timeout', server:stop(start + 0.05))
				assert.is_true(clock() >= start + 0.05)
				assert.is_true(clock() < start + 5)
				for _, c in ipairs(clients) do
					assert.equal('', c:readall())
					c:close()
				end
				if over then fails('timeout', over()) end
				fails('timeout', server:stop())
				assert.is_true(server:wait())
			end
		end))

		it('cancels the handlers that are left at the deadline, and gives them time to end', case(function()
			local ends = thread.channel()
			local server, port = serve(of(kind, {threads = 2, handler = function(c)
				ends:send'begun'
				local ok, err = socket.sleep(1000)
				socket.sleep(0.05)
				ends:send{ok, err, (select(2, c:send'x'))}
			end}))
			local clients = {}
			for i = 1, 3 do
				clients[i] = connect(port)
				assert.equal('begun', ends:recv())
			end
			fails('timeout', server:stop(clock() + 0.05))
			for _, c in ipairs(clients) do
				assert.same({nil, 'canceled', 'closed'}, ends:recv(clock() + LIMIT))
				c:close()
			end
		end))

		it('says nothing while nothing happens', function()
			local server, port, client
			run(function()
				server, port = serve(of(kind, {threads = 2}))
				client = connect(port)
				assert.equal('x', ask(client, 'x'))
				wait_for_loads(server, 1)
			end, LIMIT)
			local limit = clock() + 5
			while socket.poll(0.5) do -- the last that is new
				assert.is_true(clock() < limit)
			end
			client:close()
			run(function()
				assert.is_true(server:stop(clock() + LIMIT))
			end, LIMIT)
		end)

		it('that stops serves those whom only the system has accepted', case(function()
			local N = 30
			local ready, on, served = thread.channel(N), thread.channel(), thread.channel(N)
			local server, port = serve(of(kind, {threads = 2, handler = function(c)
				local line = c:readline()
				if line == 'compute' then -- so that its thread accepts nobody
					on:send(1)
					while ready:count() < 30 do end
				end
				if line then c:send(line .. '\n') end
			end}))
			local busy = {}
			for i = 1, 2 do
				busy[i] = connect(port)
				if kind.balance == 'reuseport' then
					busy[i]:send'compute\n'
					on:recv()
					break -- the other thread is nobody's to choose
				end
			end
			local client = thread.new(function()
				local all = {}
				for i = 1, N do
					all[i] = assert(socket.connect('127.0.0.1', port))
					ready:send(i)
				end
				for i = 1, N do
					all[i]:send(i .. '\n')
					served:send(all[i]:readline() or 'none')
					all[i]:close()
				end
			end)
			local limit = clock() + LIMIT
			while ready:count() < N and clock() < limit do end -- the loop has no turn
			local over = go(server.stop, server, clock() + LIMIT)
			for i = 1, N do assert.equal(tostring(i), served:recv()) end
			for _, c in ipairs(busy) do c:close() end
			client:join()
			assert.is_false(client:failed())
			assert.is_true(over())
		end))

		it('goes on when clients break off', case(function()
			local server, port = serve(of(kind, {threads = 2}))
			for i = 1, 20 do
				local c = connect(port)
				c:send(('x'):rep(1000)) -- no whole line
				if i % 2 == 0 then c:setopt('linger', 0) end
				c:close()
			end
			local c = connect(port)
			assert.equal('on', ask(c, 'on'))
			wait_for_loads(server, 1)
			c:close()
			assert.is_true(server:stop(clock() + LIMIT))
		end))

		it('reports an error of its handler, closes the connection and goes on', case(function()
			local errors = thread.channel()
			local word = 'clumsy'
			local server, port = serve(of(kind, {threads = 2, handler = function(c)
				for line in c:lines() do
					if line == 'error' then error{word} end
					c:send(line .. '\n')
				end
			end, onerror = function(_, err, trace)
				errors:send{err, trace}
			end}))
			local other = connect(port)
			for _ = 1, 4 do
				local c = connect(port)
				assert.equal('fine', ask(c, 'fine'))
				assert.is_nil((ask(c, 'error')))
				local report = errors:recv(clock() + LIMIT)
				assert.same({'clumsy'}, report[1])
				assert.matches('serve_spec.lua', report[2])
				c:close()
			end
			assert.equal('as ever', ask(other, 'as ever'))
			wait_for_loads(server, 1)
			other:close()
			assert.is_true(server:stop(clock() + LIMIT))
		end))
	end)
end

describe('socket.serve', function()
	it('raises for options of wrong types and values, and leaves nothing open', case(function()
		local function raises(pattern, o)
			local ok, err = pcall(socket.serve, o)
			assert.is_false(ok)
			assert.matches(pattern, err)
		end
		raises('table expected, got nil')
		raises('needs a handler', {port = 0})
		raises("'handler'.*got number", {port = 0, handler = 1})
		raises("'threads'.*got string", {port = 0, handler = echo, threads = '4'})
		for _, n in ipairs{0, -1, 1.5, 1/0, 0/0} do
			raises("'threads'.*whole number", {port = 0, handler = echo, threads = n})
		end
		raises("'balance'.*got boolean", {port = 0, handler = echo, balance = true})
		raises("'balance'.*'handoff' or 'reuseport'", {port = 0, handler = echo, balance = 'fair'})
		raises("'share_epoll'.*got number", {port = 0, handler = echo, share_epoll = 1})
		raises("'backlog'.*got string", {port = 0, handler = echo, backlog = '5'})
		raises("'onerror'.*got string", {port = 0, handler = echo, onerror = 'x'})
		raises('', {port = {}, handler = echo})
		raises('', {host = true, port = 0, handler = echo})
	end))

	spec.with('a system without reuseport', it, not spec.lacks'the option reuseport')(
		'refuses to balance by reuseport', case(function()
			local o = {port = 0, handler = echo, balance = 'reuseport'}
			spec.raises("'balance'.*no 'reuseport'", socket.serve, o)
		end))

	it('leaves nothing behind when the handler cannot be sent', case(function()
		local port = process.free_port()
		for _, balance in ipairs(balances) do
			local co = coroutine.create(print)
			local o = {host = '127.0.0.1', port = port, threads = 3, balance = balance,
				handler = function() return co end}
			local ok, err = pcall(socket.serve, o)
			assert.is_false(ok)
			assert.matches('cannot send a thread', err)
			fails('connection_refused', socket.connect('127.0.0.1', port))
			local _, s = spec.pair()
			o.handler = function() return s end -- which moves to the first state, and is missed by the second
			ok, err = pcall(socket.serve, o)
			assert.is_false(ok)
			assert.matches('closed tcp', err)
			fails('connection_refused', socket.connect('127.0.0.1', port))
		end
	end))

	it('fails where the address is in use, and leaves nothing behind', case(function()
		local l, port = spec.listener()
		local before, n = spec.fds(), spec.tasks() -- or less, as a thread from before may still be on its way out
		for _, balance in ipairs(balances) do
			fails('address_already_in_use', socket.serve{host = '127.0.0.1', port = port, handler = echo,
				balance = balance, threads = 4})
			assert.is_true(spec.fds() <= before)
			assert.is_true(spec.tasks() <= n)
		end
		l:close()
	end))

	it('takes a module for a handler', case(function()
		with_module([[
			local n = 0
			return function(c)
				n = n + 1
				c:send(n .. ' ' .. c:readline() .. '\n')
			end]], function(name)
			local server, port = serve{handler = name, threads = 2}
			for i = 1, 6 do
				local c = connect(port)
				assert.equal(math.ceil(i / 2) .. ' module', ask(c, 'module'))
				wait_for_loads(server, 0)
				c:close()
			end
			assert.is_true(server:stop(clock() + LIMIT))
		end)
	end))

	it('whose module is not there fails in all threads: wait() says so', case(function()
		for _, kind in ipairs(kinds) do
			local err
			local reported = 0
			local errors = unheard(function()
				local server, port = serve(of(kind, {handler = 'no.such.module', threads = 2,
					onerror = function() reported = reported + 1 end}))
				local _
				_, err = server:wait(clock() + LIMIT)
				assert.is_nil(_)
				assert.same({0, 0}, server:loads())
				fails('connection_refused', socket.connect('127.0.0.1', port))
				assert.is_nil((server:stop()))
			end)
			assert.matches("module 'no.such.module' not found", err)
			assert.equal(1, #errors)
			assert.equal(1, reported) -- the first; another was left then
		end
	end))

	it('whose module is not there has start() raise', function()
		local output, exit = script[[
		assert(socket.serve{host = '127.0.0.1', port = 0, threads = 1, handler = 'no.such.module'})
		local ok, err = pcall(socket.start)
		print(ok, err:match"module 'no.such.module' not found")
		print(socket.start())]]
		assert.equal("false\tmodule 'no.such.module' not found\ntrue\n", output)
		assert.equal(0, exit)
	end)

	it('gives the connections of a thread that failed to another', case(function()
		-- Who has the port and finds no file is the one; a file alone two can take at once on Windows.
		with_module(([[
			local taken, lock = dir .. '/taken', require'socket2'.tcp()
			local file = lock:listen('127.0.0.1', %d) and not io.open(taken) and io.open(taken, 'w')
			if file then
				file:close()
				repeat local go = io.open(dir .. '/go') until go
				error'no luck'
			end
			lock:close()
			return function(c)
				for line in c:lines() do c:send(line .. '\n') end
			end]]):format(process.free_port()), function(name, dir)
			local errors = {}
			assert.same({}, unheard(function()
				local server, port = serve{handler = name, threads = 2, onerror = function(_, err)
					errors[#errors + 1] = err
				end}
				local clients = {}
				for i = 1, 10 do clients[i] = connect(port) end
				local least
				spec.wait_until(function()
					local loads = server:loads()
					least = min(loads[1], loads[2])
					return loads[1] + loads[2] == 10
				end)
				assert.is_true(least >= 4)
				spec.wait_until(function() return lfs.attributes(dir .. '/taken') end)
				io.open(dir .. '/go', 'w'):close()
				for i, c in ipairs(clients) do
					assert.equal(tostring(i), ask(c, tostring(i)))
					c:close()
				end
				local _, err = server:stop(clock() + LIMIT)
				assert.matches('no luck', err)
			end))
			assert.equal(1, #errors)
			assert.matches('no luck', errors[1])
		end)
	end))

	it('keeps nothing of the connections that are over', case(function()
		local N = 50
		local server, port = serve{threads = 1, handler = function(c)
			served = served or setmetatable({}, {__mode = 'k'}) -- luacheck: ignore
			served[c] = true -- luacheck: ignore
			if c:readline() == 'count' then
				collectgarbage()
				collectgarbage()
				local n = 0
				for _ in pairs(served) do n = n + 1 end -- luacheck: ignore
				c:send(n .. '\n')
			end
		end}
		for _ = 1, N do
			local c = connect(port)
			c:send'x\n'
			assert.equal('', c:readall())
			c:close()
		end
		local c = connect(port)
		local n = tonumber(ask(c, 'count'))
		assert.is_true(n >= 1 and n < N / 2, n) -- some are what old slots of a stack still show to the collector
		c:close()
		assert.is_true(server:stop(clock() + LIMIT))
	end))

	it('writes errors of handlers to stderr', function()
		local output, exit = script[[
		local server = assert(socket.serve{host = '127.0.0.1', port = 0, threads = 1,
			handler = function(c) error('broken ' .. c:readline()) end})
		socket.newthread(function()
			local c = assert(socket.connect('127.0.0.1', server:addr():port()))
			c:send'egg\n'
			print(c:readall() == '', (server:stop()))
		end)
		print(socket.start())]]
		assert.matches('socket2.serve: [^\n]*broken egg', output)
		assert.matches('true\ttrue\ntrue\n', output) -- Wine has what goes to stderr after it
		assert.equal(0, exit)
	end)

	it('hands connections over to who has the fewest', function()
		run(function()
			local server, port = serve{}
			local clients = {}
			local function open(n)
				for _ = 1, n do
					local c = connect(port)
					clients[#clients + 1] = c
				end
			end
			local function is_even(n)
				local loads = wait_for_loads(server, n)
				local most, least = max(unpack(loads)), min(unpack(loads))
				assert.is_true(most / least <= 1.3, table.concat(loads, ' '))
			end
			open(200)
			is_even(200)
			for i = 1, 100 do
				table.remove(clients, #clients - floor(i * i / 200)):close() -- in no pattern
			end
			wait_for_loads(server, 100)
			open(100)
			is_even(200)
			for i, c in ipairs(clients) do
				assert.equal('c' .. i, ask(c, 'c' .. i))
				c:close()
			end
			assert.is_true(server:stop(clock() + LIMIT))
		end, 60)
	end)

	spec.with('the option reuseport', it)('has the system spread connections by reuseport', function()
		run(function()
			local server, port = serve{balance = 'reuseport'}
			local clients = {}
			for i = 1, 200 do clients[i] = connect(port) end
			for _, load in ipairs(wait_for_loads(server, 200)) do
				assert.is_true(load > 0)
			end
			for _, c in ipairs(clients) do c:close() end
			wait_for_loads(server, 0)
			assert.is_true(server:stop(clock() + LIMIT))
		end, 60)
	end)

	it('has several servers in one process, which know nothing of each other', case(function()
		local servers, clients = {}, {}
		for i, kind in ipairs(kinds) do
			local name = 'server ' .. i
			local server, port = serve(of(kind, {threads = 2, handler = function(c)
				c:send(name .. ' ' .. c:readline() .. '\n')
				c:readall()
			end}))
			servers[i], clients[i] = server, connect(port)
		end
		for i, c in ipairs(clients) do
			assert.equal(('server %d x'):format(i), ask(c, 'x'))
		end
		for i, server in ipairs(servers) do
			assert.same(1, sum(wait_for_loads(server, 1)))
			clients[i]:close()
			assert.is_true(server:stop(clock() + LIMIT))
		end
	end))

	local with_poller = spec.with('a poller for several loops', it, not poller())
	with_poller('has its threads on the one of this loop when told to', case(function()
		for _, kind in ipairs(kinds) do
			local server, port = serve(of(kind, {threads = 1, handler = function(c)
				c:send(poller() .. '\n')
			end}))
			local c = connect(port)
			local own = tostring(poller())
			assert.equal(kind.share_epoll, own == c:readline())
			c:close()
			assert.is_true(server:stop(clock() + LIMIT))
		end
	end))

	it('wait() has a deadline', case(function()
		local server = serve{threads = 1}
		fails('timeout', server:wait(clock() + 0.01))
		fails('timeout', server:wait(0))
		assert.has_error(function() server:stop{} end)
		assert.is_true(server:stop())
	end))

	it('hands over all whom the system has accepted before its threads stop', case(function()
		local N = 20
		local connected, results = thread.channel(N), thread.channel(N)
		local server, port = serve{threads = 1}
		local client = thread.new(function()
			local all = {}
			for i = 1, N do
				all[i] = assert(socket.connect('127.0.0.1', port))
				connected:send(i)
			end
			for i = 1, N do
				all[i]:send(i .. '\n')
				results:send(all[i]:readline() or 'none')
				all[i]:close()
			end
		end)
		local limit = clock() + LIMIT
		while connected:count() < N and clock() < limit do end -- the loop has no turn
		local over = go(server.stop, server, clock() + LIMIT)
		limit = clock() + 0.1
		while clock() < limit do end -- time for a thread that has nobody to end
		for i = 1, N do assert.equal(tostring(i), results:recv()) end
		assert.is_true(over())
		client:join()
		assert.is_false(client:failed())
	end))

	it('stops without what handlers have left behind', case(function()
		local ch = thread.channel()
		local server, port = serve{threads = 1, handler = function(c)
			socket.runevery(0.001, function() end)
			socket.newthread(function() socket.sleep(1000) end)
			socket.newthread(function() ch:recv() end)
			c:send'x'
		end}
		local c = connect(port)
		assert.equal('x', c:readall())
		assert.is_true(server:stop())
		ch:send'y' -- nobody has it
		assert.equal('y', ch:recv())
	end))

	it('is over when its starter fetches the results late', case(function()
		local server = serve{threads = 4}
		local over = go(server.stop, server)
		local limit = clock() + 0.1
		spec.turn()
		while clock() < limit do end -- what is sent meanwhile has to wait
		assert.is_true(over())
	end))

	it('ends with the state that started it', function()
		spec.run(function()
			local before, n = spec.fds(), spec.tasks()
			for _, ending in ipairs{'error', 'return'} do
				local t = assert(thread.new(function(how)
					local one = socket.serve{handler = print, host = '127.0.0.1', threads = 3}
					assert(one)
					if how == 'error' then error'the end' end
					socket.stop()
				end, ending))
				t:join()
			end
			spec.wait_until(function() return spec.fds() <= before and spec.tasks() <= n end)
		end, 30)
	end)

	it('leaves nothing behind, also when it is started again and again on one port', case(function()
		local as_before = counts()
		local port = process.free_port()
		for i = 1, 5 do
			for _, kind in ipairs(kinds) do
				local server = serve(of(kind, {port = port, threads = 3}))
				local clients = {}
				for k = 1, 6 do
					clients[k] = connect(port)
					if k % 2 == 0 then assert.equal('x', ask(clients[k], 'x')) end
				end
				if i % 2 == 0 then
					fails('timeout', server:stop(0))
				end
				for _, c in ipairs(clients) do
					c:setopt('linger', 0) -- no port in TIME_WAIT
					c:close()
				end
				if i % 2 == 1 then
					assert.is_true(server:stop(clock() + LIMIT))
				end
				as_before()
			end
		end
	end))

	it('is stopped in time by stop() though a handler computes', function()
		local output, exit = script[[
		local server = assert(socket.serve{host = '127.0.0.1', port = 0, threads = 2,
			handler = function(c)
				if c:readline() == 'compute' then
					c:send'now\n'
					while true do end
				end
				c:send'served\n'
				c:readline()
			end})
		local port = server:addr():port()
		local function ask(line)
			local c = assert(socket.connect('127.0.0.1', port))
			c:send(line .. '\n')
			return c, c:readline()
		end
		socket.newthread(function()
			local first, a = ask'compute'
			local second, b = ask'serve'
			local start = socket.clock()
			local ok, err = server:stop(start + 0.1)
			local time = socket.clock() - start
			print(a, b, ok, err, time >= 0.1 and time < 10, second:readall() == '')
			print(socket.connect('127.0.0.1', port))
			os.exit(3)
		end)
		socket.start()]]
		assert.matches('^now\tserved\tnil\ttimeout\ttrue\ttrue\nnil\tconnection_refused', output)
		assert.equal(3, exit)
	end)
end)

describe('a process that serves', function()
	-- Clients in states of their own; count() is how many answers they have had.
	local LOAD = [[
	local count = thread.channel(1/0)
	local server = assert(socket.serve{host = '127.0.0.1', port = 0, threads = 4, handler = echo,
		balance = BALANCE, share_epoll = SHARE})
	local port = server:addr():port()
	for i = 1, 2 do
		thread.new(function()
			for k = 1, 8 do
				socket.newthread(function()
					while true do
						local c = assert(socket.connect('127.0.0.1', port))
						for n = 1, 10 do
							c:send(n .. '\n')
							assert(c:readline() == tostring(n))
							count:send(n)
						end
						c:close()
					end
				end)
			end
		end)
	end
	]]

	local function load(kind)
		return LOAD:gsub('BALANCE', ('%q'):format(kind.balance)):gsub('SHARE', tostring(kind.share_epoll))
	end

	it('ends by os.exit() under load, with its status', function()
		for i = 1, 20 do
			local output, exit = ended(load(kinds[i % #kinds + 1]) .. ([[
			socket.newthread(function()
				while count:count() < 50 * %d do socket.sleep(0.001) end
				io.write'end'
				io.flush()
				os.exit(%d%s)
			end)
			socket.start()]]):format(i % 5 + 1, i, i % 2 == 0 and ', true' or ''))
			assert.same({'end', i}, {output, exit})
		end
	end)

	it('ends by an error under load', function()
		for i = 1, 8 do
			local output, exit = ended(load(kinds[i % #kinds + 1]) .. [[
			socket.newthread(function()
				while count:count() < 100 do socket.sleep(0.001) end
				error'the end'
			end)
			socket.start()]])
			assert.matches('the end', output)
			assert.equal(1, exit)
		end
	end)

	it('serves on when a client is killed', case(function()
		local server, port = serve{threads = 2}
		for _ = 1, 4 do
			assert.equal('line\n', output_of(([[timeout 20 python3 -c "
import os, signal, socket
all = [socket.create_connection(('127.0.0.1', %d)) for i in range(10)]
for s in all: s.sendall(b'line\nhalf')
print(all[9].makefile().readline(), end='', flush=True)
os.kill(os.getpid(), signal.SIGKILL)"]]):format(port)))
			wait_for_loads(server, 0)
		end
		local c = connect(port)
		assert.equal('on', ask(c, 'on'))
		c:close()
		assert.is_true(server:stop(clock() + LIMIT))
	end))
end)

describe('a state that is closed', function()
	it('with operations pending leaves no descriptor behind', case(function()
		local ch = thread.channel(0)
		local as_before = counts()
		for _ = 1, 5 do
			local threads = {}
			for i = 1, 10 do
				threads[i] = assert(thread.new(function(n)
					if n then assert(poller(n)) end
					local l = assert(socket.tcp())
					assert(l:listen('127.0.0.1', 0))
					socket.newthread(function() l:accept() end)
					local c = assert(socket.connect(l:localaddr()))
					socket.newthread(function() c:recv(require'ffi'.new'char[1]', 1) end)
					socket.newthread(function() c:send(('x'):rep(2^24)) end)
					socket.newthread(function() socket.udp():recv(require'ffi'.new'char[1]', 1) end)
					socket.newthread(function() ch:recv() end)
					socket.newthread(function() ch:send(i) end)
					socket.newthread(function() socket.sleep(1000) end)
					socket.runevery(0.001, function() end)
					socket.sleep(0.003)
					if i % 2 == 0 then error'the end' end
					socket.stop()
				end, i % 3 > 0 and poller() or nil))
			end
			for i = 1, 10 do
				local _, err = threads[i]:join(clock() + LIMIT)
				assert.equal(i % 2 == 0, threads[i]:failed(), err)
			end
		end
		as_before()
	end))
end)
