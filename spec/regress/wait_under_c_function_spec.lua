-- I/O that has to wait inside a callback of a C function cannot yield. It left its operation behind with
-- memory that nobody held, and the event woke the thread in its next wait.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

local function bound()
	local s = assert(socket.udp())
	assert(s:bind('127.0.0.1', 0))
	return s
end

describe('I/O that waits inside a callback of a C function', function()

	it('raises, keeps its buffer, and lets later waits get their own events', function()
		spec.run(function()
			local a, b, sender = bound(), bound(), bound()
			local ok, err = pcall(string.gsub, 'x', 'x', function()
				a:recv(ffi.new('char[?]', 4000), 4000)
			end)
			assert.is_false(ok)
			assert.matches('I/O cannot wait here', err, 1, true)

			-- memory that would lie where the buffer was
			collectgarbage() collectgarbage()
			local strings = {}
			for i = 1, 2000 do strings[i] = ('y'):rep(3900) .. i end
			assert(sender:send(('Z'):rep(4000), a:localaddr()))
			socket.newthread(function()
				spec.turn()
				assert(sender:send('for b', b:localaddr()))
			end)

			local buf = spec.buffer(10)
			local n, from = assert(b:recv(buf, 10))
			assert.equal('for b', ffi.string(buf, n))
			assert.equal(tostring(sender:localaddr()), tostring(from))
			for i = 1, 2000 do
				assert.equal(('y'):rep(3900) .. i, strings[i])
			end
		end)
	end)
end)

describe('a thread that waits for I/O', function()

	it('raises when something else resumes it, and the loop goes on', function()
		local coro = require'coro'
		local s = bound()
		local ok, err
		local thread = socket.newthread(function()
			ok, err = pcall(s.recv, s, spec.buffer(10), 10)
		end)
		coro.transfer(thread, 7)
		assert.is_false(ok)
		assert.matches('resumed by something else', err, 1, true)
		s:close()
		assert.is_true(socket.start(10))
	end)
end)
