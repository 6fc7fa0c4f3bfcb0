-- Sleeping, and functions that run at a time.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'

local C, fail, raise = lib.C, sched.fail, lib.raise
local deadline = sched.deadline
local type, setmetatable, floor, max = type, setmetatable, math.floor, math.max

local ETIMEOUT, EINVAL = C.SOCKET2_ETIMEOUT, C.SOCKET2_EINVAL
local NEVER = 1/0

local timers = {}

local function number(what, v)
	if type(v) ~= 'number' then
		raise("bad argument #1 to '%s' (number expected, got %s)", what, type(v))
	end
	return v
end

local function nothing() end

local function sleep_until(time)
	if time ~= time then
		return fail(EINVAL)
	end
	time = max(time, 0)
	local d = deadline(time)
	local r = sched.pause(sched.waiter('sleep', nothing), d)
	if r == ETIMEOUT and d == time then
		return true
	end
	return fail(r)
end

-- A sleep that is over already gives the others a turn. False or nil if the sleep has to end with an error.
local function rest()
	return sched.yield() and not sched.is_canceled()
end

-- sleep_until(time) -> true | nil, err, errcode: waits until clock() is `time`, not less. When that is over
-- already, it gives the others a turn. 'canceled' by cancel(), 'timeout' by deadline().
function timers.sleep_until(time)
	sched.inside'sleep_until'
	return sleep_until(number('sleep_until', time))
end

-- sleep(seconds) -> true | nil, err, errcode: like sleep_until(clock() + seconds).
function timers.sleep(seconds)
	sched.inside'sleep'
	if number('sleep', seconds) <= 0 and deadline() == NEVER and rest() then
		return true
	end
	return sleep_until(seconds < 0 and 0 or C.socket2_clock() + seconds)
end

local timer = {}
timer.__index = timer
timers.class = timer

local function arm(self)
	local h = self.time == NEVER and 0 or sched.arm(self, self.time) -- no timer has the handle 0
	self.h = h
	if h < 0 then
		return fail(h)
	end
	return self
end

-- fire(): called by the scheduler when the time has come.
function timer:fire()
	if not self.h then
		return -- another thread of the same batch has canceled it
	end
	self.h = nil
	local every = self.every
	if every then
		-- In step with its first time, without the beats that were missed.
		local now = C.socket2_clock()
		local missed = floor((now - self.time) / every)
		self.time = missed < 2^53 and self.time + every * (1 + missed) or now
		arm(self)
	end
	sched.start_thread(NEVER, self.f)
end

-- cancel() -> boolean: it will not run (again); false when it was over already.
function timer:cancel()
	local h = self.h
	self.h, self.every = nil, nil
	if not h then
		return false
	end
	sched.disarm(h)
	return true
end

local function new(what, time, every, f)
	if type(f) ~= 'function' then
		raise("bad argument #2 to '%s' (function expected, got %s)", what, type(f))
	end
	return arm(setmetatable({f = f, time = time, every = every}, timer))
end

-- runat(time, f) -> timer | nil, err, errcode: runs f() in a new thread when clock() is `time`.
-- timer:cancel() takes it back. An armed timer keeps start() going; a time of 1/0 is never, and keeps nothing
-- going.
function timers.runat(time, f)
	return new('runat', number('runat', time), nil, f)
end

-- runafter(seconds, f) -> timer | nil, err, errcode
function timers.runafter(seconds, f)
	return new('runafter', C.socket2_clock() + number('runafter', seconds), nil, f)
end

-- runevery(seconds, f) -> timer | nil, err, errcode: first after `seconds` (> 0), then again and again.
-- A beat that is missed, because the program is busy, is left out.
function timers.runevery(seconds, f)
	if number('runevery', seconds) <= 0 then
		return fail(EINVAL)
	end
	return new('runevery', C.socket2_clock() + seconds, seconds, f)
end

return timers
