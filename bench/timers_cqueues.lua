-- Many timers in cqueues, like timers_socket2.lua.
-- usage: timers_cqueues.lua arm|cancel|expire n
--
-- cqueues has no timers except those of threads that wait: a timer is a thread in cqueues.poll(seconds),
-- which cqueues.sleep calls. Nothing ends such a wait. To cancel, each thread also polls a condition
-- variable, which is signaled; arming is measured without it.

local cqueues = require'cqueues'
local condition = require'cqueues.condition'

local phase, n = arg[1], tonumber(arg[2])
local poll, clock = cqueues.poll, cqueues.monotime
local queue = cqueues.new()
local count = 0

local function sleep(time)
	poll(time - clock())
	count = count + 1
end

local function sleep_unless(signal, time)
	if poll(signal, time - clock()) ~= signal then
		count = count + 1
	end
end

local function arm(time)
	queue:wrap(sleep, time)
end

local function arm_with_signal(time)
	local signal = condition.new()
	queue:wrap(sleep_unless, signal, time)
	return signal
end

local bench = dofile'bench/timers_common.lua'(n)
local parts, timers, measure = bench.parts, bench.timers, bench.measure

-- Arms timers for pseudo-random times between `first` and `window` seconds later. The step lets the threads
-- begin to wait.
local function arm_all(arm_one, first, window)
	for i = 1, n do
		timers[i] = arm_one(first + window * parts[i - 1])
	end
	assert(queue:step(0))
end

local phases = {}

function phases.arm()
	bench.measure_memory(arm_all, arm, clock() + 1000, 1000)
	assert(queue:count() == n)
	os.exit(0) -- closing the state takes long
end

-- Includes the time that the threads take to end.
function phases.cancel()
	arm_all(arm_with_signal, clock() + 1000, 1000)
	bench.shuffle()
	measure(function()
		for i = 1, n do
			timers[i]:signal()
		end
		assert(queue:loop())
	end)
	assert(count == 0, 'a canceled timer fired')
end

function phases.expire()
	local first = clock() + 1 + n * 3e-5
	arm_all(arm, first, n * 2e-7)
	assert(clock() < first, 'arming took too long')
	measure(function() assert(queue:loop()) end)
	assert(count == n, 'not all timers fired')
end

phases[phase]()
