-- Counts how often each thing happened in a run of spec/lua/torture_spec.lua.

local spec = require'spec'
local seed = require'torture.seed'

local check = seed.check

local counts = {}

local times, received -- what -> outcome -> times; bytes

-- begin(): starts a run.
function counts.begin()
	times, received = {}, 0
end

function counts.count(what, outcome)
	local t = times[what] or {}
	times[what], t[outcome] = t, (t[outcome] or 0) + 1
end

-- bytes(n): counts n bytes that arrived.
function counts.bytes(n)
	received = received + n
end

-- statistics(calls, threads, most_sides) -> text
function counts.statistics(calls, threads, most_sides)
	local lines = {
		('%d calls, %d bytes, %d threads, %d sockets at once'):format(calls, received, threads, most_sides),
	}
	for what, outcomes in pairs(times) do
		local t = {}
		for outcome, n in pairs(outcomes) do t[#t + 1] = ('%s %d'):format(outcome, n) end
		lines[#lines + 1] = what .. ': ' .. table.concat(t, ', ')
	end
	return table.concat(lines, '\n')
end

-- check(seconds, most_sides, kinds): checks that what had to happen did, and often enough: a run that proves
-- nothing is a failure, too.
function counts.check(seconds, most_sides, kinds)
	local sums, least = {}, seconds / 10
	for what, outcomes in pairs(times) do
		if what ~= 'direction' then check((outcomes.ok or 0) >= 1, '%s never worked', what) end
		for outcome, n in pairs(outcomes) do sums[outcome] = (sums[outcome] or 0) + n end
	end
	local waiting = {'send', 'recv', 'recvn', 'read', 'peek', 'readline', 'readuntil', 'readall', 'wait',
		'connect', 'udp recv', 'sleep', 'semaphore', 'threadset'}
	if kinds[#kinds] == 'unix' then waiting[#waiting + 1] = 'udp send' end -- the others never wait for room
	for _, what in ipairs(waiting) do
		check((times[what].canceled or 0) >= least and times[what].timeout, '%s was never canceled', what)
	end
	local broken_pipe = spec.windows and 0 or 2 -- there it is mostly a reset
	for outcome, n in pairs{ok = 5000, partial = 10, complete = 10, cut = 10, ['closed in flight'] = 10,
		broken_pipe = broken_pipe, connection_reset = 2, end_of_stream = 10, too_long = 100, canceled = 100,
		timeout = 200} do
		check((sums[outcome] or 0) >= n * least, '%s happened %s times', outcome, sums[outcome])
	end
	check(received >= 2e5 * seconds and most_sides >= 100, '%d bytes, %d sockets', received, most_sides)
end

return counts
