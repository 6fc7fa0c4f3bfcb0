-- Objects that a thread can wait on: sockets and other descriptors.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'

local C, fail, raise = lib.C, sched.fail, lib.raise
local line = require'socket2.run.line'
local loop, wait, hold, over = sched.loop, sched.wait, sched.hold, sched.over
local type, select, pairs, setmetatable = type, select, pairs, setmetatable

local PENDING, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_READ, C.SOCKET2_WRITE

-- Timeouts of one operation in seconds, false for none; the lines (line.lua) of threads that want to read and
-- to write.
local waitable = {read_timeout = false, write_timeout = false, lookups = false, rline = false, wline = false}
waitable.__index = waitable

-- Closes a handle when its object is forgotten. Tables have no finalizer in LuaJIT, so each object has one of
-- these. The loop is one of its fields: when a state loads these modules again (busted does), ffi.metatype()
-- gives the first type once more, and the finalizer is still the first one, which has another loop as
-- upvalue.
ffi.cdef'typedef struct { int32_t loop, handle, family, protocol; } socket2_lua_socket;'
waitable.owner_of = ffi.metatype('socket2_lua_socket', {__gc = function(self)
	C.socket2_socket_close(self.loop, self.handle)
end})

-- A class derived from this one.
function waitable:class()
	local class = {}
	for name, value in pairs(self) do -- so that finding an inherited field takes one step
		class[name] = value
	end
	class.__index = class
	return setmetatable(class, getmetatable(self))
end

-- close() -> true: closes the connection and frees the socket. Threads that wait on it get nil, 'closed'.
-- Closing twice is harmless. A wrapped descriptor itself stays open, because the program owns it.
function waitable:close()
	if self.lookups then -- lookups of names that operations on it began with
		for h in pairs(self.lookups) do
			sched.cancel(h, C.SOCKET2_LOOKUP)
		end
	end
	sched.settle_left() -- while the handle is still known
	C.socket2_socket_close(loop, self.h)
	self.h, self.owner.handle = 0, 0
	if self.rline or self.wline then
		line.close(self)
	end
	return true
end

-- fd() -> number | nil, err, errcode: the system's descriptor, which the program may only inspect.
function waitable:fd()
	local fd = C.socket2_socket_fd(loop, self.h)
	if fd < 0 then
		return fail(fd)
	end
	return fd
end

-- How many sockets were made since the last collection for want of descriptors, and when that was.
local made, collected_at, COLLECT_AFTER, COLLECT_EVERY = 0, -1/0, 100, 1

-- counted(): a socket was made.
function waitable.counted()
	made = made + 1
end

-- collected(code) -> boolean: tells whether the caller should try again after this code. Forgotten objects
-- may hold descriptors, which a collection closes. The limits keep a program that is really out of
-- descriptors from collecting all the time.
function waitable.collected(code)
	if code ~= C.SOCKET2_EMFILE then
		return false
	end
	local now = C.socket2_clock()
	if made < COLLECT_AFTER and now < collected_at + COLLECT_EVERY then
		return false
	end
	collectgarbage()
	made, collected_at = 0, C.socket2_clock()
	return true
end

-- take(h): the object has this handle from now on. An object is made before its handle, so that an error in
-- between, for want of memory, cannot lose the handle.
function waitable:take(h)
	self.h, self.owner.handle = h, h
end

-- opened_by(new, ...) -> handle | code: calls new(...), a C function that makes a socket.
function waitable.opened_by(new, ...)
	local h = new(...)
	if waitable.collected(h) then
		h = new(...)
	end
	return h
end

local function seconds(what, v)
	if v == nil then
		return false
	elseif type(v) ~= 'number' then
		raise('bad %s timeout (number expected, got %s)', what, type(v))
	end
	return v
end

local function negative(v)
	return v and (v < 0 or v ~= v)
end

-- settimeout([read], [write]) -> true | nil, err, errcode: sets how long, in seconds, an operation without
-- its own `expires` may wait. nil is forever, the default. One argument sets both.
function waitable:settimeout(read, ...)
	read = seconds('read', read)
	local write = read
	if select('#', ...) > 0 then
		write = seconds('write', (...))
	end
	if negative(read) or negative(write) then
		return fail(C.SOCKET2_EINVAL)
	end
	self.read_timeout, self.write_timeout = read, write
	return true
end

local function wait_one(self, kind, deadline)
	hold(self, kind)
	local r = C.socket2_socket_wait(loop, self.h, kind, deadline)
	if r == PENDING then
		return (wait(self, kind))
	end
	over()
	return r
end

-- Waits for both in two threads. The wait that ends first ends the other one.
local function wait_either(self, deadline)
	if not sched.can_wait() then
		return wait_one(self, READ, deadline), PENDING -- which raises
	end
	local h = self.h
	local reading, writing, write = false, true, nil
	sched.start_thread(deadline, function()
		sched.hide()
		write = wait_one(self, WRITE, deadline)
		writing = false
		if reading then
			sched.cancel(h, READ)
		end
	end)
	hold(self, READ)
	local read = C.socket2_socket_wait(loop, h, READ, deadline)
	if read ~= PENDING then
		over()
	else
		if not writing then
			sched.cancel(h, READ)
		end
		reading = true
		read = wait(self, READ)
		reading = false
	end
	if writing then
		sched.cancel(h, WRITE)
		while writing do -- otherwise the socket would be busy for the next write
			sched.turn()
		end
	end
	return read, write
end

-- wait('r' | 'w' | 'rw', [expires]) -> 'r' | 'w' | 'rw' | nil, err, errcode: waits until reading (or
-- accepting) or writing would not block, and holds no buffer meanwhile. The end of the stream and errors
-- count as ready. Returns what the socket is ready for.
function waitable:wait(what, expires)
	sched.inside'wait'
	local r
	if what == 'r' then
		r = wait_one(self, READ, sched.deadline(expires, self.read_timeout))
	elseif what == 'w' then
		r = wait_one(self, WRITE, sched.deadline(expires, self.write_timeout))
	elseif what == 'rw' then
		local w
		r, w = wait_either(self, sched.deadline(expires, self.read_timeout))
		if r >= 0 or w >= 0 then
			return r < 0 and 'w' or w < 0 and 'r' or 'rw'
		elseif r == C.SOCKET2_ECANCELED then
			r = w
		end
	else
		raise('bad direction (r, w or rw expected)')
	end
	if r < 0 then
		return fail(r)
	end
	return what
end

return waitable
