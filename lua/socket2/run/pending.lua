-- What the loop was asked for: operations and timers, who waits for each, and the memory of what begins.

local ffi = require'ffi'
local coro = require'coro'
local lib = require'socket2.lib'

local C = lib.C
local status, interrupted = coro.status, coro.interrupted
local type, next, pairs, error, setmetatable = type, next, pairs, error, setmetatable

local READ, WRITE = C.SOCKET2_READ, C.SOCKET2_WRITE
local TIMER, LOOKUP = C.SOCKET2_TIMER, C.SOCKET2_LOOKUP
local ETIMEOUT = C.SOCKET2_ETIMEOUT

local pending = {}

-- A stale loop is an error and no crash, so the order of finalizers at exit does not matter.
ffi.cdef'typedef struct { int32_t handle; } socket2_lua_loop;'
local owner = ffi.metatype('socket2_lua_loop', {__gc = function(o)
	C.socket2_loop_close(o.handle)
end})
local loop = C.socket2_loop_new()
if loop < 0 then
	error('socket2: ' .. ffi.string(C.socket2_error_message(loop)), 0)
end
pending.loop, pending.owner = loop, owner(loop)

-- handle -> the coroutine (the thread's own, or a generator's inside it) that waits to read, to write,
-- for a look-up; of a timer the waiter; or an object with fire(result)
local readers, writers, timers, lookups = {}, {}, {}, {}
local waiting_for = {[READ] = readers, [WRITE] = writers, [TIMER] = timers, [LOOKUP] = lookups}

-- thread -> the object with a handle `h` that it waits on
local waits = {}

pending.waiting_for, pending.waits = waiting_for, waits

-- Events to come: their number. A table is changed before the number grows and after it shrinks, so that an
-- error in between leaves it too small, never too large.
local tally = {0}
pending.tally = tally

-- any() -> boolean: is any event to come?
function pending.any()
	return tally[1] > 0 or (next(readers) or next(writers) or next(timers) or next(lookups)) ~= nil
end

-- add(handle, kind, who): `who` gets the event.
local function add(h, kind, who)
	local waiting = kind == READ and readers or waiting_for[kind]
	waiting[h] = who
	tally[1] = tally[1] + 1
end
pending.add = add

-- remove(handle, kind): its event has come.
local function remove(h, kind)
	local waiting = kind == READ and readers or waiting_for[kind]
	tally[1] = tally[1] - 1
	waiting[h] = nil
end
pending.remove = remove

-- arm(who, time) -> handle of the timer, or an error code
function pending.arm(who, time)
	local h = C.socket2_timer_new(loop, time)
	if h > 0 then
		add(h, TIMER, who)
	end
	return h
end

-- disarm(handle): it will not go off.
local function disarm(h)
	if timers[h] then
		remove(h, TIMER)
		C.socket2_timer_close(loop, h)
	end
end
pending.disarm = disarm

-- cancel(handle, kind): ends a pending operation; its event comes soon.
local function cancel(h, kind)
	if kind == LOOKUP then
		C.socket2_lookup_cancel(loop, h)
	else
		C.socket2_socket_cancel(loop, h, kind)
	end
end
pending.cancel = cancel

-- abandon(object, kind): ends an operation whose thread gets an error instead of its event.
local function abandon(object, kind)
	cancel(object.h, kind)
	if kind == READ and object.leave_behind then
		object:leave_behind()
	end
end
pending.abandon = abandon

-- release(waiter) -> coroutine: it waits no more; whoever calls this has taken it from all lists, and lets
-- the coroutine go on.
local function release(waiter)
	if waiter.timer then
		disarm(waiter.timer)
	end
	local co = waiter.co
	waiter.co, waiter.timer = false, false
	return co
end
pending.release = release

-- Waiters of threads that are over, from `top` on linked by `next`, for new threads, until the collector
-- takes them: such a table costs as much as a coroutine. A finalizer may start and end threads in the middle
-- of either function.
local spares = setmetatable({top = false}, {__mode = 'v'})

-- spare() -> waiter | nil
function pending.spare()
	local waiter = spares.top
	if waiter then
		local after = waiter.next
		if spares.top == waiter then
			spares.top = after
			return waiter
		end
	end
end

function pending.leave_spare(waiter)
	local top = spares.top
	if not (waiter.co or waiter.timer or waiter.prev) then
		waiter.thread, waiter.me, waiter.value, waiter.socket, waiter.next = false, false, nil, nil, top or false
		if spares.top == top then
			spares.top = waiter
		end
	end
end

pending.nobody = {fire = function() end} -- for an event that has nobody

-- expired(waiter) -> who, result: its time is over, and nothing else can wake it any more.
function pending.expired(waiter)
	if not waiter.co then -- it never came to wait
		return pending.nobody
	end
	waiter:forget()
	waiter.timer = false -- which has gone off
	return release(waiter), ETIMEOUT
end

-- The lines of those who want a side that another has (line.lua), by the handle and kind of what that one
-- waits for. leave(line) is called when that is over; overdue() -> boolean when a batch of the scheduler's
-- is, of this number, as long as `called` says so. Both are line.lua's.
local lines = {[READ] = {}, [WRITE] = {}, [TIMER] = {}, [LOOKUP] = {}}
pending.lines, pending.called, pending.batch = lines, false, 0

-- Takes the event of an operation that nobody waits for, and keeps the memory until then.
local orphan = {}
orphan.__index = orphan

function orphan:fire(result)
	if self.op == C.SOCKET2_OP_ACCEPT and result > 0 then
		C.socket2_socket_close(loop, result)
	end
end

-- What begins: an operation, with the memory that C gets pointers to, or the wait of a waiter. It is held
-- from before C has the pointers until its thread is parked: an error in between (of a debug hook, or for
-- want of memory) ends the frame, and nothing else would own the memory. There is one at a time, because
-- nothing yields in between. `held` is set last and cleared first: what is half done does not count.
local held, held_kind = false, nil
local data, addr, from
local parker, parked -- the thread that is about to park, and its coroutine
local outer = false -- what was held when a finalizer in the middle of that began something itself: a list

local function clear()
	held = false
	held_kind, data, addr, from, parker, parked = nil, nil, nil, nil, nil, nil
end

local function put_back(taken)
	held_kind, data, addr, from = taken.kind, taken.data, taken.addr, taken.from
	parker, parked = taken.parker, taken.parked
	held = taken.object
end

-- put_back(taken): it is held again.
pending.put_back = put_back

local function drop()
	clear()
	if outer then
		local taken = outer
		outer = taken.outer
		put_back(taken)
	end
end

-- drop(): what was held is over, or its thread is parked.
pending.drop = drop

-- gone(thread) -> boolean: is it over, or does it run, so that it is not where it was?
local function gone(thread)
	local state = status(thread)
	return state == 'dead' or state == 'running'
end
pending.gone = gone

-- Is the thread parked where it was about to?
local function landed()
	local thread, co = parker, parked -- a finalizer may begin something else meanwhile
	return thread and not gone(thread) and status(co) == 'suspended'
end

local function settle_operation(object, kind, h)
	h = h or type(object) == 'table' and object.h
	if type(h) ~= 'number' then -- a method was called with a wrong self
		return
	end
	local who = waiting_for[kind][h]
	if kind == LOOKUP then
		if who then
			remove(h, kind)
		end
		object:close()
		return
	end
	local op = C.socket2_socket_pending(loop, h, kind, nil)
	if who and who == parked or not who and op > 0 then
		if who then
			remove(h, kind)
		end
		local memory = {object = object, kind = kind, op = op, data = data, addr = addr, from = from}
		add(h, kind, setmetatable(memory, orphan))
		abandon(object, kind)
	end
end

local function settle_waiter(waiter)
	waiter:forget(parked)
	waiter.co = false
	for h, who in pairs(timers) do
		if who == waiter then
			disarm(h)
		end
	end
end

-- settle([handle]): ends what is held, unless its thread is parked. An operation is canceled, and its memory
-- kept until the event has come. `handle` is that of the operation, when the object may be closed since.
local function settle(h)
	if held and not landed() then
		if held_kind then
			settle_operation(held, held_kind, h)
		else
			settle_waiter(held)
		end
	end
	drop()
end
pending.settle = settle

-- settle_left(): settles what an error has left held. What a finalizer finds held is just about to begin.
function pending.settle_left()
	if held and not landed() and not interrupted() then
		settle()
	end
end

local function take()
	if not held or landed() then
		return
	end
	local taken = {object = held, kind = held_kind, data = data, addr = addr, from = from, parker = parker,
		parked = parked, outer = false}
	clear()
	return taken
end

-- take() -> {object =, ...} | nil: what is held, which then is held no more. For put_back().
pending.take = take

local function make_room()
	if not interrupted() then
		settle()
		return
	end
	local taken = take()
	if taken then
		taken.outer = outer
		outer = taken
	end
end

-- any_held() -> boolean
function pending.any_held()
	return held ~= false
end

-- hold(object, kind, [data], [addr], [from]): to be called before C begins an operation on the object.
-- hold(waiter): before it gets into a list.
function pending.hold(object, kind, d, a, f)
	if held then
		make_room()
	end
	held_kind, data, addr, from = kind, d, a, f
	parker = nil -- of the one before, when an error ended drop() in the middle
	held = object
end

-- memory() -> that of what is held
function pending.memory()
	return data, addr, from
end

-- park(thread, co): what is held is about to park there.
function pending.park(thread, co)
	parked = co
	parker = thread
end

return pending
