-- A thread that stops its loop when it returns has results all the same, however late the joiner is.

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

describe('socket.stop() in an OS thread', function()
	it('that returns leaves its results', spec.threaded(function()
		local stopped = thread.channel()
		local t = assert(thread.new(function()
			stopped:send(true)
			socket.stop()
			return 5
		end))
		local result
		-- Its first step takes the room that the results need, and this state's loop does not turn for a while.
		socket.newthread(function() result = t:join() end)
		while stopped:count() == 0 do end
		local busy = socket.clock() + 0.05
		while socket.clock() < busy do end
		while not result do socket.sleep(0.001) end
		assert.equal(5, result)
	end))

	it('that goes on is an error', spec.threaded(function()
		local t = assert(thread.new(function()
			socket.stop()
			socket.sleep(10)
		end))
		local _, err = t:join()
		assert.matches('stop%(%) was called before the thread was over', err)
	end))
end)
