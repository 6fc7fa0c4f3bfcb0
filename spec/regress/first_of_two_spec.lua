-- first() of a threadset had a turn of the others, for want of budget, after it had seen that a thread had
-- ended. If another first() took that one in the turn, it said that the set was over while threads ran.

local socket = require'socket2'
local spec = require'spec'

local BUDGET = 256 -- what a thread may spend in a turn: sched.lua's

describe('first() in two threads', function()

	it('gives each of them a result', spec.threaded(function()
		local event = socket.event()
		event:set()
		for budget = BUDGET - 10, BUDGET do
			local set, go, last = socket.threadset(), socket.event(), socket.event()
			set:thread(function() return 'first' end)
			set:thread(function() last:wait() return 'last' end)
			local other = spec.go(function()
				go:wait()
				return set:first(socket.clock() + 5)
			end)
			socket.sleep(0) -- the budget is new
			go:set()
			for _ = 1, budget do
				event:wait()
			end
			socket.runafter(0.001, function() last:set() end)
			local mine = assert(set:first(socket.clock() + 5))
			local others = assert(other())
			assert.is_true(mine[1] ~= others[1])
		end
	end))
end)
