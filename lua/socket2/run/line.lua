-- When several threads want the same side of a socket, they stand in line, and each has its turn, one
-- operation, in the order of the calls. A line exists only while a thread stands in it. The first thread is
-- the one from which C takes an operation.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local sync = require'socket2.run.sync'
local pending = require'socket2.run.pending'

local C = lib.C
local wait, over, wake, settle_left = sched.wait, sched.over, sched.wake, sched.settle_left
local take_cancel = sched.take_cancel
local lines = pending.lines
local next, pairs = next, pairs

local PENDING, BUSY, READ = C.SOCKET2_PENDING, C.SOCKET2_EBUSY, C.SOCKET2_READ
local ECLOSED, ECANCELED = C.SOCKET2_ECLOSED, C.SOCKET2_ECANCELED

local line = {}

-- A line is a list of waiters, with the object, the side that they wait for, and the handle under which
-- `lines` has it. From the moment when a thread is called until it has begun, `batch` is the scheduler's
-- batch in which it was called.

-- line -> true, for lines that have a `batch`; or line -> function(line) -> boolean, which is called after
-- each batch until it returns false.
local called = {}

local function of(object, kind)
	if kind == READ then
		return object.rline
	end
	return object.wline
end

local function set(object, kind, l)
	if kind == READ then
		object.rline = l
	else
		object.wline = l
	end
end

local function begun(l)
	l.batch = nil -- first, so that overdue() sees it if an error leaves this half done
	called[l] = nil
end

local function dissolve(l)
	begun(l)
	lines[l.kind][l.h] = nil
	set(l.object, l.kind, false)
end

-- Calls the next thread in line. The side is that thread's until it waits for its operation.
local function call_next(l)
	settle_left()
	local waiter = l.next
	if waiter == l then
		dissolve(l)
		return
	end
	called[l] = true
	l.batch, pending.called = pending.batch, true
	wake(waiter, true)
	waiter:forget()
end

-- overdue() -> boolean: is any line still in `called`? A thread that was called before this batch has run in
-- it. If it is not waiting for an operation that it has begun, the next thread in line is called.
function pending.overdue()
	for l, check in pairs(called) do
		if check ~= true then
			called[l] = check(l) and check or nil
		elseif not l.batch then
			called[l] = nil
		elseif l.batch < pending.batch then
			call_next(l)
		end
	end
	return next(called) ~= nil
end

-- watch(line, check): for lines of other modules. check(line) -> boolean is called after each batch until it
-- returns false.
function line.watch(l, check)
	called[l] = check
	pending.called = true
end

-- leave(line): an operation on its side is over.
function pending.leave(l)
	if not l.batch then
		call_next(l)
	end
end

-- The thread that was called is done without a wait. overdue() calls the next one, so nothing that happens to
-- this thread can prevent that.
local function finished(l)
	if l.next == l then
		dissolve(l)
	end
end

local function new(object, kind)
	local l = sync.list()
	l.object, l.kind, l.h = object, kind, object.h
	lines[kind][l.h] = l
	set(object, kind, l)
	return l
end

-- stand(...) -> true when it is the thread's turn | code. With `first` the thread stands before all others.
local function stand(object, kind, what, time, first)
	local l = of(object, kind) or new(object, kind)
	local r = l.wait(first and l.next or l, what, time, nil, object)
	if r == true and take_cancel() then
		finished(l)
		return ECANCELED
	end
	return r
end

-- wait(object, kind, what, time, begin, ...) -> result, detail: stands in line, which threads() shows as
-- `what`, and then calls begin(object, time, ...) -> result, detail, which begins the operation.
function line.wait(object, kind, what, time, begin, ...)
	local l = of(object, kind)
	local r = not l or l.next == l and not l.batch or stand(object, kind, what, time)
	while r == true do
		local detail
		r, detail = begin(object, time, ...)
		l = of(object, kind)
		if r == PENDING then
			if l then
				begun(l)
			end
			return wait(object, kind)
		elseif r ~= BUSY then
			if l then
				finished(l)
			end
			over()
			return r, detail
		end
		if l then
			begun(l) -- an operation that stood in no line was faster
		end
		r = stand(object, kind, what, time, true)
	end
	return r, 0
end

-- close(object): dissolves the lines of the object. The threads in them get SOCKET2_ECLOSED.
function line.close(object)
	for kind = C.SOCKET2_READ, C.SOCKET2_WRITE do
		local l = of(object, kind)
		if l then
			dissolve(l)
			l:wake_all(ECLOSED)
		end
	end
end

return line
