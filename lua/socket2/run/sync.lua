-- What threads wait for of each other: events, semaphores, queues. Waiting suspends the thread, never
-- the process; waiters are served in the order they came.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'

local C, fail, raise = lib.C, sched.fail, lib.raise
local pause, wake, deadline, spend, inside = sched.pause, sched.wake, sched.deadline, sched.spend,
	sched.inside
local own_waiter, hold, settle, drop = sched.waiter, sched.hold, sched.settle, sched.drop
local type, setmetatable, floor = type, setmetatable, math.floor

local CLOSED = C.SOCKET2_ECLOSED

local sync = {}

-- A list of waiters, doubly linked through them, so that one whose time is over leaves at once.
local list = {}
list.__index = list

local function new_list()
	local l = setmetatable({}, list)
	l.prev, l.next = l, l
	return l
end

local function forget(waiter)
	waiter.prev.next, waiter.next.prev = waiter.next, waiter.prev
end

-- wait(what, deadline, [value], [socket]) -> value of the wake, or a code; and the waiter's `value`, which
-- whoever wakes it may set. For threads(): what it waits for, and on which socket.
function list:wait(what, time, value, socket)
	local last
	local waiter = own_waiter(what, forget)
	waiter.value, waiter.socket = value, socket
	repeat
		last = self.prev
		waiter.prev, waiter.next = last, self
		hold(waiter)
	until self.prev == last or drop() -- a finalizer that waits may have changed the list
	last.next, self.prev = waiter, waiter
	local r = pause(waiter, time)
	value = waiter.value
	waiter.value, waiter.socket = nil, nil
	return r, value
end

-- pop() -> waiter | nil: the one that came first, taken out, for wake().
function list:pop()
	settle() -- it may be in this list
	local waiter = self.next
	if waiter ~= self then
		waiter:forget()
		return waiter
	end
end

function list:wake_all(value)
	for waiter in list.pop, self do
		wake(waiter, value)
	end
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

-- event() -> event: a flag to wait for.
function sync.event()
	return setmetatable({waiters = new_list(), is_set = false}, event)
end

-- set(): wakes all who wait; who comes later does not wait, until clear().
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
	return setmetatable({waiters = new_list(), n = count('number of permits', n, 0)}, semaphore)
end

-- take([expires]) -> true | nil, err, errcode: one permit, as soon as there is one.
function semaphore:take(expires)
	if self.n > 0 then
		self.n = self.n - 1
		spend()
		return true
	end
	inside'take'
	return result((self.waiters:wait('semaphore', deadline(expires))))
end

-- give([n=1]): that many permits back, to those who wait first.
function semaphore:give(n)
	n = n == nil and 1 or count('number of permits', n, 1)
	while n > 0 do
		local waiter = self.waiters:pop()
		if not waiter then
			break
		end
		wake(waiter, true)
		n = n - 1
	end
	self.n = self.n + n
end

local queue = {}
queue.__index = queue

-- queue([max]) -> queue: values on their way from those who push to those who pop; at most `max` (> 0)
-- of them, then push() waits.
function sync.queue(max)
	max = max == nil and 1/0 or count('size of a queue', max, 1)
	return setmetatable({max = max, first = 1, last = 0, closed = false,
		pushers = new_list(), poppers = new_list()}, queue)
end

local function append(self, value)
	self.last = self.last + 1
	self[self.last] = value
end

-- push(value, [expires]) -> true | nil, err, errcode: any value but nil. 'closed' after close().
function queue:push(value, expires)
	if value == nil then
		raise("bad argument #1 to 'push' (value expected)")
	elseif self.closed then
		return fail(CLOSED)
	end
	local popper = self.poppers:pop()
	if popper then
		popper.value = value
		wake(popper, true)
	elseif self:count() < self.max then
		append(self, value)
	else
		inside'push'
		return result((self.pushers:wait('queue', deadline(expires), value)))
	end
	spend()
	return true
end

-- pop([expires]) -> value | nil, err, errcode: the oldest; 'closed' when there is none and will be none.
function queue:pop(expires)
	if self:count() > 0 then
		local first = self.first
		local value = self[first]
		self[first], self.first = nil, first + 1
		local pusher = self.pushers:pop()
		if pusher then
			append(self, pusher.value)
			wake(pusher, true)
		end
		spend()
		return value
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

-- close(): what is in the queue can still be popped; nothing more gets in, and nobody waits any more.
function queue:close()
	if not self.closed then
		self.closed = true
		self.pushers:wake_all(CLOSED)
		self.poppers:wake_all(CLOSED)
	end
	return true
end

sync.classes = {event = event, semaphore = semaphore, queue = queue}

return sync
