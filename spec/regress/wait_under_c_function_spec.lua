-- I/O that has to wait inside a callback of a C function cannot yield. It left its operation behind with
-- memory that nobody held, and the event woke the thread in its next wait.

local ffi = require'ffi'
local coro = require'coro'
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

	it('leaves its memory to the operation when something else resumes it', function()
		local s, weak = bound(), setmetatable({}, {__mode = 'v'})
		local function left()
			collectgarbage()
			collectgarbage()
			return weak.buffer ~= nil
		end
		coro.transfer(socket.newthread(function()
			pcall(function()
				local buf = spec.buffer(1000)
				weak.buffer = buf
				s:recv(buf, 1000)
			end)
		end))
		assert.is_true(left())
		assert.is_true(socket.start(10)) -- the operation is over
		assert.is_false(left())
		s:close()
	end)

	it('has nothing buffered when it was closed before something else resumed it', function()
		local a, b = spec.run(spec.pair)
		local err
		local thread = socket.newthread(function()
			err = select(2, pcall(a.readline, a))
		end)
		spec.run(function()
			b:send'no end of a line'
			spec.wait_until(function() return a:buffered() > 0 end)
		end)
		a:close()
		coro.transfer(thread, 7)
		assert.matches('resumed by something else', err, 1, true)
		assert.equal(0, a:buffered())
		assert.is_true(socket.start(10))
		assert.equal(0, a:buffered())
		b:close()
	end)

	it('that lets others have a turn raises, too, and is not resumed again', function()
		local turn = require'socket2.run.sched'.turn
		local ok, err
		local thread = socket.newthread(function() ok, err = pcall(turn) end)
		coro.transfer(thread, 7)
		assert.is_false(ok)
		assert.matches('resumed by something else', err, 1, true)
		assert.is_true(socket.start(10))
	end)
end)
