-- 32 timers for the past came before all others, on every turn: threads that are late with each sleep, or
-- look into a queue again and again, kept the rest of the program from running. And of timers for one
-- moment the last came first.

local socket = require'socket2'
local spec = require'spec'

local CROWD = 100

-- Does a sleep of another thread end while a crowd calls f again and again?
local function ends_beside(f)
	local stop, beats, slept = false, 0, false
	for _ = 1, CROWD do
		socket.newthread(function()
			while not stop do f() end
		end)
	end
	local beat = assert(socket.runevery(0.01, function() beats = beats + 1 end))
	socket.newthread(function()
		assert(socket.sleep(0.05))
		slept = true
	end)
	spec.poll_until(function() return slept and beats > 0 end)
	beat:cancel()
	stop = true
	spec.finish()
end

describe('while a crowd of threads waits until moments that have passed', function()
	local queue, event, semaphore = socket.queue(), socket.event(), socket.semaphore(0)
	local start = socket.clock()
	local waits = {
		['sleep(0)'] = function() socket.sleep(0) end,
		['sleep(-1)'] = function() socket.sleep(-1) end,
		['sleep_until()'] = function() start = start + 1e-9 socket.sleep_until(start) end,
		['queue:pop(0)'] = function() queue:pop(0) end,
		['queue:pop(clock())'] = function() queue:pop(socket.clock()) end,
		['event:wait(0)'] = function() event:wait(0) end,
		['semaphore:take(0)'] = function() semaphore:take(0) end,
		['a deadline()'] = function() socket.deadline(0, queue.pop, queue) end,
	}
	for name, f in pairs(waits) do
		it('by ' .. name .. ' the others run', function()
			ends_beside(f)
		end)
	end
end)

describe('of one moment', function()
	local COUNT = 500

	local function in_order(start)
		local order, moment = {}, socket.clock() + 0.05
		for i = 1, COUNT do
			start(moment, function() order[#order + 1] = i end)
		end
		spec.finish()
		assert.equal(COUNT, #order)
		for i = 1, COUNT do
			assert.equal(i, order[i])
		end
	end

	it('timers run in the order in which they were armed', function()
		in_order(socket.runat)
	end)

	it('sleepers go on in the order in which they came', function()
		in_order(function(moment, f)
			socket.newthread(function()
				socket.sleep_until(moment)
				f()
			end)
		end)
	end)

	it('that has passed timers run in that order, too', function()
		in_order(function(_, f) socket.runat(-COUNT, f) end)
	end)
end)
