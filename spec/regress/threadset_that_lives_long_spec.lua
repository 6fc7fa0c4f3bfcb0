-- A threadset kept the result of each thread that it ever had, and its first() moved all that were to come.
-- Runs alone: it measures time.

local socket = require'socket2'
local spec = require'spec'

describe('a threadset', function()
	it('forgets the results that first() gives', spec.threaded(function()
		local ts, results = socket.threadset(), setmetatable({}, {__mode = 'k'})
		ts:thread(socket.sleep, 60) -- the oldest lives on
		local function round(i)
			ts:thread(function() return i end)
			local r = assert(ts:first())
			assert.equal(i, r[1])
			results[r] = true
		end
		for i = 1, 1000 do round(i) end
		collectgarbage()
		collectgarbage()
		local left = 0
		for _ in pairs(results) do left = left + 1 end
		assert.is_true(left <= 1, left)
		ts:cancel()
		assert.equal('canceled', ts:wait()[1][2])
	end))

	it('gives the first of very many as quickly as of few', spec.threaded(function()
		local COUNT = spec.qemu and 2000 or 50000
		local ts = socket.threadset()
		for i = 1, COUNT do
			ts:thread(function() return i end)
		end
		local start = os.clock()
		for i = 1, COUNT / 2 do
			assert.is_true(ts:first()[1] == i)
		end
		assert.is_true(os.clock() - start < 2)
		local rest = ts:wait()
		assert.equal(COUNT / 2, #rest)
		for i, r in ipairs(rest) do
			assert.is_true(r[1] == COUNT / 2 + i)
		end
	end))
end)
