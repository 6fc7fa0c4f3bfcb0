-- Servers of several OS threads, of each kind.

local socket = require'socket2'
local thread = require'socket2.thread'
local serving = require'serving'
local spec = require'spec'

local fails, run, go, clock = spec.fails, spec.run, spec.go, socket.clock
local LIMIT, serve, connect, ask, wait_for_loads, case, output_of, kinds, of =
	serving.LIMIT, serving.serve, serving.connect, serving.ask, serving.wait_for_loads, serving.case,
	serving.output_of, serving.kinds, serving.of

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
				assert.matches('serve_kinds_spec.lua', report[2])
				c:close()
			end
			assert.equal('as ever', ask(other, 'as ever'))
			wait_for_loads(server, 1)
			other:close()
			assert.is_true(server:stop(clock() + LIMIT))
		end))
	end)
end
