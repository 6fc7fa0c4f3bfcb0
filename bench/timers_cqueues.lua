-- Many timers in cqueues, as timers_socket2.lua does it.
-- usage: timers_cqueues.lua arm|cancel|expire n
--
-- There are no timers but those of threads that wait: a timer is a thread in cqueues.poll(seconds),
-- what cqueues.sleep calls. Nothing ends such a wait. To cancel, the threads poll a condition variable
-- each, too, and are signaled; arming is measured without.

local ffi = require'ffi'
local table_new = require'table.new'
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

math.randomseed(1)
local parts = ffi.new('double[?]', n)
for i = 0, n - 1 do
	parts[i] = math.random()
end
local timers = table_new(n, 0)

-- At pseudo-random times between `first` and `window` seconds later. The step is what lets the threads
-- begin to wait.
local function arm_all(arm_one, first, window)
	for i = 1, n do
		timers[i] = arm_one(first + window * parts[i - 1])
	end
	assert(queue:step(0))
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
	measure(arm_all, arm, clock() + 1000, 1000)
	assert(queue:count() == n)
	print('memory', (pss() - memory) / n)
	print('heap', (collectgarbage'count' - heap) * 1024 / n)
	os.exit(0) -- closing the state takes long
end

-- With what it takes the threads to end.
function phases.cancel()
	arm_all(arm_with_signal, clock() + 1000, 1000)
	for i = n, 2, -1 do
		local j = math.random(i)
		timers[i], timers[j] = timers[j], timers[i]
	end
	measure(function()
		for i = 1, n do
			timers[i]:signal()
		end
		assert(queue:loop())
	end)
	assert(count == 0, 'a canceled timer went off')
end

function phases.expire()
	local first = clock() + 1 + n * 3e-5
	arm_all(arm, first, n * 2e-7)
	assert(clock() < first, 'arming took too long')
	measure(function() assert(queue:loop()) end)
	assert(count == n, 'not all timers went off')
end

phases[phase]()
