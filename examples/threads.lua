-- Counts primes on all processors, while the loop goes on with something else.
-- usage: threads.lua [limit]

local socket = require'socket2'
local thread = require'socket2.thread'

local STEP = 1e5
local limit = math.ceil((tonumber(arg[1]) or 1e7) / STEP) * STEP

-- Runs in other Lua states: everything that it needs comes as arguments, including a channel.
local function work(jobs, step)
	local count = 0
	for first in jobs:values() do
		local composite = {}
		for p = 2, math.sqrt(first + step) do
			for n = math.max(p * p, math.ceil(first / p) * p), first + step - 1, p do
				composite[n - first] = true
			end
		end
		for i = first < 2 and 2 - first or 0, step - 1 do
			if not composite[i] then count = count + 1 end
		end
	end
	return count
end

socket.newthread(function()
	local dots = socket.newthread(function()
		while socket.sleep(0.1) do io.stderr:write'.' end
	end)
	local jobs, threads, count = thread.channel(), {}, 0
	for i = 1, thread.cpus() do threads[i] = assert(thread.new(work, jobs, STEP)) end
	for first = 0, limit - 1, STEP do jobs:send(first) end -- waits while enough are under way
	jobs:close()
	for _, t in ipairs(threads) do count = count + assert(t:join()) end
	socket.cancel(dots)
	print(('%d primes below %d'):format(count, limit))
end)
socket.start()
