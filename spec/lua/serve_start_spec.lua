-- socket.serve{}: its options, its handlers, and what fails.

local lfs = require'lfs'
local socket = require'socket2'
local process = require'process'
local serving = require'serving'
local spec = require'spec'

local fails, clock = spec.fails, socket.clock
local min = math.min
local LIMIT, echo, serve, connect, ask, wait_for_loads =
	serving.LIMIT, serving.echo, serving.serve, serving.connect, serving.ask, serving.wait_for_loads
local case, script, balances, kinds, of =
	serving.case, serving.script, serving.balances, serving.kinds, serving.of

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
		local before, n = spec.fds(), spec.tasks() -- or less: an earlier thread may still be ending
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
		-- The state that gets the port and finds no file is the one. On Windows two can take a mere file at once.
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
end)
