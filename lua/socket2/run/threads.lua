-- Threads as programs start and steer them: suspend and resume, cancel, deadlines over all they do.

local coro = require'coro'
local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local sched = require'socket2.run.sched'

local C, fail, raise = lib.C, sched.fail, lib.raise
local inside = sched.inside
local type, select, unpack, xpcall = type, select, unpack, xpcall

local NEVER = 1/0

local threads = {}

-- currentthread() -> thread | nil: the socket thread that runs, also inside its generators.
threads.currentthread = sched.this

local function check_thread(what, v)
	if type(v) ~= 'thread' then
		raise("bad argument #1 to '%s' (thread expected, got %s)", what, type(v))
	end
end

-- newthread(f, ...) -> thread: starts f(...) in a new socket thread and returns at its first wait, or when it
-- is over. A deadline() that the caller runs under does not hold for it.
function threads.newthread(f, ...)
	if type(f) ~= 'function' then
		raise("bad argument #1 to 'newthread' (function expected, got %s)", type(f))
	end
	return sched.start_thread(NEVER, f, ...)
end

local function nothing() end

-- suspend(...) -> ...: waits until resume(thread, ...), and returns the arguments of that. Its own arguments
-- are what the resume() that brought the thread here returns. cancel() and deadline() end it with nil, err,
-- errcode.
function threads.suspend(...)
	inside'suspend'
	local waiter = sched.waiter('suspend', nothing)
	waiter.value = {n = select('#', ...), ...}
	local r = sched.pause(waiter, sched.deadline())
	waiter.value = nil
	if type(r) == 'table' then
		return unpack(r, 1, r.n)
	end
	return fail(r)
end

-- suspended(thread) -> its waiter, if it waits in suspend().
local function suspended(thread)
	local waiter = sched.waiter_of(thread)
	return waiter and waiter.what == 'suspend' and waiter
end

-- resume(thread, ...) -> true, ... | nil, 'not_suspended', errcode: makes the suspend() in which the thread
-- waits return `...`. The thread runs at once. When it waits again, the caller goes on, and gets the
-- arguments of suspend() if the thread waits there.
function threads.resume(thread, ...)
	check_thread('resume', thread)
	local waiter = suspended(thread)
	if not waiter then
		return fail(C.SOCKET2_ENOTSUSPENDED)
	end
	sched.run_nested(thread, sched.release(waiter), {n = select('#', ...), ...})
	waiter = suspended(thread)
	if waiter then
		return true, unpack(waiter.value, 1, waiter.value.n)
	end
	return true
end

-- cancel(thread) -> true | false: ends its wait, or else the next one that it begins, with nil,
-- 'canceled', errcode; false when the thread is over.
function threads.cancel(thread)
	check_thread('cancel', thread)
	if coro.status(thread) == 'dead' then
		return false
	end
	sched.cancel_wait(thread)
	return true
end

-- Runs co, which has a deadline, on behalf of the generator that it belongs to. What the generator yields to
-- knows nothing of the deadline.
local run

local function ran(co, outer, _, ...)
	local limit = sched.set_limit(outer)
	if coro.status(co) == 'dead' then
		return ...
	end
	return run(co, limit, coro.yield(...))
end

function run(co, limit, ...)
	return ran(co, sched.set_limit(limit), coro.resume(co, ...))
end

local function returned(ok, ...)
	if not ok then
		failure.pass_on(...)
	end
	return ...
end

local function restore(limit, ...)
	sched.set_limit(limit)
	return returned(...)
end

-- deadline(time, f, ...) -> results of f: runs f(...), in which nothing waits longer than until `time` (of
-- clock()): the earliest of deadlines, expires and timeouts counts. It also holds for the threads of a
-- threadset, but not for those of newthread(). Errors go on to the caller.
function threads.deadline(time, f, ...)
	inside'deadline'
	if type(time) ~= 'number' or time ~= time then
		raise("bad argument #1 to 'deadline' (number expected, got %s)", time ~= time and 'nan' or type(time))
	elseif type(f) ~= 'function' then
		raise("bad argument #2 to 'deadline' (function expected, got %s)", type(f))
	end
	local limit = sched.deadline(time)
	if coro.running() == sched.this() then
		return restore(sched.set_limit(limit), xpcall(f, failure.catch, ...))
	end
	return returned(run(coro.create(function(...)
		return xpcall(f, failure.catch, ...)
	end), limit, ...))
end

return threads
