-- A length in place of a time, readline(nil, 5), was a moment soon after the machine had started: every
-- operation timed out at once.

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

-- A positive time that no clock of this process has shown.
local LENGTH = 1e-3

local function refuses(f, ...)
	spec.raises('socket%.clock%(%) %+ 0%.001', f, ...)
end

describe('expires before the library was loaded', function()

	it('raises in every operation', spec.threaded(function()
		local c, s = spec.pair()
		refuses(c.readline, c, nil, LENGTH)
		refuses(c.recv, c, spec.buffer(9), 9, LENGTH)
		refuses(c.send, c, 'x', nil, LENGTH)
		refuses(c.wait, c, 'r', LENGTH)
		refuses(socket.event().wait, socket.event(), LENGTH)
		refuses(socket.queue(1).pop, socket.queue(1), LENGTH)
		refuses(socket.deadline, LENGTH, function() end)
		refuses(socket.sleep_until, LENGTH)
		refuses(socket.connect, '127.0.0.1', 1, LENGTH)
		refuses(socket.addr, 'localhost', 1, nil, nil, nil, nil, LENGTH)
		assert(c:send'line\n') -- nothing has happened to them
		assert.equal('line', s:readline())
		c:close()
		s:close()
	end))

	it('is "at once" when it is 0 or less', spec.threaded(function()
		local c, s = spec.pair()
		for _, time in ipairs{0, -1, -1/0} do
			spec.fails('timeout', c:readline(nil, time))
			assert.is_true(socket.sleep_until(time))
			assert.is_true(socket.sleep(time))
		end
		c:close()
		s:close()
	end))

	it('is a time that has passed when it is close', spec.threaded(function()
		local began = socket.clock()
		spec.fails('timeout', socket.event():wait(began - math.min(1, began / 4)))
	end))

	it('counts from the first state, so that a deadline can be handed to a thread', spec.threaded(function()
		local time = socket.clock()
		local t = assert(thread.new([[
			local time = ...
			local socket = require'socket2'
			return socket.event():wait(time)
		]], time))
		spec.fails('timeout', t:join())
	end))
end)
