-- Threads that are steered: suspend and resume, cancel, deadlines over all they do, sets of them, and
-- a list of all that wait.

local ffi = require'ffi'
local coro = require'coro'
local lib = require'socket2.lib'
local failure = require'socket2.failure'
local sched = require'socket2.sched'
local sync = require'socket2.sync'

local C, fail, raise = lib.C, sched.fail, lib.raise
local api, loop, inside = sched.api, sched.loop, sched.inside
local waits, waiters, waiting_for = sched.waits, sched.waiters, sched.waiting_for
local generators = sched.generators
local type, select, unpack, setmetatable, pairs, ipairs, xpcall, tostring =
	type, select, unpack, setmetatable, pairs, ipairs, xpcall, tostring
local getinfo = debug.getinfo

local READ, LOOKUP = C.SOCKET2_READ, C.SOCKET2_LOOKUP
local NEVER = 1/0

-- currentthread() -> thread | nil: the socket thread that runs, also inside its generators.
api.currentthread = sched.this

local function check_thread(what, v)
	if type(v) ~= 'thread' then
		raise("bad argument #1 to '%s' (thread expected, got %s)", what, type(v))
	end
end

-- newthread(f, ...) -> thread: starts f(...) in a new socket thread and returns at its first wait,
-- or when it is over. A deadline() that the caller runs under is not over it.
function api.newthread(f, ...)
	if type(f) ~= 'function' then
		raise("bad argument #1 to 'newthread' (function expected, got %s)", type(f))
	end
	return sched.start_thread(NEVER, f, ...)
end

local function nothing() end

-- suspend(...) -> ...: waits until resume(thread, ...), whose arguments it returns; its own are what
-- resume() returns that brought the thread here. nil, err, errcode by cancel() and deadline().
function api.suspend(...)
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
	local waiter = waiters[thread]
	return waiter and waiter.co and waiter.what == 'suspend' and waiter
end

-- resume(thread, ...) -> true, ... | nil, 'not_suspended', errcode: makes the suspend() that the thread
-- waits in return `...`. It runs at once; when it waits again the caller goes on, with what it gave to
-- suspend() if it waits there.
function api.resume(thread, ...)
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

-- Is co the thread, or a generator that it waits in?
local function is_of(co, thread)
	return co and (co == thread or generators[co] == thread)
end

local function cancel(thread)
	if coro.status(thread) == 'dead' then
		return false
	end
	-- Until a wait has ended that way: something else may be faster with another result for this one.
	sched.canceled[thread] = true
	local waiter, object = waiters[thread], waits[thread]
	if waiter and waiter.co then
		waiter:forget()
		sched.wake(waiter, C.SOCKET2_ECANCELED)
		return true
	end
	local h = object and object.h
	for kind, waiting in pairs(waiting_for) do
		if h and is_of(waiting[h], thread) then
			sched.cancel(h, kind)
		end
	end
	return true
end

-- cancel(thread) -> true | false: ends its wait, or else the next one that it begins, with nil,
-- 'canceled', errcode; false when the thread is over.
function api.cancel(thread)
	check_thread('cancel', thread)
	return cancel(thread)
end

-- Runs co, in which there is a deadline, on behalf of the generator that it belongs to: what that yields
-- to knows nothing of the deadline.
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

-- deadline(time, f, ...) -> results of f: runs f(...), in which nothing waits longer than until `time`
-- (of clock()): the tightest of deadlines, expires and timeouts counts. It is over the threads of a
-- threadset, too, but not over those of newthread(). Errors go on to the caller.
function api.deadline(time, f, ...)
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

local threadset = {}
threadset.__index = threadset

-- threadset() -> ts: threads that are started, waited for and canceled together.
function api.threadset()
	return setmetatable({started = 0, running = 0, results = {}, waiters = sync.list(),
		ended = {}, first_ended = 1, last_ended = 0}, threadset)
end

local function over(self, number, ok, ...)
	local result = self.results[number]
	result.ok = ok
	if ok then
		result.n = select('#', ...)
		for i = 1, result.n do
			result[i] = select(i, ...)
		end
	else
		result.n, result[1], result.traceback = 1, failure.parts(...)
	end
	self.running = self.running - 1
	self.last_ended = self.last_ended + 1
	self.ended[self.last_ended] = number
	self.waiters:wake_all(true)
end

-- thread(f, ...) -> thread: as newthread(), but an error is kept as its result, and the deadline that
-- the caller runs under is over it.
function threadset:thread(f, ...)
	if type(f) ~= 'function' then
		raise("bad argument #1 to 'thread' (function expected, got %s)", type(f))
	end
	local number, result = self.started + 1, {}
	self.started, self.results[number] = number, result
	self.running = self.running + 1
	local limit = sched.this() and sched.deadline() or NEVER
	result.thread = sched.start_thread(limit, function(...)
		result.thread = sched.this()
		over(self, number, xpcall(f, failure.catch, ...))
	end, ...)
	return result.thread
end

local function wait(self, done, expires)
	if done(self) then
		sched.spend() -- now: another thread may take in that turn what is there
	end
	while not done(self) do
		inside'wait'
		local r = self.waiters:wait('threadset', sched.deadline(expires))
		if r ~= true then
			return fail(r)
		end
	end
	return true
end

local function all_over(self)
	return self.running == 0
end

-- In the order the threads were started; what was given by first() is missing.
local function ordered(self)
	local list = {}
	for number in pairs(self.results) do
		list[#list + 1] = number
	end
	table.sort(list)
	for i, number in ipairs(list) do
		list[i] = self.results[number]
	end
	return list
end

-- wait([expires]) -> results | nil, err, errcode: until all threads are over; one result for each that
-- first() has not given, in the order they were started: {thread =, ok = true, n =, ...what it returned} or
-- {thread =, ok = false, err, traceback =}. After an error the threads go on, and can be waited for again.
function threadset:wait(expires)
	local ok, err, errcode = wait(self, all_over, expires)
	if not ok then
		return nil, err, errcode
	end
	return ordered(self)
end

local function any_ended(self)
	return self.first_ended <= self.last_ended
end

local function any_over(self)
	return any_ended(self) or self.running == 0
end

-- first([expires]) -> result | nil, err, errcode: of the thread that ended first, and, when called
-- again, of the next; nil, 'closed' when all were given. The set forgets it.
function threadset:first(expires)
	local ok, err, errcode = wait(self, any_over, expires)
	if not ok then
		return nil, err, errcode
	elseif not any_ended(self) then
		return fail(C.SOCKET2_ECLOSED)
	end
	local at = self.first_ended
	local number = self.ended[at]
	local result = self.results[number]
	self.ended[at], self.results[number], self.first_ended = nil, nil, at + 1
	return result
end

-- cancel() -> true: cancels all threads that are not over.
function threadset:cancel()
	for _, result in ipairs(ordered(self)) do
		if result.ok == nil and result.thread then
			cancel(result.thread)
		end
	end
	return true
end

local names = setmetatable({}, {__mode = 'k'})

-- threadname(thread, [name]) -> name | nil: gets or sets what threads() calls it.
function api.threadname(thread, name)
	check_thread('threadname', thread)
	if name ~= nil then
		if type(name) ~= 'string' then
			raise("bad argument #2 to 'threadname' (string expected, got %s)", type(name))
		end
		names[thread] = name
	end
	return names[thread]
end

local operations = {
	[C.SOCKET2_OP_RECV] = 'recv', [C.SOCKET2_OP_ACCEPT] = 'accept', [C.SOCKET2_OP_SEND] = 'send',
	[C.SOCKET2_OP_CONNECT] = 'connect', [C.SOCKET2_OP_WAIT] = 'wait',
}

local since = ffi.new'double[1]'

-- What it waits for on the object, since when, and in which coroutine.
local function operation_of(thread, object)
	for kind, waiting in pairs(waiting_for) do
		local co = waiting[object.h]
		if is_of(co, thread) then
			if kind == LOOKUP then
				return 'lookup', object.since, co
			end
			local op = C.socket2_socket_pending(loop, object.h, kind, since)
			return operations[op] or kind == READ and 'recv' or 'send', since[0], co
		end
	end
end

-- Where in the program a coroutine is, and where its first function of the program's was defined.
local function places(co)
	local at, first
	for level = 0, math.huge do
		local info = getinfo(co, level, 'Sl')
		if not info then
			break
		elseif info.what ~= 'C' and not lib.is_own(info.source) then
			at = at or ('%s:%d'):format(info.short_src, info.currentline)
			first = ('%s:%d'):format(info.short_src, info.linedefined)
		end
	end
	return at, first
end

local report = {}
report.__index = report

function report:__tostring()
	local now, lines = C.socket2_clock(), {}
	for i, t in ipairs(self) do
		lines[i] = ('%s waits for %s%s since %.3f s%s at %s, started as %s'):format(t.name or tostring(t.thread),
			t.what, t.socket and ' on ' .. tostring(t.socket) or '', now - t.since,
			t.opened and ', opened at ' .. t.opened or '', t.at or '?', t.started or '?')
	end
	return table.concat(lines, '\n')
end

-- threads() -> list: all threads that wait, the longest wait first: {thread =, name =, what = 'recv',
-- since = time of clock(), socket =, opened = 'file:line' where that socket was made, at = 'file:line'
-- where it waits, started = 'file:line' of its function}. tostring() of the list is a report.
function api.threads()
	local list = setmetatable({}, report)
	local function add(thread, what, time, co, socket)
		if sched.hidden[thread] then
			return
		end
		local at, started = places(co)
		if co ~= thread then
			started = select(2, places(thread))
		end
		list[#list + 1] = {
			thread = thread, name = names[thread], what = what, since = time,
			socket = socket, opened = socket and socket.opened, at = at, started = started,
		}
	end
	for thread, object in pairs(waits) do
		local what, time, co = operation_of(thread, object)
		if what then
			add(thread, what, time, co, what ~= 'lookup' and object or nil)
		end
	end
	for thread, waiter in pairs(waiters) do
		if waiter.co then
			add(thread, waiter.what, waiter.since, waiter.co, waiter.socket or nil)
		end
	end
	table.sort(list, function(a, b) return a.since < b.since end)
	return list
end
