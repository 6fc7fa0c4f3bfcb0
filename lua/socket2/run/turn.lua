-- A turn of the loop: events are taken from C in a batch, and the threads that wait for them are resumed,
-- with those that were made ready meanwhile.
--
-- Turns nest: below a function of C a wait turns the loop until it is over. Hence a batch has no owner. A
-- turn inside of another one goes on with what that one has not handed out yet, and a turn that finds things
-- moved when it goes on goes by what is left.
--
-- A finalizer runs wherever memory is allocated, and where compiled code is left, so also in the middle of
-- this file and of what programs do between two waits. A wait there turns nothing: it polls in place, and
-- what has come for others is for the turn that goes on.

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

-- Events of C's, four numbers each: a look at one of them allocates nothing.
local CAPACITY, FIELDS = 64, 4
local events = ffi.new('socket2_event[?]', CAPACITY)
local fields = ffi.cast('int32_t *', events)
local drained, matched = 0, 0 -- of `events`

-- The batch: coroutines or objects with fire(), with what each is to get, and the details of the events.
local whos, results, details = {}, {}, {}
local first, last = 1, 0

-- Those that are ready, for the next batch; and its second part, those that were ready when it was made.
local ready, ready_values, nready = {}, {}, 0
local second, second_values, nsecond = {}, {}, 0

for i = 1, CAPACITY do -- so that match() needs no memory
	whos[i], results[i], details[i] = false, false, 0
	ready[i], ready_values[i], second[i], second_values[i] = false, false, false, false
end

local entering = false -- which of the batch is about to be resumed, until it has been
local detail = 0 -- of the event that resumes a thread

local POLL_EVERY = 50e-6 -- seconds, while threads are ready: not in each turn
local next_poll = 0

local polling = false -- is somebody between the look at what there is to do and the poll, which may wait?
local began = false -- clock() when the turn did, while what it has is handed out
local interrupted = false -- by stop() or a failure: the rest of the batch is for the next turn
local handed_out = 0 -- how often something was

-- Something has changed: a poll that is about to begin finds out at once.
local function end_poll()
	if polling then
		C.socket2_wake(loop)
	end
end

-- ready(co, value): resumes co with the next batch. The place is taken first: a finalizer in between takes
-- the next one. A place with nothing in it was left by an error.
function turn.ready(co, value)
	local n = nready + 1
	nready = n
	ready[n], ready_values[n] = co, value
	end_poll()
end

-- wake(waiter, value) -> boolean: ends its pause(), with `value`, in the next round; false: something else
-- has. The waiter is in no list any more. If there is no memory for it, nothing has changed.
function turn.wake(waiter, value)
	local n = nready + 1
	nready = n
	ready[n], ready_values[n] = false, value
	local co = release(waiter)
	ready[n] = co
	end_poll()
	return co ~= false
end

-- not_ready(co, value): takes that back.
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

-- time() -> clock(), or when the turn began that runs
function turn.time()
	return began or C.socket2_clock()
end

-- runs() -> boolean: does a turn?
function turn.runs()
	return began ~= false or polling
end

-- over(): nothing is handed out any more.
function turn.over()
	began = false
end

-- poll_soon(): at the next turn, whoever is ready.
function turn.poll_soon()
	next_poll = 0
end

-- Events that waits in place have taken for others, four numbers each, from the first to the last.
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

-- Takes the events of the backlog as those of a poll -> number
local function from_backlog()
	local n = 0
	while n < FIELDS * CAPACITY and backlog_first <= backlog_last do
		fields[n] = backlog[backlog_first]
		backlog[backlog_first] = nil
		n, backlog_first = n + 1, backlog_first + 1
	end
	return n / FIELDS
end

-- Matches the events with whom they are for, before any thread runs: one may start a new wait on a socket
-- whose event another has yet to get. An error in between leaves the rest for the next turn.
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
		return match() -- a loop over a batch of one would keep what is around it from being compiled
	end
end

-- take(deadline, count) -> true: there is a batch, or one was handed out since count() | false: nothing has
-- come | code: polls, until the deadline unless somebody is ready, and makes what has come the batch.
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

-- next_one() -> who, value | nil: of the batch, to be entered or fired at once.
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

-- hand_out(me): resumes one after the other, in the root, which is `me`.
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

-- again(): an error has ended hand_out(). Was it on the way to a thread? Then that is the next one again.
function turn.again()
	if entering and status(whos[entering]) == 'suspended' then
		first = entering
	end
	entering = false
end

return turn
