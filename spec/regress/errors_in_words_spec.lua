-- An error's code had a message in C alone, and the system's own code could be asked for in C alone, where
-- the events of others that came in the same batch overwrote it.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

local C = require'socket2.lib'.C
local fails, raises = spec.fails, spec.raises

describe('socket.strerror', function()
	it('gives the message and the word of each code', function()
		for code = -200, -2 do
			local message, word = socket.strerror(code)
			assert.equal(ffi.string(C.socket2_error_message(code)), message)
			assert.equal(ffi.string(C.socket2_error_name(code)), word)
		end
		local message, word = socket.strerror(select(3, socket.tcp'nope'))
		assert.equal('address_family_not_supported', word)
		assert.matches('family', message)
	end)

	it('knows what is no code', function()
		for _, code in ipairs{1, -1, -2.5, 0/0, 1/0, -1/0, -2^31, 2^53, -1000} do
			assert.equal('unknown_error', select(2, socket.strerror(code)))
		end
		raises('number expected, got string', socket.strerror, 'timeout')
	end)
end)

describe('socket.os_error', function()
	it('is the code of what failed at once, and 0 for errors of our own', function()
		local s = assert(socket.udp())
		assert(s:bind('127.0.0.1', 0))
		local other = assert(socket.udp())
		fails('address_already_in_use', other:bind(s:localaddr()))
		assert.is_true(socket.os_error() > 0)
		fails('address_family_not_supported', other:bind(assert(socket.addr('::1', 0, 'udp', 'inet6'))))
		assert.equal(0, socket.os_error())
		s:close()
		other:close()
	end)

	-- Connects to a dead port and a recv that times out end in one batch: each thread has its own code.
	it('is that of the thread that asks, whoever else had an event', function()
		local l, port = spec.listener()
		l:close()
		local codes, done = {}, 0
		for i = 1, 4 do
			socket.newthread(function()
				if i % 2 == 0 then
					local s = assert(socket.tcp())
					fails('connection_refused', s:connect(socket.addr('127.0.0.1', port)))
				else
					local s = assert(socket.udp())
					assert(s:bind('127.0.0.1', 0))
					fails('timeout', s:recv(spec.buffer(1), 1, socket.clock() + 0.02))
				end
				codes[i] = socket.os_error()
				done = done + 1
			end)
		end
		local busy = socket.clock() + 0.05
		repeat until socket.clock() > busy -- so that all of it is there at the next poll
		spec.poll_until(function() return done == 4 end)
		assert.is_true(codes[2] > 0)
		assert.same({0, codes[2], 0, codes[2]}, codes)
	end)
end)
