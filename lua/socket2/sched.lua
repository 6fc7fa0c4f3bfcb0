-- The scheduler: socket threads over coroutines. The only place that yields and the only one that
-- polls. An operation that is pending parks its thread here under (handle, kind); the event that
-- ends it is drained from the loop in a batch and resumes the thread.

local ffi = require'ffi'
local coro = require'coro'
local lib = require'socket2.lib'

local C, fail, raise = lib.C, lib.fail, lib.raise
local create, running, transfer = coro.create, coro.running, coro.transfer
local self, park, enter, leave = coro.self, coro.park, coro.enter, coro.leave
local error, type, tostring, pcall, xpcall = error, type, tostring, pcall, xpcall
local traceback = debug.traceback
local max = math.max

local READ = C.SOCKET2_READ
local FOREVER = 2^31 - 1 -- seconds; longer waits are for ever

local sched = {}

-- The public table, require'socket2': users set its `onerror`.
local api = {}
sched.api = api

-- A stale loop is an error and no crash, so the order of finalizers at exit does not matter.
ffi.cdef'typedef struct { int32_t handle; } socket2_lua_loop;'
local owner = ffi.metatype('socket2_lua_loop', {__gc = function(o)
	C.socket2_loop_close(o.handle)
end})
local loop = C.socket2_loop_new()
if loop < 0 then
	error('socket2: ' .. ffi.string(C.socket2_error_message(loop)), 0)
end
sched.loop, sched.owner = loop, owner(loop)

local inside = false -- a socket thread runs
local resumer        -- who gets control when it waits: the poller, or its starter
local nwaiting = 0

-- handle -> the coroutine (the thread's own, or a generator's inside it) that waits to
local readers, writers = {}, {}

-- Raises unless in a socket thread: I/O elsewhere would have nowhere to wait.
function sched.inside(what)
	if not inside then
		raise('%s() outside a socket thread: call it in a function that is passed to'
			.. ' socket.newthread()', what)
	end
end

local detail = 0 -- of the event that resumes a thread

-- In a thread's place: takes the event of its operation, and keeps the memory until then.
local function stand_in(...)
	local memory = {...}
	return create(function()
		return leave(resumer, memory)
	end)
end

-- Parks the running thread until the pending operation is over; returns its result and the event's
-- detail. `socket`, and `data`, `addr`, `from` (the memory that C has pointers to), stay alive until then.
local function wait(socket, kind, data, addr, from)
	local me, h = self(), socket.h
	local waiting = kind == READ and readers or writers
	waiting[h] = me or stand_in(socket, data, addr, from)
	nwaiting = nwaiting + 1
	if not me then
		raise('I/O cannot wait here, inside a plain coroutine or a function that C calls (of string.gsub,'
			.. ' table.sort, require). Coroutines can: make them with coro.wrap or coro.create, or call'
			.. ' coro.install() at the start of the program')
	end
	local result = park(resumer)
	if waiting[h] == me then
		waiting[h] = stand_in(socket, data, addr, from)
		raise'a thread that waits for I/O was resumed by something else than its event'
	end
	inside = true
	-- Callers take the first two. The others are here because the collector may take what compiled
	-- code has no more use for.
	return result, detail, socket, data, addr, from
end
sched.wait = wait

local failures = {} -- of threads: raised by the next poll
local interrupted = false -- by stop() or a failure: the rest of the batch is for the next poll

local function text_of(err)
	local ok, text = pcall(tostring, err)
	return ok and type(text) == 'string' and text or 'an error that has no text'
end

local function on_failure(err)
	return {err = err, trace = traceback(text_of(err), 2)}
end

-- What xpcall gave: a table of on_failure's, or text of Lua itself, when no stack or memory was left
-- for on_failure.
local function parts_of(failure)
	if type(failure) == 'string' then
		return failure, failure
	end
	return failure.err, failure.trace
end

local function failed(co, failure)
	local err, trace = parts_of(failure)
	local onerror = api.onerror
	if onerror then
		local ok, failure1 = xpcall(onerror, on_failure, co, err, trace)
		if ok then
			return
		end
		failures[#failures + 1] = trace
		trace = select(2, parts_of(failure1))
	end
	failures[#failures + 1] = trace
	interrupted = true
end

local function finish(co, ok, failure)
	if not ok then
		failed(co, failure)
	end
	inside = false -- whoever goes on knows better, but for one that resumed a waiting thread
	return leave(resumer)
end

local function body(f, ...)
	return finish(self(), xpcall(f, on_failure, ...))
end

-- newthread(f, ...) -> thread: starts f(...) in a new socket thread and returns at its first wait,
-- or when it is over.
function api.newthread(f, ...)
	if type(f) ~= 'function' then
		raise("bad argument #1 to 'newthread' (function expected, got %s)", type(f))
	end
	local co = create(body)
	local outer_inside, outer_resumer = inside, resumer
	inside, resumer = true, running()
	local ok, err = pcall(transfer, co, f, ...)
	inside, resumer = outer_inside, outer_resumer
	if not ok then -- it did what coro cannot let it do, such as a plain coroutine.yield
		failed(co, text_of(err))
	end
	return co
end

local stopping = false
local starting = false -- in start(), which a stop() and an error end

local function raise_failure()
	local trace = failures[1]
	if trace then
		if starting then
			starting, stopping = false, false
		end
		table.remove(failures, 1)
		error(trace, 0)
	end
end

-- A batch of events and the coroutines that wait for them. They are matched as soon as they are
-- drained, before any runs: one may start a new wait on a socket whose event another has yet to get.
-- What an error leaves of the batch is for the next poll.
local CAPACITY = 64
local events = ffi.new('socket2_event[?]', CAPACITY)
local resumees, results, details = {}, {}, {}
local next_event, event_count = 1, 0

local function drain(deadline)
	local n = C.socket2_poll(loop, events, CAPACITY, deadline)
	if n <= 0 then
		return n
	end
	for i = 1, n do
		local e = events[i - 1]
		local handle = e.handle
		local waiting = e.kind == READ and readers or writers
		resumees[i], results[i], details[i] = waiting[handle], e.result, e.detail
		waiting[handle] = nil
	end
	next_event, event_count = 1, n
	nwaiting = nwaiting - n
	return n
end

local function resume_each(me)
	for i = next_event, event_count do
		local co = resumees[i]
		resumees[i] = false
		next_event, detail = i + 1, details[i]
		enter(me, co, results[i])
		if interrupted then
			return
		end
	end
end

local function resume_all()
	local outer, me = resumer, running()
	resumer = me
	interrupted = false
	local ok, err = pcall(resume_each, me)
	resumer, inside = outer, false
	if not ok then
		failed(nil, text_of(err))
	end
	raise_failure()
end

-- Does any thread wait, or have an event to get?
local function unfinished()
	return nwaiting > 0 or next_event <= event_count
end

local function deadline_of(timeout)
	if not timeout or timeout > FOREVER then
		return 1/0
	end
	return C.socket2_clock() + max(timeout, 0)
end

local function check_outside(what, timeout)
	if inside then
		raise('%s() inside a socket thread: it would wait for itself', what)
	elseif timeout ~= nil and type(timeout) ~= 'number' then
		raise("bad argument #1 to '%s' (number expected, got %s)", what, type(timeout))
	end
end

-- One round: true when threads were resumed, false when the deadline came first or nothing can ever
-- happen.
local function poll(deadline)
	raise_failure()
	if next_event > event_count then
		if nwaiting == 0 and deadline == 1/0 then
			return false
		end
		repeat
			local n = drain(deadline)
			if n < 0 then
				return fail(n)
			elseif n == 0 and C.socket2_clock() >= deadline then
				return false
			end
		until n > 0
	end
	resume_all()
	return true
end

-- poll([timeout]) -> true | false, 'timeout' | nil, err, errcode: waits for I/O, at most `timeout`
-- seconds (default: for ever), and resumes the threads it is for. With nothing to wait for, and no
-- timeout, it gives up at once. Raises the error of a thread that failed.
function api.poll(timeout)
	check_outside('poll', timeout)
	local ok, err, errcode = poll(deadline_of(timeout))
	if ok == false then
		return false, 'timeout', C.SOCKET2_ETIMEOUT
	end
	return ok, err, errcode
end

-- start([timeout]) -> true | false, 'timeout' | nil, err, errcode: polls until stop() is called or no
-- thread waits for anything (true), or `timeout` seconds are over (false). Raises the error of a
-- thread that failed; the loop can be started again.
function api.start(timeout)
	check_outside('start', timeout)
	local deadline = deadline_of(timeout)
	local ok, err, errcode = true, nil, nil
	starting = true
	while ok and not stopping and (unfinished() or failures[1]) do
		ok, err, errcode = poll(deadline)
		if ok and unfinished() and deadline < 1/0 and C.socket2_clock() >= deadline then
			ok = stopping
		end
	end
	starting, stopping = false, false
	if ok == false then
		return false, 'timeout', C.SOCKET2_ETIMEOUT
	elseif not ok then
		return nil, err, errcode
	end
	return true
end

-- stop(): makes the start() that runs return after the present thread's turn; without one, the next
-- start() returns at once. The threads stay as they are.
function api.stop()
	stopping, interrupted = true, true
end

-- epoll_fd([fd]) -> fd | nil, err, errcode: the loop's epoll descriptor. Setting one makes the loop
-- work on a duplicate of it; only before the first socket ('busy').
function api.epoll_fd(fd)
	local n
	if fd == nil then
		n = C.socket2_loop_epoll_fd(loop)
	elseif type(fd) == 'number' then
		n = C.socket2_loop_set_epoll_fd(loop, fd)
	else
		raise("bad argument #1 to 'epoll_fd' (number expected, got %s)", type(fd))
	end
	if n < 0 then
		return fail(n)
	end
	return n
end

-- iocp([handle]) -> handle | nil, err, errcode: Windows' completion port; elsewhere 'not_supported'.
function api.iocp()
	return fail(C.socket2_loop_iocp(loop, ffi.new'intptr_t[1]'))
end

return sched
