-- The scheduler: socket threads over coroutines. Nothing else yields or polls. A pending operation parks its
-- thread here under (handle, kind). The event that ends it is drained from the loop in a batch, and resumes
-- the thread. A wait without a handle (sleep, event, queue ...) parks the thread under a waiter, until what
-- the thread waits for wakes the waiter.

local coro = require'coro'
local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local moment = require'socket2.run.moment'
local pending = require'socket2.run.pending'
local turn = require'socket2.run.turn'

local C, fail, raise = lib.C, lib.fail, lib.raise
local create, running, transfer = coro.create, coro.running, coro.transfer
local self, park, leave = coro.self, coro.park, coro.leave
local loop, waits, waiting_for = pending.loop, pending.waits, pending.waiting_for
local hold, any_held, drop, settle = pending.hold, pending.any_held, pending.drop, pending.settle
local add, arm, disarm, cancel = pending.add, pending.arm, pending.disarm, pending.cancel
local release, take, put_back = pending.release, pending.take, pending.put_back
local make_ready, entered, time_of_turn, interrupt = turn.ready, turn.entered, turn.time, turn.interrupt
local text_of, catch = failure.text_of, failure.catch
local moment_of = moment.of
local CANNOT_WAIT, INTRUDER = failure.CANNOT_WAIT, failure.INTRUDER
local error, pairs, pcall, xpcall, setmetatable = error, pairs, pcall, xpcall, setmetatable

local ECANCELED = C.SOCKET2_ECANCELED
local NEVER = 1/0

local sched = {}

sched.loop = loop
sched.hold, sched.settle, sched.settle_left = hold, settle, pending.settle_left
sched.release = release
sched.cancel, sched.abandon, sched.arm, sched.disarm = cancel, pending.abandon, arm, disarm

local this         -- the socket thread that runs; nil outside of threads
local limit = NEVER -- the deadline over all that it does
local resumer      -- what gets control when it waits: the poller, or its starter

local waiters = {} -- thread -> its waiter, which has a `co` while it waits
local last_waiter -- the one that was asked for last
local blocking = false -- in block()
local canceled = setmetatable({}, {__mode = 'k'}) -- thread -> true: cancel() ends its next wait
local generators = setmetatable({}, {__mode = 'kv'}) -- generator -> the thread that waits in it

local hidden = setmetatable({}, {__mode = 'k'}) -- thread -> true: a helper, which no list shows

-- this() -> thread | nil
function sched.this()
	return this
end

-- running() -> thread | nil: like this(), but finds out whether an error in the middle of a switch has left a
-- thread there that does not run.
function sched.running()
	local state = this and coro.status(this)
	if state == 'suspended' or state == 'dead' then
		this, limit = nil, NEVER
	end
	return this
end

-- Raises outside a socket thread, where I/O would have nowhere to wait.
function sched.inside(what)
	if not this then
		raise('%s() outside a socket thread: call it in a function that is passed to'
			.. ' socket.newthread()', what)
	end
end

-- Can the caller wait?
function sched.can_wait()
	return this and self() ~= nil
end

-- The deadline of an operation: `expires` (absolute), or else `timeout` (relative; false: none) from now, and
-- never later than the thread's own.
function sched.deadline(expires, timeout)
	if expires == nil then
		if not timeout then
			return limit
		end
		expires = C.socket2_clock() + timeout
	else
		expires = moment_of(expires)
	end
	return limit < expires and limit or expires -- NaN goes on to C, which refuses it
end

-- set_limit(deadline) -> the one before: sets the deadline over all that the running thread does.
function sched.set_limit(deadline)
	local before = limit
	limit = deadline
	return before
end

-- wait(object, kind) -> result, detail of the event: parks the running thread until the pending operation
-- that is held is over. Where the caller cannot wait, it raises, unless the object has wait_elsewhere(wait,
-- kind, ...), which calls wait(object, kind, ...) in a thread and returns its results.
local wait, elsewhere
function wait(object, kind)
	local thread, outer, h = this, limit, object.h
	local me = thread and self()
	if not me then
		return elsewhere(object, kind, pending.memory())
	end
	local data, addr, from = pending.memory()
	pending.park(thread, me)
	add(h, kind, me)
	if me ~= thread then
		generators[me] = thread
	end
	if canceled[thread] then
		cancel(h, kind)
	end
	waits[thread] = object
	local result = park(resumer)
	local detail = entered()
	this, limit, waits[thread] = thread, outer, nil
	local waiting = waiting_for[kind]
	if waiting[h] == me then
		hold(object, kind, data, addr, from)
		pending.park(thread, me)
		settle(h)
		raise(INTRUDER)
	end
	if result < 0 then -- os_error() may be of an event that came after this one
		C.socket2_socket_os_error(loop, h, kind)
		canceled[thread] = result ~= ECANCELED and canceled[thread] or nil
	end
	-- Callers take the first two. In compiled code only what is returned here stays alive until now.
	return result, detail, object, data, addr, from
end
sched.wait = wait

-- The caller held the operation; the thread that waits holds it from here on.
local function take_over(object, kind, data, addr, from)
	hold(object, kind, data, addr, from)
	return wait(object, kind)
end

local function in_place(object, kind, data, addr, from)
	local h = object.h
	local result, detail, code = turn.await(h, kind)
	if not result then
		settle(h)
		return code, 0
	end
	drop()
	if result < 0 then
		C.socket2_socket_os_error(loop, h, kind)
	end
	return result, detail, object, data, addr, from
end

function elsewhere(object, kind, data, addr, from)
	if blocking then
		return in_place(object, kind, data, addr, from)
	elseif object.wait_elsewhere then
		return object:wait_elsewhere(take_over, kind, data, addr, from)
	end
	settle()
	raise(CANNOT_WAIT)
end

-- left(thread) -> boolean: is it over, or is it the running thread? Then it is not in the middle of anything.
function sched.left(thread)
	return thread == this or pending.gone(thread)
end

-- has_left(thread, object) -> boolean: the same, or is it in another wait than one on the object? Then an
-- error that the thread has caught has ended that one.
function sched.has_left(thread, object)
	return sched.left(thread)
		or coro.status(thread) == 'suspended' and (waits[thread] ~= object or sched.waiter_of(thread))
end

-- is_canceled() -> boolean: has cancel() told the running thread to end its next wait?
function sched.is_canceled()
	return canceled[this] ~= nil
end

-- take_cancel() -> boolean: has cancel() told the running thread to end its next wait? The caller is that
-- wait.
function sched.take_cancel()
	local is = canceled[this]
	canceled[this] = nil
	return is
end

sched.wake = turn.wake -- (waiter, value): ends its pause()

-- waiter(what, forget) -> waiter: the running thread's own, for pause(). A new table for each wait would cost
-- as much as the wait, and so would a look into `waiters`. Each field is there from the start, so that all
-- waiters have one layout, because compiled code is made for one. Raises where the caller cannot wait: the
-- thread that a finalizer has interrupted may itself be about to wait.
function sched.waiter(what, forget)
	local me = self()
	if not me then
		raise(CANNOT_WAIT)
	end
	local waiter = last_waiter
	if not waiter or waiter.thread ~= this then
		waiter = waiters[this]
		if not waiter then
			waiter = pending.spare() or {thread = this, me = me, co = false, timer = false, since = 0, what = what,
				forget = forget, prev = false, next = false, value = false, socket = false}
			waiter.thread = this
			waiters[this] = waiter
		end
		last_waiter = waiter
	end
	waiter.me, waiter.what, waiter.forget = me, what, forget
	return waiter
end

-- pause(waiter, deadline, [enlist], [where]) -> value | code: parks the running thread until wake(waiter,
-- value), the deadline or a cancel. When the deadline or a cancel comes first, waiter:forget() has to take
-- the waiter from where enlist(where, waiter) has put it. The waiter's `what` says what it waits for.
function sched.pause(waiter, deadline, enlist, where)
	local me, thread, outer = waiter.me, this, limit
	hold(waiter)
	local code
	if canceled[thread] then
		canceled[thread] = nil
		code = ECANCELED
	elseif deadline < NEVER then
		code = arm(waiter, deadline)
	elseif deadline ~= NEVER then -- NaN
		code = C.SOCKET2_EINVAL
	end
	if code and code < 0 then
		settle()
		return code
	end
	pending.park(thread, me)
	waiter.timer, waiter.co, waiter.since = code or false, me, time_of_turn()
	if enlist then -- it can be woken from here on, and is resumed when it has parked
		enlist(where, waiter)
	end
	local value = park(resumer)
	entered()
	this, limit, last_waiter, waiter.me = thread, outer, waiter, false
	if waiter.co then
		waiter:forget()
		release(waiter)
		raise(INTRUDER)
	elseif value == ECANCELED then
		canceled[thread] = nil
	end
	return value
end

-- waiter_of(thread) -> waiter | nil: the waiter under which the thread waits.
function sched.waiter_of(thread)
	local waiter = waiters[thread]
	return waiter and waiter.co and waiter
end

-- Is co the thread, or a generator that it waits in?
local function is_of(co, thread)
	return co and (co == thread or generators[co] == thread)
end

-- operation_of(thread) -> object, kind, co | nil: what it waits for on which object, and in which coroutine.
local function operation_of(thread)
	local object = waits[thread]
	local h = object and object.h
	for kind, waiting in pairs(waiting_for) do
		local co = h and waiting[h]
		if is_of(co, thread) then
			return object, kind, co
		end
	end
end

-- is_in_flight(h, kind) -> boolean: does a thread wait for that operation?
function sched.is_in_flight(h, kind)
	return waiting_for[kind][h] ~= nil
end

-- cancel_wait(thread): ends its wait, or else the next one that it begins, with an error.
function sched.cancel_wait(thread)
	-- This stays until a wait has ended that way, because this wait may get another result first.
	canceled[thread] = true
	local waiter = sched.waiter_of(thread)
	if waiter then
		waiter:forget()
		sched.wake(waiter, ECANCELED)
		return
	end
	local object, kind = operation_of(thread)
	if object then
		cancel(object.h, kind)
	end
end

-- hide(): the running thread is a helper of the library: it does not count, and no list shows it.
function sched.hide()
	hidden[this] = true
end

-- each_operation(f): f(thread, object, kind, co) for each thread that waits on an object.
function sched.each_operation(f)
	for thread in pairs(waits) do
		local object, kind, co = operation_of(thread)
		if object and not hidden[thread] then
			f(thread, object, kind, co)
		end
	end
end

-- each_waiter(f): f(thread, waiter) for each thread that waits under one.
function sched.each_waiter(f)
	for thread, waiter in pairs(waiters) do
		if waiter.co and not hidden[thread] then
			f(thread, waiter)
		end
	end
end

local TURN = {} -- the value that ends a turn

function TURN.forget(_, co)
	turn.not_ready(co, TURN)
end

-- yield() -> true: lets all other threads that can go on have their turn. Does nothing where the caller
-- cannot wait.
function sched.yield()
	local me, thread, outer = self(), this, limit
	if not me or not thread then
		return
	end
	hold(TURN)
	pending.park(thread, me)
	make_ready(me, TURN)
	local value = park(resumer)
	entered()
	this, limit = thread, outer
	if value ~= TURN then
		TURN.forget(TURN, me)
		raise(INTRUDER)
	end
	return true
end

-- turn(): lets the loop have its turn, too.
function sched.turn()
	turn.poll_soon()
	sched.yield()
end

-- spend([cost = 1]): to be called for work without a wait, such as a read from a buffer. When the costs
-- exceed BUDGET, the others have a turn, so that a thread that never waits does not hold them up.
local BUDGET = 256
local spent = 0
local function spend(cost)
	spent = spent + (cost or 1)
	if spent > BUDGET then
		spent = 0
		sched.turn()
	end
end
sched.spend = spend

local OPERATION = 4 -- what one costs, compared with a read from a buffer

-- over([cost]): the operation that is held is over at once.
function sched.over(cost)
	drop()
	spend(cost or OPERATION)
end

-- fail(code) -> nil, err, errcode: like lib.fail(), for a failure after which a thread may try again at once.
function sched.fail(code)
	spend(OPERATION)
	return fail(code)
end

local function failed(thread, caught)
	if failure.report(thread, caught) then
		interrupt()
	end
end

local function finish(co, ok, caught)
	settle()
	if not ok then
		failed(co, caught)
	end
	local waiter = waiters[co]
	if waiter then
		waiters[co], last_waiter = nil, nil
		pending.leave_spare(waiter)
	end
	this, waits[co] = nil, nil -- the next thread sets `this`, except one that resumed a waiting thread
	return leave(resumer)
end

local function body(co, f, ...)
	return finish(co, xpcall(f, catch, ...))
end

-- run_nested(thread, co, ...): passes control to co, on top of the caller, until the thread waits or ends. co
-- is the thread, or a generator that it waits in.
local function run_nested(thread, co, ...)
	local outer, outer_limit, outer_resumer = this, limit, resumer
	local begun = any_held() and not self() and take()
	this, resumer = thread, running()
	local ok, err = pcall(transfer, co, ...)
	this, limit, resumer = outer, outer_limit, outer_resumer
	if ok then
		drop() -- it is parked or over
	else
		settle()
	end
	if begun then
		put_back(begun)
	end
	if not ok then -- co did what coro does not allow, such as a plain coroutine.yield
		waiters[thread] = nil
		failed(thread, text_of(err))
	end
end
sched.run_nested = run_nested

-- start_thread(deadline, f, ...) -> thread: newthread() with a deadline over all that it does.
function sched.start_thread(deadline, f, ...)
	local co, outer_limit = create(body), limit
	limit = deadline
	run_nested(co, co, co, f, ...)
	limit = outer_limit
	return co
end

local function resume_all()
	local outer, me = resumer, running()
	resumer, spent = me, 0
	local ok, err = pcall(turn.hand_out, me)
	resumer, this, limit = outer, nil, NEVER
	turn.over()
	if not ok then
		settle()
		turn.again()
		failed(nil, text_of(err))
	end
end

local function look() -- at the lines in which a thread was called
	if pending.called and not turn.left() then
		pending.called = pending.overdue()
	end
end

-- Does any thread wait for what can come, or have something to get?
function sched.unfinished()
	look()
	return turn.any_ready() or turn.left() or pending.any()
end

-- A loop that calls this is interpreted. If it were compiled as a whole, it would never see the hook by which
-- the luajit program ends at Ctrl-C.
local function interpreted() end
jit.off(interpreted)

-- Polls, with the results of round(), until there is something to resume, or a turn below has resumed
-- something. It repeats itself by a tail call, because a loop that is left at once keeps LuaJIT from
-- compiling the code around it.
local function poll(deadline, once, count)
	local got = turn.take(deadline, count)
	if sched.on_poll then
		sched.on_poll()
	end
	if got == true or turn.count() ~= count then
		return true
	end
	turn.over()
	if got then
		return fail(got)
	end
	interpreted()
	if once or C.socket2_clock() >= deadline then
		return false
	end
	return poll(deadline, once, count)
end

-- round(deadline, [once]) -> true when threads were resumed | false when the deadline came first, or nothing
-- can ever happen | nil, err, errcode. With `once` also false when the loop has polled once.
function sched.round(deadline, once)
	local count = turn.count()
	settle()
	look()
	if not turn.left() and (once or not turn.any_ready() or not turn.take_ready()) then
		if deadline == NEVER and not once and not sched.unfinished() then
			return false
		end
		local ok, err, errcode = poll(deadline, once, count)
		if not ok then
			return ok, err, errcode
		end
	end
	resume_all()
	return true
end

-- on_poll(): called after every poll of the loop, before the threads run for which it has brought something.
sched.on_poll = nil

local function back(thread, outer, begun, ok, ...)
	this, limit = thread, outer
	settle()
	if begun then
		put_back(begun)
	end
	if not ok then
		error((...), 0)
	end
	return ...
end

-- outside(f, ...) -> results of f: runs f as if no thread ran, so that f can start rounds on top of a thread
-- that cannot wait.
function sched.outside(f, ...)
	local thread, outer, begun = this, limit, take()
	this, limit = nil, NEVER
	return back(thread, outer, begun, pcall(f, ...))
end

local BLOCKED = {} -- stands for the thread that runs

local function unblock(thread, outer, begun, was_blocking, ...)
	blocking = was_blocking
	return back(thread, outer, begun, ...)
end

-- block(f, ...) -> results of f: runs f in a finalizer or a hook, where its waits hold up every thread: it
-- may have interrupted a thread between two waits, and no other thread must run then.
function sched.block(f, ...)
	local thread, outer, was_blocking, begun = this, limit, blocking, take()
	this, limit, blocking = BLOCKED, NEVER, true
	return unblock(thread, outer, begun, was_blocking, pcall(f, ...))
end

-- rest(deadline): in block(), waits until then.
function sched.rest(deadline)
	local n = 0
	while n >= 0 and C.socket2_clock() < deadline do
		n = turn.poll_in_place(deadline)
	end
end

sched.in_turn = turn.runs -- () -> boolean
sched.interrupted, sched.poll_in_place = coro.interrupted, turn.poll_in_place
sched.interrupt = interrupt -- (): leaves the rest of the batch for the next round

return sched

