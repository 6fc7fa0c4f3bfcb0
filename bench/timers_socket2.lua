-- A million timers in socket2.
-- usage: timers_socket2.lua timers|threads arm|cancel|expire|check n
--
-- "timers" uses socket.runat; "threads" sleep in socket.sleep_until. Prints what bench/timers
-- reads: "time" with the nanoseconds of CPU time per timer and, after arm, "memory" and "heap"
-- with the bytes per timer. "check" measures nothing: it raises an error unless all timers fire in the
-- order of their times, and none before its time.

local socket = require'socket2'

local kind, phase, n = arg[1], arg[2], tonumber(arg[3])
local clock, runat, sleep_until, newthread = socket.clock, socket.runat, socket.sleep_until, socket.newthread
local count = 0

local function fire()
	count = count + 1
end

local function sleep(time)
	if sleep_until(time) then
		count = count + 1
	end
end

local last = 0

local function check(time)
	if clock() < time then
		error(('fired %g s early'):format(time - clock()))
	elseif time < last then
		error(('fired after a later one, of %g s'):format(last - time))
	end
	last = time
	count = count + 1
end

local function sleep_and_check(time)
	assert(sleep_until(time))
	check(time)
end

local kinds = {
	timers = {
		patience = 5e-6, -- seconds that arming one timer takes at most
		arm = function(time) return assert(runat(time, fire)) end,
		arm_checked = function(time) return assert(runat(time, function() check(time) end)) end,
		cancel = function(timer) return timer:cancel() end,
	},
	threads = {
		patience = 3e-5,
		arm = function(time) return newthread(sleep, time) end,
		arm_checked = function(time) return newthread(sleep_and_check, time) end,
		cancel = socket.cancel,
	},
}

local bench = dofile'bench/timers_common.lua'(n)
local parts, timers, measure = bench.parts, bench.timers, bench.measure

-- Arms timers for pseudo-random times between `first` and `window` seconds later.
local function arm_all(arm, first, window)
	for i = 1, n do
		timers[i] = arm(first + window * parts[i - 1])
	end
end

local phases = {}

function phases.arm(it)
	bench.measure_memory(arm_all, it.arm, clock() + 1000, 1000)
end

-- Includes the time that the threads take to end.
function phases.cancel(it)
	arm_all(it.arm, clock() + 1000, 1000)
	bench.shuffle()
	local cancel = it.cancel
	measure(function()
		for i = 1, n do
			if not cancel(timers[i]) then
				error'a timer was not armed'
			end
		end
		assert(socket.start())
	end)
	assert(count == 0, 'a canceled timer fired')
end

-- The times are a moment after the arming, because the timers must not fire before it is over.
local function expire(arm, patience)
	local first = clock() + 1 + n * patience
	arm_all(arm, first, n * 2e-7)
	assert(clock() < first, 'arming took too long')
	timers, bench.timers = nil, nil
	measure(function() assert(socket.start()) end)
	assert(count == n, 'not all timers fired')
end

function phases.expire(it)
	expire(it.arm, it.patience)
end

function phases.check(it)
	expire(it.arm_checked, it.patience)
end

phases[phase](kinds[kind])
