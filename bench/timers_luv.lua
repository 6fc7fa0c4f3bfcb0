-- A million timers in luv, as timers_socket2.lua does it.
-- usage: timers_luv.lua arm|cancel|expire n
--
-- A timer is made, started, and closed when it has gone off or to cancel it. Its function is not told
-- whose it is, so each has a closure to close it with, as luv's documentation has it. Times are whole
-- milliseconds.

local ffi = require'ffi'
local table_new = require'table.new'
local uv = require'luv'

local phase, n = arg[1], tonumber(arg[2])
local new_timer = uv.new_timer
local count = 0

local function arm(ms)
	local timer = new_timer()
	timer:start(ms, 0, function()
		timer:close()
		count = count + 1
	end)
	return timer
end

math.randomseed(1)
local parts = ffi.new('double[?]', n)
for i = 0, n - 1 do
	parts[i] = math.random()
end
local timers = table_new(n, 0)

-- At pseudo-random times between `first` and `window` milliseconds later, from now.
local function arm_all(first, window)
	uv.update_time()
	for i = 1, n do
		timers[i] = arm(math.floor(first + window * parts[i - 1]))
	end
end

local function pss()
	collectgarbage()
	collectgarbage()
	for line in io.lines'/proc/self/smaps_rollup' do
		local kb = line:match'^Pss:%s*(%d+)'
		if kb then
			return kb * 1024
		end
	end
end

-- Prints the processor time per timer of f(...).
local function measure(f, ...)
	local start = os.clock()
	f(...)
	print('time', (os.clock() - start) / n * 1e9)
end

local phases = {}

function phases.arm()
	local memory, heap = pss(), collectgarbage'count'
	measure(arm_all, 1e6, 1e6)
	print('memory', (pss() - memory) / n)
	print('heap', (collectgarbage'count' - heap) * 1024 / n)
	os.exit(0) -- closing the state takes long
end

-- With the turn of the loop that ends the closing.
function phases.cancel()
	arm_all(1e6, 1e6)
	for i = n, 2, -1 do
		local j = math.random(i)
		timers[i], timers[j] = timers[j], timers[i]
	end
	measure(function()
		for i = 1, n do
			timers[i]:close()
		end
		uv.run()
	end)
	assert(count == 0, 'a canceled timer went off')
end

function phases.expire()
	local first = 1000 + n * 5e-3
	arm_all(first, n * 2e-4)
	local armed_at = uv.now()
	uv.update_time()
	assert(uv.now() - armed_at < first, 'arming took too long')
	timers = nil
	measure(uv.run)
	assert(count == n, 'not all timers went off')
end

phases[phase]()
