-- socket.serve outlives what happens to one connection: one that a thread cannot take over, that cannot be
-- accepted, handed over, or have a thread of its own is closed and reported, and the others are served.

local lfs = require'lfs'
local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

local clock = socket.clock
local LIMIT = 20

-- The handler, an echo, of a module; `slips` of its state's modules fail where a connection says so.
local SOURCE = [[
local C = require'socket2.lib'.C
local function once(f, at, failing)
	local n = 0
	return function(...)
		n = n + 1
		if n == at then return failing(...) end
		return f(...)
	end
end
local function raising() error'no memory' end
%s
return function(c)
	for line in c:lines() do c:send(line .. '\n') end
end]]

local SLIPS = {
	['that cannot be taken over'] = [[
		local cargo = require'socket2.net.socket'
		cargo.of_handle = once(cargo.of_handle, 2, function(h)
			C.socket2_socket_close(require'socket2.run.sched'.loop, h)
			raising()
		end)]],
	['whose thread cannot be started'] = [[
		local threads = require'socket2.run.threads'
		threads.newthread = once(threads.newthread, FIRST + 2, raising)]],
	['whose handler fails to begin'] = [[
		local threads = require'socket2.run.threads'
		local newthread = threads.newthread
		threads.newthread = once(newthread, FIRST + 2, function() newthread(raising) error'no memory' end)]],
}

describe('socket.serve goes on', function()
	local dir, path

	before_each(function()
		dir, path = os.tmpname(), package.path
		os.remove(dir)
		assert(lfs.mkdir(dir))
		package.path = dir .. '/?.lua;' .. path
	end)

	after_each(function()
		package.path = path
		os.remove(dir .. '/served.lua')
		lfs.rmdir(dir)
	end)

	-- A server, of one thread unless told otherwise, to which connections come one after the other; a channel
	-- of what it reports.
	local function serve(slip, balance, threads)
		local file = assert(io.open(dir .. '/served.lua', 'w'))
		file:write((SOURCE:format(slip:gsub('FIRST', balance == 'reuseport' and '2' or '1'))))
		file:close()
		local errors = thread.channel()
		return assert(socket.serve{handler = 'served', host = '127.0.0.1', port = 0,
			threads = threads or 1, balance = balance, onerror = function(_, err) errors:send(err) end}), errors
	end

	local function ask(c, line)
		c:send(line .. '\n')
		return c:readline(nil, clock() + LIMIT)
	end

	-- The second of three connections is lost, closed and reported.
	local function loses_one(server, errors, what)
		local clients = {}
		for i = 1, 3 do
			clients[i] = assert(socket.connect(server:addr()))
			if i == 2 then
				assert.matches(what, errors:recv(clock() + LIMIT))
				assert.is_nil((ask(clients[i], 'x')))
			else
				assert.equal('x' .. i, ask(clients[i], 'x' .. i))
			end
		end
		assert.equal('again', ask(clients[1], 'again'))
		spec.wait_until(function() return server:loads()[1] == 2 end)
		for _, c in ipairs(clients) do c:close() end
		assert.is_true(server:stop(clock() + LIMIT))
	end

	for what, slip in pairs(SLIPS) do
		it('after one ' .. what, spec.threaded(function()
			local server, errors = serve(slip)
			loses_one(server, errors, 'no memory')
		end))
	end

	it('after one that cannot be handed over', spec.threaded(function()
		local server, errors = serve''
		local control = server.workers[1].control
		local channel = getmetatable(control)
		local n, send = 0, channel.send
		function channel.send(self, message, ...)
			if self == control and message[1] == 'serve' then
				n = n + 1
				if n == 2 then
					return nil, 'out_of_memory'
				end
			end
			return send(self, message, ...)
		end
		local ok, err = pcall(loses_one, server, errors, 'out_of_memory')
		channel.send = send
		assert(ok, err)
	end))

	-- Each of these is served, by whichever thread is left.
	it('with another thread, after one that takes no more', spec.threaded(function()
		local server = serve('', nil, 2)
		local control = server.workers[1].control
		local channel = getmetatable(control)
		local closed, send = false, channel.send
		function channel.send(self, message, ...)
			if self == control and message[1] == 'serve' and not closed then
				closed = control:close() -- before the server knows that the thread has ended
			end
			return send(self, message, ...)
		end
		local ok, err = pcall(function()
			for i = 1, 6 do
				local c = assert(socket.connect(server:addr()))
				assert.equal('x' .. i, ask(c, 'x' .. i))
				c:close()
			end
			assert.is_true(closed)
			assert.is_true(server:stop(clock() + LIMIT))
		end)
		channel.send = send
		assert(ok, err)
	end))

	-- accept() that raises: the next one has the connection.
	it('after an accept() that raises', spec.threaded(function()
		local server, errors = serve''
		local tcp = require'socket2.net.tcp'
		local accept, n = tcp.accept, 0
		function tcp.accept(...)
			n = n + 1
			if n == 1 then error'no memory' end
			return accept(...)
		end
		local ok, err = pcall(function()
			for i = 1, 3 do
				local c = assert(socket.connect(server:addr()))
				assert.equal('x', ask(c, 'x'))
				if i == 2 then assert.matches('no memory', errors:recv(clock() + LIMIT)) end
				c:close()
			end
			assert.is_true(server:stop(clock() + LIMIT))
		end)
		tcp.accept = accept
		assert(ok, err)
	end))
end)
