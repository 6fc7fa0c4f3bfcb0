-- A thread ends although the state that joins it has ended before, in the middle of the join.

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

describe('a thread whose joiner is gone', function()
	it('ends', spec.threaded(function()
		local started, go = thread.channel(), thread.channel()
		local t = assert(thread.new(function()
			local t = assert(thread.new(function()
				started:send(true)
				go:recv()
				return 'to nobody'
			end))
			socket.newthread(function() t:join() end)
			-- The message that the join has begun with is in the way of the results now.
			while started:count() == 0 do end
			error'the end'
		end))
		assert.is_nil((t:join()))
		local before = spec.tasks()
		go:send(true)
		spec.wait_until(function() return spec.tasks() < before end)
	end))
end)
