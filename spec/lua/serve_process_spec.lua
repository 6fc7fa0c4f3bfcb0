-- What ends while it serves: a process, a state.

local socket = require'socket2'
local thread = require'socket2.thread'
local serving = require'serving'
local spec = require'spec'

local clock = socket.clock
local LIMIT, serve, connect, ask, wait_for_loads, counts, poller, case, output_of, script, kinds =
	serving.LIMIT, serving.serve, serving.connect, serving.ask, serving.wait_for_loads, serving.counts,
	serving.poller, serving.case, serving.output_of, serving.script, serving.kinds

-- ended(code) -> output, exit code: like script(), for a process that ends in the middle of it all. In Wine
-- one of 20 hangs or complains, whatever the program: the threads that Wine ends can hold its own locks.
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
