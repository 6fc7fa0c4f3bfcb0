-- A turn of the loop: events are taken from C in a batch, and the threads that wait for them are resumed,
-- with those that were made ready meanwhile.
--
-- Turns nest: a wait below a C function turns the loop until the wait is over. So no turn owns the batch. A
-- turn inside another one goes on with what the outer one has not handed out yet. When the outer one goes on,
-- things may have moved, so it looks at what is left.
--
-- A finalizer can run wherever memory is allocated or compiled code is left, so also in the middle of the
-- code in this file, and of what programs do between two waits. A wait there does not turn the loop: it polls
-- in place, and leaves what comes for others to the turn that goes on.

local ffi = require'ffi'
local coro = require'coro'
local lib = require'socket2.lib'
local pending = require'socket2.run.pending'

local C = lib.C
local enter, status = coro.enter, coro.status
local loop, waiting_for, tally = pending.loop, pending.waiting_for, pending.tally
local expired, release, drop, nobody = pending.expired, pending.release, pending.drop, pending.nobody
local lines = pending.lines
local type = type

local TIMER = C.SOCKET2_TIMER

local turn = {}

-- C's events, four numbers each. They are read as numbers because that allocates nothing.
local CAPACITY, FIELDS = 64, 4
local events = ffi.new('socket2_event[?]', CAPACITY)
local fields = ffi.cast('int32_t *', events)
local drained, matched = 0, 0 -- how many of `events` came, and how many were matched

-- The batch: coroutines or objects with fire(), what each of them gets, and the details of the events.
local whos, results, details = {}, {}, {}
local first, last = 1, 0

-- `ready` is for the next batch. `second` is the second part of a batch: what was ready when the batch was
-- made.
local ready, ready_values, nready = {}, {}, 0
local second, second_values, nsecond = {}, {}, 0

for i = 1, CAPACITY do -- so that match() needs no memory
	whos[i], results[i], details[i] = false, false, 0
	ready[i], ready_values[i], second[i], second_values[i] = false, false, false, false
end

local entering = false -- the place in the batch that is about to be resumed, until it has been
local detail = 0 -- of the event that resumes a thread

local POLL_EVERY = 50e-6 -- seconds between polls while threads are ready
local next_poll = 0

local polling = false -- true from the look at what there is to do to the end of the poll, which may wait
local began = false -- clock() at the start of the turn, while its batch is handed out
local interrupted = false -- by stop() or a failure: the rest of the batch is for the next turn
local handed_out = 0 -- how many batches were

-- Something has changed, so a poll that is about to begin ends at once.
local function end_poll()
	if polling then
		C.socket2_wake(loop)
	end
end

-- ready(co, value): resumes co with the next batch. The place is taken first, so that a finalizer in between
-- takes the next one. A place with nothing in it was left by an error.
function turn.ready(co, value)
	local n = nready + 1
	nready = n
	ready[n], ready_values[n] = co, value
	end_poll()
end

-- wake(waiter, value) -> boolean: ends the waiter's pause(), with `value`, in the next round; false if
-- something else has ended it. The waiter is in no list any more. If there is no memory for this, nothing has
-- changed.
function turn.wake(waiter, value)
	local n = nready + 1
	nready = n
	ready[n], ready_values[n] = false, value
	local co = release(waiter)
	ready[n] = co
	end_poll()
	return co ~= false
end

-- not_ready(co, value): takes ready(co, value) back.
function turn.not_ready(co, value)
	for i = 1, nready do
		if ready[i] == co and ready_values[i] == value then
			ready[i] = nobody
		end
	end
end

-- any_ready() -> boolean
function turn.any_ready()
	return nready > 0
end

-- left() -> boolean: is any of the batch still to be handed out?
function turn.left()
	return first <= last or nsecond > 0
end

-- time() -> when the running turn began; clock() if none runs
function turn.time()
	return began or C.socket2_clock()
end

-- runs() -> boolean: is a turn running?
function turn.runs()
	return began ~= false or polling
end

-- over(): nothing is handed out any more.
function turn.over()
	began = false
end

-- poll_soon(): the next turn polls, even while threads are ready.
function turn.poll_soon()
	next_poll = 0
end

-- Events for others that came during a wait in place, four numbers each, from the first to the last.
local backlog, backlog_first, backlog_last = {}, 1, 0
local in_place = false -- the innermost of the operations that are waited for in place, each with its `outer`

local function deliver(handle, kind, result, more)
	local operation = in_place
	while operation do
		if operation.h == handle and operation.kind == kind and not operation.result then
			operation.result, operation.detail = result, more
			return
		end
		operation = operation.outer
	end
	local i = backlog_last
	backlog[i + 1], backlog[i + 2], backlog[i + 3], backlog[i + 4] = handle, kind, result, more
	backlog_last = i + FIELDS
end

-- poll_in_place(deadline) -> number of events | code: polls once, and hands out nothing.
function turn.poll_in_place(deadline)
	local outer, buffer = polling, ffi.new('socket2_event[?]', CAPACITY)
	local polled = ffi.cast('int32_t *', buffer)
	polling = true
	local n = C.socket2_poll(loop, buffer, CAPACITY, deadline)
	for at = 0, FIELDS * (n - 1), FIELDS do
		deliver(polled[at], polled[at + 1], polled[at + 2], polled[at + 3])
	end
	polling = outer
	end_poll()
	return n
end

-- await(handle, kind) -> result, detail of the event | nil, nil, code: waits for the operation in place.
function turn.await(h, kind)
	local operation, n = {h = h, kind = kind, outer = in_place}, 0
	in_place = operation
	while not operation.result and n >= 0 do
		n = turn.poll_in_place(1/0)
	end
	in_place = operation.outer
	return operation.result, operation.detail, n
end

-- from_backlog() -> number of events: takes them from the backlog, like a poll from C.
local function from_backlog()
	local n = 0
	while n < FIELDS * CAPACITY and backlog_first <= backlog_last do
		fields[n] = backlog[backlog_first]
		backlog[backlog_first] = nil
		n, backlog_first = n + 1, backlog_first + 1
	end
	return n / FIELDS
end

-- Matches all events with what waits for them before any thread runs, because a thread may start a new wait
-- on a socket of which another thread has yet to get the event. An error in between leaves the rest for the
-- next turn.
local match
function match()
	if matched < drained then
		local at = FIELDS * matched
		local handle, kind, result, more = fields[at], fields[at + 1], fields[at + 2], fields[at + 3]
		local waiting = waiting_for[kind]
		local who = waiting and waiting[handle]
		if who then
			if kind == TIMER and who.what then
				who, result = expired(who)
			end
			local i = last + 1
			whos[i], results[i], details[i] = who, result, more -- no calls from here on
			waiting[handle] = nil
			tally[1] = tally[1] - 1
			last = i
		end
		local line = lines[kind][handle]
		if line then
			pending.leave(line)
		end
		matched = matched + 1
		return match() -- a loop over a batch of one would keep the code around it from being compiled
	end
end

-- take(deadline, count) -> true | false | code: polls, and makes what has come the batch. The poll waits
-- until the deadline, or not at all if threads are ready. true: there is a batch, or one was handed out since
-- count() returned `count`; false: nothing has come.
function turn.take(deadline, count)
	if matched == drained then
		local outer = polling
		polling = true -- from here on a turn below ends the poll
		if first <= last or nsecond > 0 or handed_out ~= count then
			polling = outer
			return true
		end
		local n = backlog_first <= backlog_last and from_backlog()
			or C.socket2_poll(loop, events, CAPACITY, nready > 0 and 0 or deadline)
		polling = outer
		if n < 0 then
			return n
		end
		matched, drained = 0, n
		if first > last then
			first, last = 1, 0
		end
	end
	began = C.socket2_clock()
	next_poll = began + POLL_EVERY
	match()
	if nready > 0 and nsecond == 0 then
		ready, ready_values, second, second_values = second, second_values, ready, ready_values
		nsecond, nready = nready, 0
	end
	pending.batch = pending.batch + 1
	return first <= last or nsecond > 0
end

-- take_ready() -> boolean: makes those that are ready the batch, unless it is time to poll.
function turn.take_ready()
	began = C.socket2_clock()
	if began < next_poll then
		ready, ready_values, whos, results = whos, results, ready, ready_values
		first, last, nready = 1, nready, 0
		pending.batch = pending.batch + 1
		return true
	end
	return false
end

-- next_one() -> coroutine or object, value | nil: the next of the batch, to be entered or fired at once.
local next_one
function next_one()
	if first > last then
		if nsecond == 0 then
			return
		end
		second, second_values, whos, results = whos, results, second, second_values
		first, last, nsecond = 1, nsecond, 0
	end
	local i = first
	local who = whos[i]
	first, entering, detail = i + 1, i, details[i]
	if not who then
		return next_one()
	end
	return who, results[i]
end

-- entered() -> detail of its event: to be called by each thread that is resumed.
local function entered()
	local i = entering
	if i then
		whos[i], entering = false, false
	end
	return detail
end
turn.entered = entered

-- interrupt(): the rest of the batch is for the next turn.
function turn.interrupt()
	interrupted = true
end

-- count() -> number of times that a batch was handed out
function turn.count()
	return handed_out
end

-- hand_out(me): resumes what is in the batch, one after the other, in the root, which is `me`.
function turn.hand_out(me)
	local outer = detail
	handed_out, interrupted = handed_out + 1, false
	end_poll()
	local who, value = next_one()
	while who do
		if type(who) == 'thread' then
			enter(me, who, value)
			drop() -- it is parked or over
		else
			entered()
			who:fire(value)
		end
		if interrupted then
			break
		end
		who, value = next_one()
	end
	detail = outer
end

-- again(): an error has ended hand_out(). If that was about to resume a thread, the thread comes next.
function turn.again()
	if entering and status(whos[entering]) == 'suspended' then
		first = entering
	end
	entering = false
end

return turn
