-- What the loop was asked for: operations and timers, what waits for each, and the memory of an operation
-- that begins.

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

-- A call on a stale loop is an error and not a crash, so the order of finalizers at exit does not matter.
ffi.cdef'typedef struct { int32_t handle; } socket2_lua_loop;'
local owner = ffi.metatype('socket2_lua_loop', {__gc = function(o)
	C.socket2_loop_close(o.handle)
end})
local loop = C.socket2_loop_new()
if loop < 0 then
	error('socket2: ' .. ffi.string(C.socket2_error_message(loop)), 0)
end
pending.loop, pending.owner = loop, owner(loop)

-- handle -> what waits to read, to write, or for a lookup: a coroutine, which is the thread's own or a
-- generator's inside it; for a timer, its waiter; or an object with fire(result)
local readers, writers, timers, lookups = {}, {}, {}, {}
local waiting_for = {[READ] = readers, [WRITE] = writers, [TIMER] = timers, [LOOKUP] = lookups}

-- thread -> the object with a handle `h` that it waits on
local waits = {}

pending.waiting_for, pending.waits = waiting_for, waits

-- The number of events to come. A table is changed before the number grows and after it shrinks, so an error
-- in between leaves the number too small, never too large.
local tally = {0}
pending.tally = tally

-- any() -> boolean: is any event to come?
function pending.any()
	return tally[1] > 0 or (next(readers) or next(writers) or next(timers) or next(lookups)) ~= nil
end

-- add(handle, kind, `who`): `who` gets the event.
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

-- arm(`who`, time) -> handle of the timer, or an error code
function pending.arm(who, time)
	local h = C.socket2_timer_new(loop, time)
	if h > 0 then
		add(h, TIMER, who)
	end
	return h
end

-- disarm(handle): it will not fire.
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

-- abandon(object, kind): ends the operation of a thread that gets an error instead of the event.
local function abandon(object, kind)
	cancel(object.h, kind)
	if kind == READ and object.leave_behind then
		object:leave_behind()
	end
end
pending.abandon = abandon

-- release(waiter) -> coroutine: ends the wait. The caller has taken the waiter from all lists, and lets the
-- coroutine go on.
local function release(waiter)
	if waiter.timer then
		disarm(waiter.timer)
	end
	local co = waiter.co
	waiter.co, waiter.timer = false, false
	return co
end
pending.release = release

-- Waiters of threads that are over, linked by `next` from `top` on, until the collector takes them. New
-- threads use them, because such a table costs as much as a coroutine. A finalizer may start and end threads
-- in the middle of either function.
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

pending.nobody = {fire = function() end} -- takes an event that nothing waits for

-- expired(waiter) -> coroutine or `nobody`, result: the waiter's time is over, and nothing else can wake it
-- any more.
function pending.expired(waiter)
	if not waiter.co then -- its thread never came to wait
		return pending.nobody
	end
	waiter:forget()
	waiter.timer = false -- which has fired
	return release(waiter), ETIMEOUT
end

-- The lines of threads that want a side that another thread uses (line.lua), by the handle and kind of that
-- thread's operation. line.lua defines two functions: leave(line) is called when that operation is over;
-- overdue() -> boolean is called after each batch of the scheduler as long as `called` is true. `batch` is
-- the number of the batch.
local lines = {[READ] = {}, [WRITE] = {}, [TIMER] = {}, [LOOKUP] = {}}
pending.lines, pending.called, pending.batch = lines, false, 0

-- An orphan takes the event of an operation that no thread waits for, and keeps the operation's memory until
-- then.
local orphan = {}
orphan.__index = orphan

function orphan:fire(result)
	if self.op == C.SOCKET2_OP_ACCEPT and result > 0 then
		C.socket2_socket_close(loop, result)
	end
end

-- What is about to begin: an operation, with the memory that C gets pointers to, or the wait of a waiter. It
-- is held from before C has the pointers until its thread is parked, because an error in between (in a debug
-- hook, or for lack of memory) ends the frame, and nothing else would own the memory. Only one thing is held
-- at a time, because nothing yields in between. `held` is set last and cleared first, so what is half done
-- does not count.
local held, held_kind = false, nil
local data, addr, from
local parker, parked -- the thread that is about to park, and its coroutine
local outer = false -- a list: what was held when a finalizer came in between and began something itself

local function clear()
	held = false
	held_kind, data, addr, from, parker, parked = nil, nil, nil, nil, nil, nil
end

local function put_back(taken)
	held_kind, data, addr, from = taken.kind, taken.data, taken.addr, taken.from
	parker, parked = taken.parker, taken.parked
	held = taken.object
end

-- put_back(taken): holds again what take() returned.
pending.put_back = put_back

local function drop()
	clear()
	if outer then
		local taken = outer
		outer = taken.outer
		put_back(taken)
	end
end

-- drop(): lets go of what is held, because it is over or its thread is parked.
pending.drop = drop

-- gone(thread) -> boolean: is it over, or does it run, so that it is not where it was parked?
local function gone(thread)
	local state = status(thread)
	return state == 'dead' or state == 'running'
end
pending.gone = gone

-- Is the thread parked where it was about to park?
local function landed()
	local thread, co = parker, parked -- copied, because a finalizer may begin something else meanwhile
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
-- is kept until the event has come. `handle` is the operation's, for an object that may have been closed
-- since.
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

-- settle_left(): settles what an error has left held. What a finalizer finds held is not left: it is about to
-- begin.
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

-- take() -> {object =, ...} | nil: lets go of what is held, and returns it for put_back().
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
-- hold(waiter): to be called before the waiter gets into a list.
function pending.hold(object, kind, d, a, f)
	if held then
		make_room()
	end
	held_kind, data, addr, from = kind, d, a, f
	parker = nil -- what was held before may have left one, if an error ended drop() in the middle
	held = object
end

-- memory() -> data, addr, from of what is held
function pending.memory()
	return data, addr, from
end

-- park(thread, co): the thread of what is held is about to park, in the coroutine co.
function pending.park(thread, co)
	parked = co
	parker = thread
end

return pending
