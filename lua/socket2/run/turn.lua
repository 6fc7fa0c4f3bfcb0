-- A turn of the loop: events are taken from C in a batch, and the threads that wait for them are resumed,
-- with those that were made ready meanwhile.
--
-- Turns nest: below a function of C, and in a finalizer, a wait turns the loop until it is over. A finalizer
-- runs wherever memory is allocated, and where compiled code is left, so also in the middle of this file.
-- Hence a batch has no owner. A turn inside of another one goes on with what that one has not handed out
-- yet, and a turn that finds things moved when it goes on goes by what is left.

local ffi = require'ffi'
local coro = require'coro'
local lib = require'socket2.lib'
local pending = require'socket2.run.pending'

local C = lib.C
local enter, status, running = coro.enter, coro.status, coro.running
local loop, waiting_for, tally, miss = pending.loop, pending.waiting_for, pending.tally, pending.miss
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
local number = 1 -- of the next event, of all that there were: has anybody matched it meanwhile?
local taken = 0 -- number of the one that was taken last from who waited for it

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
-- thread -> an object, which gets what comes for the thread while that is in the middle of beginning a wait
local kept, nkept = {}, 0

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

-- ready(co, value): resumes co with the next batch.
function turn.ready(co, value)
	local n = nready + 1
	ready[n], ready_values[n], nready = co, value, n
	end_poll()
end

-- wake(waiter, value): ends its pause(), with `value`, in the next round. The waiter is in no list any more.
-- If there is no memory for it, nothing has changed.
function turn.wake(waiter, value)
	local n = nready + 1
	ready[n], ready_values[n] = waiter.co, value
	release(waiter)
	nready = n
	end_poll()
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

-- over(): nothing is handed out any more.
function turn.over()
	began = false
end

-- poll_soon(): at the next turn, whoever is ready.
function turn.poll_soon()
	next_poll = 0
end

-- Matches the events with whom they are for, before any thread runs: one may start a new wait on a socket
-- whose event another has yet to get. An error in between leaves the rest for the next turn.
local function match()
	while matched < drained do
		local n, at = number, FIELDS * matched
		local handle, kind, result, more = fields[at], fields[at + 1], fields[at + 2], fields[at + 3]
		local waiting = waiting_for[kind]
		local who = taken ~= n and waiting and waiting[handle]
		if who then
			if kind == TIMER and who.what then
				who, result = expired(who)
			end
			local i = last + 1
			whos[i], results[i], details[i] = who, result, more -- no calls from here on
			if number == n then
				waiting[handle] = nil
				tally[1] = tally[1] - 1
				taken = n
			end
			last = i
		elseif taken ~= n then
			miss(handle, kind)
		end
		local line = lines[kind][handle]
		if line then
			pending.leave(line)
		end
		if number == n then
			matched, number = matched + 1, n + 1
		end
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
		local n = C.socket2_poll(loop, events, CAPACITY, nready > 0 and 0 or deadline)
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
local function next_one()
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

-- give(co, value, more): resumes co, or fires what is kept for it.
local function give(who, value, more)
	detail = more
	local keeper = type(who) == 'thread' and kept[who] or who
	if type(keeper) == 'thread' then
		enter(running(), keeper, value)
		drop() -- it is parked or over
	else
		keeper:fire(value)
	end
end
turn.give = give

-- keep(thread, object): the object gets what comes for the thread, until it is nil.
function turn.keep(thread, object)
	nkept = nkept + (object and 1 or -1)
	kept[thread] = object
end

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
		if nkept > 0 then
			give(who, value, entered())
		elseif type(who) == 'thread' then
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
