-- Threads that want the same side of a socket, one operation each: they stand in line and have their turns in
-- the order of their calls. There is a line only while somebody stands in it; C says who is first.

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

-- A line is a list of waiters, with the object, the side that they wait for, and the handle that it has in
-- `lines`. While somebody has been called who has not begun, `batch` is the scheduler's batch of the call.

-- line -> true: those that have a `batch`. Or a function(line) -> boolean, which is called after each batch
-- until it returns false.
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
	l.batch = nil -- first: what is half done then is seen by overdue()
	called[l] = nil
end

local function dissolve(l)
	begun(l)
	lines[l.kind][l.h] = nil
	set(l.object, l.kind, false)
end

-- The next one's turn. It has the side until it waits for its operation.
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

-- overdue() -> boolean: are there still threads that were called? One that was called before this batch has
-- run in it: if it does not wait for an operation that it has begun, the next one is called.
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

-- watch(line, check): for the lines of others. check(line) -> boolean is called after each batch until it
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

-- What the thread that was called has done is over. overdue() calls the next one, so that nothing that
-- happens to this thread can stop that.
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

-- -> true when it is the thread's turn | code. `first`: before all others.
local function stand(object, kind, what, time, first)
	local l = of(object, kind) or new(object, kind)
	local r = l.wait(first and l.next or l, what, time, nil, object)
	if r == true and take_cancel() then
		finished(l)
		return ECANCELED
	end
	return r
end

-- wait(object, kind, what, time, begin, ...) -> result, detail: stands in line, in threads() as `what`, and
-- then has begin(object, time, ...) -> result, detail.
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
			begun(l) -- something that stood in no line was faster
		end
		r = stand(object, kind, what, time, true)
	end
	return r, 0
end

-- close(object): nobody's turn comes any more.
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
