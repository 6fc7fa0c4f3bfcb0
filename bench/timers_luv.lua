-- A million timers in luv, like timers_socket2.lua.
-- usage: timers_luv.lua arm|cancel|expire n
--
-- A timer is made, started, and closed when it has fired or to cancel it. Its function does not get the timer
-- as an argument, so each timer has a closure that closes it, as in luv's documentation. Times are whole
-- milliseconds.

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

local bench = dofile'bench/timers_common.lua'(n)
local parts, timers, measure = bench.parts, bench.timers, bench.measure

-- Arms timers for pseudo-random times between `first` and `window` milliseconds from now.
local function arm_all(first, window)
	uv.update_time()
	for i = 1, n do
		timers[i] = arm(math.floor(first + window * parts[i - 1]))
	end
end

local phases = {}

function phases.arm()
	bench.measure_memory(arm_all, 1e6, 1e6)
	os.exit(0) -- closing the state takes long
end

-- Includes the turn of the loop that ends the closing.
function phases.cancel()
	arm_all(1e6, 1e6)
	bench.shuffle()
	measure(function()
		for i = 1, n do
			timers[i]:close()
		end
		uv.run()
	end)
	assert(count == 0, 'a canceled timer fired')
end

function phases.expire()
	local first = 1000 + n * 5e-3
	arm_all(first, n * 2e-4)
	local armed_at = uv.now()
	uv.update_time()
	assert(uv.now() - armed_at < first, 'arming took too long')
	timers, bench.timers = nil, nil
	measure(uv.run)
	assert(count == n, 'not all timers fired')
end

phases[phase]()
