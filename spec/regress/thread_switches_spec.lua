-- A wait for another thread cost a new table, a look at the clock and, with few threads, a system call.

local socket = require'socket2'
local sched = require'socket2.run.sched'
local spec = require'spec'

-- Two threads that pass control to each other, until stop() is true.
local function play(stop)
	local a, b, switches = socket.semaphore(0), socket.semaphore(0), 0
	local function player(mine, other)
		while not stop(switches) do
			mine:take()
			switches = switches + 1
			other:give()
		end
		other:give()
	end
	socket.newthread(player, a, b)
	socket.newthread(player, b, a)
	a:give()
end

local function some(n)
	return function(switches) return switches >= n end
end

describe('threads that wait for each other', function()
	local before

	before_each(function() before = sched.on_poll end)
	after_each(function() sched.on_poll = before end)

	it('do not poll in each round', function()
		local polls = 0
		play(some(1000))
		spec.finish()
		sched.on_poll = function() polls = polls + 1 end
		play(some(10000))
		spec.finish()
		assert.is_true(polls < 5000, polls)
	end)

	it('leave no garbage', function()
		play(some(5000)) -- until it is compiled
		spec.finish()
		collectgarbage()
		collectgarbage'stop'
		local kb = collectgarbage'count'
		play(some(10000))
		spec.finish()
		kb = collectgarbage'count' - kb
		collectgarbage'restart'
		assert.is_true(kb < 1500, kb)
	end)

	it('do not hold up what others wait for', function()
		local over = false
		play(function() return over end)
		spec.run(function()
			local c, s = spec.pair()
			local buf = spec.buffer(1)
			for i = 1, 100 do
				assert.equal(1, c:send'x')
				assert.equal(1, s:recv(buf, 1, socket.clock() + 5))
				if i % 20 == 0 then
					assert(socket.sleep(0.001))
				end
			end
			spec.fails('timeout', s:recv(buf, 1, socket.clock() + 0.01))
			over = true
			c:close()
			s:close()
		end)
		spec.finish()
	end)

	it('are forgotten when they are over', function()
		local threads = setmetatable({}, {__mode = 'k'})
		for i = 1, 10 do
			threads[socket.newthread(function() socket.sleep(0.001 * i) end)] = true
		end
		spec.finish()
		collectgarbage()
		collectgarbage()
		assert.is_nil(next(threads))
	end)
end)

describe('sleep(0)', function()
	it('ends by a cancel() that comes before it or meanwhile', function()
		local results = {}
		local me = socket.newthread(function()
			results[1] = {socket.sleep(0)}
			assert(socket.cancel(socket.currentthread()))
			results[2] = {socket.sleep(0)}
			results[3] = {socket.sleep(0)}
		end)
		assert.is_true(socket.cancel(me))
		spec.finish()
		spec.fails('canceled', unpack(results[1]))
		spec.fails('canceled', unpack(results[2]))
		assert.same({true}, results[3])
	end)

	it('ends by a deadline() that has passed', function()
		spec.run(function()
			spec.fails('timeout', socket.deadline(0, socket.sleep, 0))
		end)
	end)
end)
