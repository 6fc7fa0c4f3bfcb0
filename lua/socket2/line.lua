-- Threads that want the same side of a socket, one operation each: they stand in line and have their turns in
-- the order of their calls. There is a line only while somebody stands in it; C says who is first.

local lib = require'socket2.lib'
local sched = require'socket2.sched'
local sync = require'socket2.sync'
local pending = require'socket2.pending'

local C = lib.C
local wait, over, wake, left = sched.wait, sched.over, sched.wake, sched.left

local PENDING, BUSY, READ = C.SOCKET2_PENDING, C.SOCKET2_EBUSY, C.SOCKET2_READ
local ECLOSED, ECANCELED = C.SOCKET2_ECLOSED, C.SOCKET2_ECANCELED

local line = {}

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

-- The next one's turn. It has the side until it waits for its operation, which `called` says.
local function call_next(object, kind)
	local l = of(object, kind)
	if l then
		local waiter = l:pop()
		l.called = waiter and waiter.thread
		if waiter then
			wake(waiter, true)
		else
			set(object, kind, false)
		end
	end
end
pending.side_free = call_next

-- -> true when it is the thread's turn | code. `first`: before all others.
local function stand(object, kind, what, time, first)
	local l = of(object, kind)
	if not l then
		l = sync.list()
		set(object, kind, l)
	elseif l.called and left(l.called) then -- an error has ended it on its way
		call_next(object, kind)
	end
	local r = l.wait(first and l.next or l, what, time, nil, object)
	if r == true and sched.take_cancel() then
		call_next(object, kind)
		return ECANCELED
	end
	return r
end

-- wait(object, kind, what, time, begin, ...) -> result, detail: stands in line, in threads() as `what`, and
-- then has begin(object, time, ...) -> result, detail.
function line.wait(object, kind, what, time, begin, ...)
	local l = of(object, kind)
	local r = not l or l.next == l and not l.called or stand(object, kind, what, time)
	while r == true do
		local detail
		r, detail = begin(object, time, ...)
		if r == PENDING then
			of(object, kind).called = nil
			return wait(object, kind)
		elseif r ~= BUSY then
			call_next(object, kind)
			over()
			return r, detail
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
			set(object, kind, false)
			l:wake_all(ECLOSED)
		end
	end
end

return line
