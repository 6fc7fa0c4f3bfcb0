-- socket.serve{}: waiting for it, and its end.

local socket = require'socket2'
local thread = require'socket2.thread'
local process = require'process'
local serving = require'serving'
local spec = require'spec'

local fails, go, clock = spec.fails, spec.go, socket.clock
local LIMIT, serve, connect, ask, counts, case, script, kinds, of =
	serving.LIMIT, serving.serve, serving.connect, serving.ask, serving.counts, serving.case, serving.script,
	serving.kinds, serving.of

describe('socket.serve', function()
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
