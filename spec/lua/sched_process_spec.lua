-- What a whole process does.

local threads = require'threads'
local spec = require'spec'

local elapsed = threads.elapsed

describe('a process', function()
	local script_start = [[
		local socket, ffi = require'socket2', require'ffi'
		local buf = ffi.new'char[16]'
		local s = assert(socket.udp())
		assert(s:bind('127.0.0.1', 0))
		local to = s:localaddr()
	]]

	local loops = {
		['waits'] = 'socket.newthread(s.recv, s, buf, 16)',
		['polls again and again'] = [[
			socket.newthread(s.recv, s, buf, 16)
			socket.start = function(timeout)
				local over = timeout and socket.clock() + timeout or 1/0
				while socket.clock() < over do socket.poll(0.0001) end
			end
		]],
		['has events all the time'] = [[
			for _ = 1, 2 do
				socket.newthread(function()
					local t = assert(socket.udp())
					assert(t:bind('127.0.0.1', 0))
					socket.newthread(function()
						while true do
							t:recv(ffi.new'char[16]', 16)
							t:send('x', t:localaddr())
						end
					end)
					t:send('x', t:localaddr())
				end)
			end
		]],
		['never rests'] = [[
			socket.newthread(function()
				while true do
					s:send('x', to)
					s:recv(buf, 16)
				end
			end)
		]],
	}
	spec.with('signals', spec.group)('ends promptly by SIGINT', function()
		for name, source in pairs(loops) do
			it('ends promptly by SIGINT when its loop ' .. name, function()
				local p = spec.luajit_start(script_start .. [[
					ffi.cdef'int getpid(void);'
					]] .. source .. [[

					socket.start(0.2)
					print(ffi.C.getpid())
					io.stdout:flush()
					socket.start()
				]], 'timeout -s KILL 10')
				local pid = p:read'*l'
				assert.matches('^%d+$', pid)
				local t = elapsed(function()
					os.execute('kill -INT ' .. pid)
					local output, code = spec.luajit_end(p)
					assert.matches('interrupted!', output)
					assert.equal(1, code)
				end)
				assert.is_true(t < 5, t .. ' s')
			end)
		end
	end)

	for name, ending in pairs{
		['its script ends'] = '',
		['os.exit'] = 'os.exit()',
		['os.exit that closes the state'] = 'os.exit(0, true)',
	} do
		it('ends quietly with open sockets and pending operations by ' .. name, function()
			local output, code = spec.luajit(script_start .. [[
				local l = assert(socket.tcp())
				assert(l:listen('127.0.0.1', 0))
				socket.newthread(function() l:accept() end)
				socket.newthread(function()
					local c = assert(socket.tcp())
					assert(c:connect(l:localaddr()))
					socket.newthread(function() c:send(('x'):rep(2^24)) end)
					c:recv(buf, 16)
				end)
				socket.newthread(function() s:recv(buf, 16, '127.0.0.1', 9) end)
				socket.poll(0)
			]] .. ending, 'timeout 20')
			assert.equal('', output)
			assert.equal(0, code)
		end)
	end

	it('ends with the error that a thread raised', function()
		local output, code = spec.luajit(script_start .. [[
			socket.newthread(function() error'out of luck' end)
			socket.start()
		]], 'timeout 20')
		assert.matches('out of luck\nstack traceback:', output)
		assert.equal(1, code)
	end)

	it('may load socket2 in a coroutine that is gone later', function()
		for _, wrap in ipairs{'coroutine.wrap', "require'coro'.wrap"} do
			local output, code = spec.luajit(wrap .. [[(function() require'socket2' end)()
				collectgarbage()
				collectgarbage()
			]] .. script_start .. [[
				socket.newthread(function() print(s:recv(buf, 16)) end)
				socket.newthread(function() s:send('hello', to) end)
				print(socket.start(5))
			]], 'timeout 20')
			assert.matches('^5\t127.0.0.1:%d+\ntrue\n$', output)
			assert.equal(0, code)
		end
	end)

	it('is told where the library was looked for', function()
		local output, code = spec.luajit("require'socket2'", 'SOCKET2_LIB=/no/such/library.so.0')
		assert.matches('/no/such/library%.so%.0', output)
		assert.matches('SOCKET2_LIB', output)
		assert.equal(1, code)
	end)
end)
