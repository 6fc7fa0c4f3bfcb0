-- How threads wait for each other: events, semaphores, queues. Waiting suspends the thread, never the
-- process; waiters are served in the order in which they came.

local coro = require'coro'
local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local sched = require'socket2.run.sched'

local C, fail, raise = lib.C, sched.fail, lib.raise
local pause, wake, deadline, spend, inside = sched.pause, sched.wake, sched.deadline, sched.spend,
	sched.inside
local own_waiter, settle_left, can_wait = sched.waiter, sched.settle_left, sched.can_wait
local interrupted = coro.interrupted
local type, setmetatable, floor = type, setmetatable, math.floor

local CLOSED = C.SOCKET2_ECLOSED

local sync = {}

-- A finalizer can run wherever memory is allocated or compiled code is left, so also between a look at an
-- object's state and the change that follows. Code that looks and then changes does so in alone(). What a
-- finalizer (or a hook) asks for in the middle of that is put off until it is over.
local changing = false
local late, late_first, late_last = {}, 1, 0 -- functions, each with its two arguments

-- Has the caller interrupted a change?
local function in_between()
	if changing and not interrupted() then
		changing = false -- an error has ended the change
	end
	return changing
end

local function put_off(f, self, value)
	local last = late_last
	late[last + 1], late[last + 2], late[last + 3] = f, self, value
	late_last = last + 3
end

local function catch_up()
	changing = true
	while late_first <= late_last do
		local i = late_first
		local f, self, value = late[i], late[i + 1], late[i + 2]
		late[i], late[i + 1], late[i + 2] = nil, nil, nil
		late_first = i + 3
		f(self, value)
	end
	changing = false
	if late_first <= late_last then
		return catch_up()
	end
end

local function alone(f, self, value)
	changing = true
	local result = f(self, value)
	changing = false
	if late_first <= late_last then
		catch_up()
	end
	return result
end

-- soon(f, self, value): calls f(self, value) at once, or puts it off.
local function soon(f, self, value)
	if changing and in_between() then
		put_off(f, self, value)
	else
		alone(f, self, value)
	end
end

-- ready(): for what has a result, and so cannot be put off. A thread that a finalizer has started waits until
-- the change is over.
local function ready()
	while changing and in_between() do
		if not can_wait() then
			raise(failure.CANNOT_WAIT)
		end
		sched.turn()
	end
end

-- A list of waiters, doubly linked through them, so that a waiter leaves at once when its time is over. A
-- waiter that is in no list has no `prev`. serve(owner) wakes the waiters in the list that need not wait. It
-- is called for each new waiter, because what that waits for may have come since its thread looked.
local list = {}
list.__index = list

local function new_list(serve, owner)
	local l = setmetatable({serve = serve or false, owner = owner or false, prev = false, next = false}, list)
	l.prev, l.next = l, l
	return l
end

local function unlink(waiter)
	local prev, next = waiter.prev, waiter.next
	if prev then
		prev.next, next.prev, waiter.prev = next, prev, false
	end
end

local function forget(waiter)
	soon(unlink, waiter)
end

local function link(where, waiter)
	local last = where.prev
	waiter.prev, waiter.next = last, where
	last.next, where.prev = waiter, waiter
	local serve = where.serve
	if serve then
		serve(where.owner)
	end
end

local function enlist(where, waiter)
	alone(link, where, waiter)
end

-- wait(what, deadline, [value], [socket]) -> value of the wake, or a code; and the waiter's `value`, which
-- the code that wakes it may set. threads() shows what it waits for, and on which socket. `self` may also be
-- a waiter in a list; the new one then stands before it.
function list:wait(what, time, value, socket)
	ready()
	local waiter = own_waiter(what, forget)
	waiter.value, waiter.socket = value, socket
	local r = pause(waiter, time, enlist, self)
	value = waiter.value
	waiter.value, waiter.socket = nil, nil
	return r, value
end

-- Takes out the waiter that came first, for wake().
local function pop(l)
	local waiter = l.next
	if waiter ~= l then
		unlink(waiter)
		return waiter
	end
end

local function wake_all(l, value)
	for waiter in pop, l do
		wake(waiter, value)
	end
end

function list:wake_all(value)
	settle_left() -- what is left may be in this list
	soon(wake_all, self, value)
end
sync.list = new_list

local function result(r)
	if r == true then
		return true
	end
	return fail(r)
end

local event = {}
event.__index = event

local function serve_event(self)
	if self.is_set then
		wake_all(self.waiters, true)
	end
end

-- event() -> event: a flag to wait for.
function sync.event()
	local self = setmetatable({is_set = false, waiters = false}, event)
	self.waiters = new_list(serve_event, self)
	return self
end

-- set(): wakes all threads that wait. Those that come later do not wait, until clear().
function event:set()
	self.is_set = true
	self.waiters:wake_all(true)
end

function event:clear()
	self.is_set = false
end

-- wait([expires]) -> true | nil, err, errcode
function event:wait(expires)
	if self.is_set then
		spend()
		return true
	end
	inside'wait'
	return result((self.waiters:wait('event', deadline(expires))))
end

local semaphore = {}
semaphore.__index = semaphore

local function serve_semaphore(self)
	local waiters = self.waiters
	while self.n > 0 and waiters.next ~= waiters do
		if wake(pop(waiters), true) then
			self.n = self.n - 1
		end
	end
end

local function give(self, n)
	self.n = self.n + n
	serve_semaphore(self)
end

local function take(self)
	local n = self.n
	if n > 0 then
		self.n = n - 1
		return true
	end
	return false
end

local function count(what, n, least)
	if type(n) ~= 'number' then
		raise('bad %s (number expected, got %s)', what, type(n))
	elseif n < least or n ~= floor(n) then
		raise('bad %s (a whole number of at least %d expected)', what, least)
	end
	return n
end

-- semaphore(n) -> semaphore: with n permits.
function sync.semaphore(n)
	local self = setmetatable({n = count('number of permits', n, 0), waiters = false}, semaphore)
	self.waiters = new_list(serve_semaphore, self)
	return self
end

-- take([expires]) -> true | nil, err, errcode: takes one permit, as soon as there is one.
function semaphore:take(expires)
	ready()
	if alone(take, self) then
		spend()
		return true
	end
	inside'take'
	return result((self.waiters:wait('semaphore', deadline(expires))))
end

-- give([n=1]): gives that many permits back, first to the threads that wait.
function semaphore:give(n)
	n = n == nil and 1 or count('number of permits', n, 1)
	settle_left() -- what is left may wait for one
	soon(give, self, n)
end

local queue = {}
queue.__index = queue

local function append(self, value)
	local last = self.last + 1
	self[last] = value
	self.last = last
end

local function shift(self)
	local first = self.first
	local value = self[first]
	self[first], self.first = nil, first + 1
	return value
end

-- Gives the values to the threads that pop, then the room to those that push. A waiter's `value` is what it
-- pushes, or what it has popped.
local function serve_queue(self)
	local poppers, pushers = self.poppers, self.pushers
	while self.first <= self.last and poppers.next ~= poppers do
		local popper = pop(poppers)
		popper.value = self[self.first]
		if wake(popper, true) then
			shift(self)
		end
	end
	while pushers.next ~= pushers and self.last - self.first + 1 < self.max do
		local pusher = pop(pushers)
		append(self, pusher.value)
		if not wake(pusher, true) then
			self[self.last], self.last = nil, self.last - 1
		end
	end
	if self.closed then
		wake_all(pushers, CLOSED)
		wake_all(poppers, CLOSED)
	end
end

-- queue([max]) -> queue: values on their way from threads that push to threads that pop. While `max` (> 0)
-- values are in it, push() waits.
function sync.queue(max)
	max = max == nil and 1/0 or count('size of a queue', max, 1)
	local self = setmetatable({max = max, first = 1, last = 0, closed = false, pushers = false,
		poppers = false}, queue)
	self.pushers, self.poppers = new_list(serve_queue, self), new_list(serve_queue, self)
	return self
end

local function is_full(self)
	local poppers = self.poppers
	return self.last - self.first + 1 >= self.max and poppers.next == poppers
end

local function push(self, value)
	append(self, value)
	serve_queue(self)
end

-- push(value, [expires]) -> true | nil, err, errcode: any value but nil. 'closed' after close().
function queue:push(value, expires)
	if value == nil then
		raise("bad argument #1 to 'push' (value expected)")
	elseif self.closed then
		return fail(CLOSED)
	end
	settle_left() -- what is left may be in a list of this queue
	if is_full(self) then
		inside'push'
		return result((self.pushers:wait('queue', deadline(expires), value)))
	end
	soon(push, self, value)
	spend()
	return true
end

local function take_first(self)
	if self.first <= self.last then
		local value = shift(self)
		serve_queue(self)
		return value
	end
end

-- pop([expires]) -> value | nil, err, errcode: the oldest; 'closed' when there is none and none will come.
function queue:pop(expires)
	settle_left()
	ready()
	local v = alone(take_first, self)
	if v ~= nil then
		spend()
		return v
	elseif self.closed then
		return fail(CLOSED)
	end
	inside'pop'
	local r, value = self.poppers:wait('queue', deadline(expires))
	if r == true then
		return value
	end
	return fail(r)
end

-- count() -> number of values that wait to be popped.
function queue:count()
	return self.last - self.first + 1
end

-- close(): what is in the queue can still be popped; nothing more gets in, and no thread waits any more.
function queue:close()
	if not self.closed then
		self.closed = true
		settle_left()
		soon(serve_queue, self)
	end
	return true
end

sync.classes = {event = event, semaphore = semaphore, queue = queue}

return sync
