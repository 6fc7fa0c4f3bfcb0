-- Channels: they carry values from one Lua state to another, between the OS threads of the process.

local ffi = require'ffi'
local coro = require'coro'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local line = require'socket2.run.line'
local pending = require'socket2.run.pending'
local sync = require'socket2.run.sync'
local cargo = require'socket2.thread.cargo'
local message = require'socket2.thread.message'
local reader = require'socket2.thread.message.reader'
local writer = require'socket2.thread.message.writer'

local C, fail, raise = lib.C, sched.fail, lib.raise
local loop, deadline, inside, left = sched.loop, sched.deadline, sched.inside, sched.left
local hold, wait, over, is_in_flight = sched.hold, sched.wait, sched.over, sched.is_in_flight
local write, read, done = message.write, message.read, message.done
local type, pcall, error, setmetatable = type, pcall, error, setmetatable
local cast, bytes, int_array = ffi.cast, message.pointer, ffi.typeof'int[?]'

local PENDING, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_READ, C.SOCKET2_WRITE
local ETIMEOUT, ECLOSED = C.SOCKET2_ETIMEOUT, C.SOCKET2_ECLOSED
local NEVER, AT_ONCE = 1/0, -1/0

-- Each side waits for the other only once in so many messages, and what is under way stays small.
local CAPACITY = 64

local channel = {}
channel.__index = channel

-- Closes a handle when its object is forgotten, like the one of waitable.lua.
ffi.cdef'typedef struct { int32_t loop, handle; } socket2_lua_channel;'
local owner_of = ffi.metatype('socket2_lua_channel', {__gc = function(self)
	C.socket2_channel_close(self.loop, self.handle)
end})

-- The line of threads that want to send on the handle, or to receive. `taken` says that a `thread` (false
-- outside threads) has the turn, which it has had since the scheduler's `batch`.
local function new_line(h, kind)
	local l = sync.list()
	l.h, l.kind, l.taken, l.thread, l.batch = h, kind, false, false, 0
	return l
end

-- number of the channel -> its object: a channel that comes again is the same object.
local objects = setmetatable({}, {__mode = 'v'})

-- made(opened, new, ...) -> channel | nil, err, errcode: for the handle that new(loop, ...) gives. The object
-- is made first, so that want of memory cannot lose the handle.
local function made(opened, new, ...)
	local owner, senders, receivers = owner_of(loop, 0), new_line(0, WRITE), new_line(0, READ)
	local self = setmetatable({h = 0, owner = owner, id = 0, opened = opened, senders = senders,
		receivers = receivers}, channel)
	local h = new(loop, ...)
	if h < 0 then
		return fail(h)
	end
	self.h, owner.handle, senders.h, receivers.h = h, h, h, h
	self.id = C.socket2_channel_id(loop, h)
	local known = objects[self.id]
	if known then
		owner.handle = 0
		C.socket2_channel_close(loop, h)
		return known
	end
	objects[self.id] = self
	return self
end

-- channel([capacity = 64]) -> channel | nil, err, errcode: holds so many messages before send() waits; with 0
-- each send() waits until its message is received.
function channel.new(capacity)
	if capacity == nil then
		capacity = CAPACITY
	elseif type(capacity) ~= 'number' then
		raise('bad capacity of a channel (number expected, got %s)', type(capacity))
	elseif capacity < 0 or capacity % 1 ~= 0 and capacity ~= 1/0 then
		raise('bad capacity of a channel (a whole number of at least 0 expected)')
	end
	return made(lib.caller(), C.socket2_channel_new, capacity < 2^31 and capacity or 2^31 - 1)
end

-- open(id) -> channel | nil, err, errcode: the channel with that number, which another state has.
function channel.open(id)
	return made(nil, C.socket2_channel_open, id)
end

local function channel_of_message(_, handle, index)
	return handle and C.socket2_message_channel(loop, handle, index) or C.SOCKET2_EINVAL
end

message.kind(message.tags.CHANNEL, channel, function(w, ch)
	local list = w.channels or {}
	w.channels = list
	list[#list + 1] = ch.h
	writer.put_number(w, message.tags.CHANNEL, #list - 1)
end, function(r)
	local index = reader.get_number(r)
	local ch, err = made(nil, channel_of_message, r.handle, index)
	return reader.add(r, ch or error('cannot receive a channel: ' .. err, 0))
end)

-- One thread at a time sends on the handle, and one receives; the other threads of this state stand in line.
-- The scheduler passes the turn on, so that nothing that happens to the thread that has the turn can stop the
-- line.

local OVER = -1 -- stands in place of a turn's batch

-- For line.watch(), as long as there is a line. A turn is also over when the thread that has had it since
-- before this batch neither has an operation in flight nor runs: an error, which the thread may have caught,
-- has stopped its call.
local function pass_turn(l)
	local waiter = l.next
	if waiter == l then
		return false
	end
	local state = l.thread and coro.status(l.thread)
	local at_it = state == 'normal' or state == 'running' or l.batch == pending.batch
		or is_in_flight(l.h, l.kind)
	if l.batch == OVER or not at_it then
		l.thread, l.batch = waiter.thread, pending.batch
		sched.wake(waiter, true)
		waiter:forget()
	end
	return true
end

local function end_turn(l)
	l.batch = OVER
	if l.next == l then
		l.taken = false
	end
end

-- Waits for the turn: true | code.
local function take_turn(self, l, what, time)
	if l.next ~= l or l.taken and (is_in_flight(l.h, l.kind) or not (l.thread and left(l.thread))) then
		inside(what)
		line.watch(l, pass_turn)
		return (l:wait(what, time, nil, self))
	end
	l.taken, l.thread, l.batch = true, sched.this(), pending.batch
	return true
end

-- A caller that cannot wait tries nevertheless, like with a queue.
local function time_of(expires)
	local time = deadline(expires)
	return sched.can_wait() and time or AT_ONCE
end

-- Raises an error after a try that failed.
local function cannot_wait(self, l, what)
	inside(what)
	l:wait(what, NEVER, nil, self)
end

-- Ends the turn, and returns the results of what was done in it or raises its error. If the error ended the
-- wait for an operation that is still in flight, the turn ends with the operation.
local function after(l, ok, ...)
	if not ok then
		sched.settle()
	end
	if ok or not is_in_flight(l.h, l.kind) then
		end_turn(l)
	end
	if not ok then
		error((...), 0)
	end
	return ...
end

-- The result of a pending operation. When the wait raises, the program loses the `sockets` that are on their
-- way.
local function result_of(self, kind, sockets)
	if not sockets then
		return (wait(self, kind))
	end
	local ok, r = pcall(wait, self, kind)
	if not ok then
		cargo.gone(sockets)
		error(r, 0)
	end
	return r
end

-- Gives the sockets away if their message was sent, and takes them back if it was not.
local function settle(self, sockets, fds, r, was_pending)
	if r >= 0 then
		cargo.gone(sockets)
		return
	end
	for i = 1, was_pending and #sockets or 0 do
		fds[i - 1] = C.socket2_channel_unsent(loop, self.h, i - 1)
	end
	cargo.unload(sockets, fds, #sockets)
end

-- Sends what the writer has, and gives back the writer: 0 | code.
local function transmit(self, w, time)
	local sockets, channels = w.sockets, w.channels
	local n, nfds, fds, r = channels and #channels or 0, sockets and #sockets or 0, nil, 0
	local handles = channels and int_array(n, channels) or nil
	if sockets then -- from here on nothing needs memory until the message owns the descriptors
		fds, r = cargo.load(sockets)
	end
	if not sockets or fds then
		hold(self, WRITE)
		r = C.socket2_channel_send(loop, self.h, w.mem, w.pos, handles, n, fds, nfds, time)
	end
	done(w)
	local was_pending = r == PENDING
	if was_pending then
		r = result_of(self, WRITE, sockets)
	end
	if fds then
		settle(self, sockets, fds, r, was_pending)
	end
	return r
end

local function sent(self, r, time)
	over(1)
	if r >= 0 then
		return true
	elseif r == ETIMEOUT and time == AT_ONCE then
		cannot_wait(self, self.senders, 'send')
	end
	return fail(r)
end

-- send_written(channel, w, [expires]) -> true | nil, err, errcode: sends what a writer has, and gives back
-- the writer.
function channel.send_written(self, w, expires)
	local time, l = time_of(expires), self.senders
	local r = take_turn(self, l, 'send', time)
	if r ~= true then
		done(w)
		return fail(r)
	end
	return sent(self, after(l, pcall(transmit, self, w, time)), time)
end

local function write_and_transmit(self, v, time)
	return transmit(self, write(v), time)
end

-- send(v, [expires]) -> true | nil, err, errcode: sends a copy of any value but nil; message.lua says which
-- values can be sent. The value is copied when the threads of this state that called send() before have had
-- their turns. 'closed' after close(); 'busy' when the value has a socket that a thread waits on. After an
-- error this state has its sockets as before.
function channel:send(v, expires)
	if v == nil then
		raise("bad argument #1 to 'send' (value expected)")
	end
	local time, l = time_of(expires), self.senders
	local r = take_turn(self, l, 'send', time)
	if r ~= true then
		return fail(r)
	end
	return sent(self, after(l, pcall(write_and_transmit, self, v, time)), time)
end

local LARGE = 65536 -- the memory of a message of more bytes is not kept for the next one

local function received(self, size, ok, ...)
	if size > LARGE or not ok then
		C.socket2_message_close(loop, self.h)
	end
	if not ok then
		error((...), 0)
	end
	return size, ...
end

-- Receives during the thread's turn: size, results of f | code
local function take(self, f, time)
	local h = self.h
	hold(self, READ)
	local n = C.socket2_channel_recv(loop, h, time)
	if n == PENDING then
		n = wait(self, READ)
	end
	if n < 0 then
		return n
	end
	return received(self, n, pcall(f, cast(bytes, C.socket2_message_data(loop, h)), n, h))
end

local function taken(self, time, n, ...)
	over(1)
	if n >= 0 then
		return ...
	elseif n == ETIMEOUT and time == AT_ONCE then
		cannot_wait(self, self.receivers, 'recv')
	end
	return fail(n)
end

-- receive(channel, f, [expires]) -> results of f | nil, err, errcode: f(mem, size, handle) reads the message.
function channel.receive(self, f, expires)
	local time, l = time_of(expires), self.receivers
	local r = take_turn(self, l, 'recv', time)
	if r ~= true then
		return fail(r)
	end
	return taken(self, time, after(l, pcall(take, self, f, time)))
end
local receive = channel.receive

-- recv([expires]) -> value | nil, err, errcode: the oldest value; 'closed' when the channel is closed and
-- empty.
function channel:recv(expires)
	return receive(self, read, expires)
end

-- values([expires]) -> iterator: `for v in ch:values() do`, until the channel is closed and empty. Other
-- failures are raised.
function channel:values(expires)
	return function()
		local v, err, errcode = receive(self, read, expires)
		if v == nil and errcode ~= ECLOSED then
			raise(err)
		end
		return v
	end
end

-- own(channel): closes the channel when this state ends, for threads elsewhere that wait for its messages.
function channel.own(self)
	C.socket2_channel_own(loop, self.h)
end

-- count() -> number of messages that wait to be received.
function channel:count()
	return C.socket2_channel_length(loop, self.h)
end

-- close() -> true: closes the channel for all states. What is in it can still be received; no more can be
-- sent, and no thread waits on it any more.
function channel:close()
	C.socket2_channel_shutdown(loop, self.h)
	return true
end

function channel:__tostring()
	return 'channel ' .. self.id
end

return channel
