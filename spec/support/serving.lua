-- What the specs of socket.serve{} share: servers, clients, and checks that nothing is left behind.

local socket = require'socket2'
local thread = require'socket2.thread'
local process = require'process'
local spec = require'spec'

local clock = socket.clock

local LIMIT = 30 -- seconds for a case

-- echo(c): a handler; it and all that it refers to can be sent to other states.
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

-- connect(port) -> tcp
local function connect(port)
	return assert(socket.connect('127.0.0.1', port, clock() + LIMIT))
end

-- ask(c, line) -> the line that the server answers
local function ask(c, line)
	assert(c:send(line .. '\n'))
	return c:readline(nil, clock() + LIMIT)
end

-- sum(loads) -> number of connections
local function sum(loads)
	local n = 0
	for _, load in ipairs(loads) do n = n + load end
	return n
end

-- wait_for_loads(server, n) -> loads: waits until it has n connections.
local function wait_for_loads(server, n)
	spec.wait_until(function() return sum(server:loads()) == n end)
	return server:loads()
end

-- counts() -> function that waits until there are as many descriptors and threads as there are when counts()
-- is called
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

-- poller([n]) -> number: the epoll or the completion port of this loop; with n the loop is set to that one.
local function poller(n)
	return socket.epoll_fd(n) or socket.iocp(n)
end

-- case(f) -> function: a test's body that runs in a socket thread and has to leave nothing behind.
local function case(f)
	return function()
		spec.run(function()
			-- Makes what the first thread makes, and what the first thread on a poller makes.
			thread.new(function(n) assert(poller(n)) end, poller()):join()
			local as_before = counts()
			f()
			as_before()
		end, LIMIT)
	end
end

-- output_of(command) -> the output of another program, while the loop goes on.
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

-- script(code, [seconds]) -> output, exit code: runs code in a separate process.
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

-- The balances that the system has.
local balances = {'handoff', not spec.lacks'the option reuseport' and 'reuseport' or nil}

-- The options and the name of each kind.
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

return {
	LIMIT = LIMIT, echo = echo, serve = serve, connect = connect, ask = ask, sum = sum,
	wait_for_loads = wait_for_loads, counts = counts, poller = poller, case = case,
	output_of = output_of, script = script, balances = balances, kinds = kinds, of = of,
}
