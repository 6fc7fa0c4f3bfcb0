-- Loops of several Lua states on one completion port: socket.iocp(handle).

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

local run, clock, fails = spec.run, socket.clock, spec.fails

local LIMIT = 30 -- seconds, of a case

if not socket.iocp() then
	describe('iocp', function()
		it('is not of this system', function()
			fails('not_supported', socket.iocp())
			fails('not_supported', socket.iocp(1))
			assert.has_error(function() socket.iocp'1' end)
		end)
	end)
	return
end

describe('iocp', function()
	it('is a handle, which the loop can be set to again', function()
		local handle = socket.iocp()
		assert.equal('number', type(handle))
		assert.equal(handle, socket.iocp(handle))
	end)

	it('is there in place of an epoll', function()
		fails('not_supported', socket.epoll_fd())
		fails('not_supported', socket.epoll_fd(0))
	end)

	it('takes nothing but completion ports', function()
		local s = assert(socket.udp())
		fails('busy', socket.iocp(socket.iocp() + 1))
		s:close()
		fails('invalid_argument', socket.iocp(0))
		fails('invalid_argument', socket.iocp(-1))
		assert.has_error(function() socket.iocp'1' end)
	end)

	it('is shared by states, of which each gets what is its own', function()
		run(function()
			local STATES, ROUNDS = 3, 60
			local handle = socket.iocp()
			local ports, go_on = thread.channel(STATES), thread.channel(STATES)
			local threads = {}
			for i = 1, STATES do
				threads[i] = assert(thread.new(function()
					assert(socket.iocp(handle) == handle)
					local l = assert(socket.tcp())
					assert(l:listen('127.0.0.1', 0))
					socket.newthread(function()
						local c = assert(l:accept())
						local buf = require'ffi'.new'char[64]'
						repeat
							local n = c:recv(buf, 64)
						until not n or n == 0 or not c:send(buf, n)
						c:close()
						l:close()
					end)
					ports:send{i, l:localaddr():port()}
					local all = go_on:recv()
					local c = assert(socket.connect('127.0.0.1', all[i % STATES + 1], socket.clock() + 20))
					local same = 0
					for k = 1, ROUNDS do
						local s = ('%d:%d'):format(i, k)
						assert(c:send(s))
						if c:read(#s, socket.clock() + 20) == s then same = same + 1 end
					end
					c:close()
					return same
				end))
			end
			local all = {}
			for _ = 1, STATES do
				local m = ports:recv()
				all[m[1]] = m[2]
			end
			for _ = 1, STATES do go_on:send(all) end
			for _, t in ipairs(threads) do
				assert.equal(ROUNDS, (t:join(clock() + LIMIT)))
				assert.is_false(t:failed())
			end
		end, LIMIT)
	end)
end)
