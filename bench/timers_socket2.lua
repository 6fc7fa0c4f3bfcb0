-- A million timers in socket2.
-- usage: timers_socket2.lua timers|threads arm|cancel|expire|check n
--
-- timers are those of socket.runat, threads sleep in socket.sleep_until. Prints what bench/timers
-- reads: "time" with the nanoseconds of processor time per timer and, after arm, "memory" and "heap"
-- with the bytes per timer. check measures nothing: it raises an error unless all timers go off in the
-- order of their times, and none before its time.

local ffi = require'ffi'
local table_new = require'table.new'
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
		error(('went off %g s early'):format(time - clock()))
	elseif time < last then
		error(('went off after a later one, of %g s'):format(last - time))
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
		patience = 5e-6, -- seconds that arming one takes at most
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

math.randomseed(1)
local parts = ffi.new('double[?]', n)
for i = 0, n - 1 do
	parts[i] = math.random()
end
local timers = table_new(n, 0)

-- At pseudo-random times between `first` and `window` seconds later.
local function arm_all(arm, first, window)
	for i = 1, n do
		timers[i] = arm(first + window * parts[i - 1])
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

function phases.arm(it)
	local memory, heap = pss(), collectgarbage'count'
	measure(arm_all, it.arm, clock() + 1000, 1000)
	print('memory', (pss() - memory) / n)
	print('heap', (collectgarbage'count' - heap) * 1024 / n)
end

-- With what it takes the threads to end.
function phases.cancel(it)
	arm_all(it.arm, clock() + 1000, 1000)
	for i = n, 2, -1 do
		local j = math.random(i)
		timers[i], timers[j] = timers[j], timers[i]
	end
	local cancel = it.cancel
	measure(function()
		for i = 1, n do
			if not cancel(timers[i]) then
				error'a timer was not armed'
			end
		end
		assert(socket.start())
	end)
	assert(count == 0, 'a canceled timer went off')
end

-- The times are a moment after the arming, which they have to wait for.
local function expire(arm, patience)
	local first = clock() + 1 + n * patience
	arm_all(arm, first, n * 2e-7)
	assert(clock() < first, 'arming took too long')
	timers = nil
	measure(function() assert(socket.start()) end)
	assert(count == n, 'not all timers went off')
end

function phases.expire(it)
	expire(it.arm, it.patience)
end

function phases.check(it)
	expire(it.arm_checked, it.patience)
end

phases[phase](kinds[kind])
