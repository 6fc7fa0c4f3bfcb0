-- Descriptors of the program's, of any kind: pipes, terminals, sockets of other libraries.

local lib = require'socket2.lib'
local sched = require'socket2.sched'
local socket = require'socket2.socket'
local line = require'socket2.line'
local stream = require'socket2.stream'
local waitable = require'socket2.waitable'

local C, fail, raise = lib.C, sched.fail, lib.raise
local loop, inside, deadline = sched.loop, sched.inside, sched.deadline
local hold, wait, over, in_line = sched.hold, sched.wait, sched.over, line.wait
local data_size, buffer_size = socket.data_size, socket.buffer_size
local type, pairs, setmetatable, floor = type, pairs, setmetatable, math.floor

local PENDING, BUSY, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_EBUSY, C.SOCKET2_READ, C.SOCKET2_WRITE

local fd = waitable:class()

function fd:__tostring()
	return self.h == 0 and 'fd closed' or ('fd %d'):format(self:fd())
end

-- An object for a handle that C gave, and the place in the program that opened it.
function fd.wrap(class, handle, opened)
	return setmetatable({h = handle, owner = waitable.owner_of(loop, handle), opened = opened}, class)
end

-- wrapfd(fd) -> object | nil, err, errcode: for a descriptor that stays the program's; close() this object
-- first. In blocking mode it does not block the loop, but for what others read from or write to it
-- meanwhile, and cannot be sent to unless it is a pipe, a socket or a file.
function fd.new(number)
	if type(number) ~= 'number' then
		raise("bad argument #1 to 'wrapfd' (number expected, got %s)", type(number))
	end
	local self = fd:wrap(0, lib.caller()) -- before, so that no want of memory can lose the handle
	local h = number == floor(number) and C.socket2_fd_new(loop, number) or C.SOCKET2_EDESCRIPTOR
	if h < 0 then
		return fail(h)
	end
	self.h, self.owner.handle = h, h
	return self
end

-- send() and receive() are tcp.lua's over other functions of C's. One text for both would call these through
-- upvalues, which costs an echo 4 % of its time.

local function begin_send(self, time, data, size)
	hold(self, WRITE, data)
	return C.socket2_fd_send(loop, self.h, data, size, time), 0
end

-- send(s | data, [len], [expires]) -> len | nil, err, errcode, sent: writes all of it, as a tcp's send().
function fd:send(data, len, expires)
	inside'send'
	local size, time = data_size(data, len), deadline(expires, self.write_timeout)
	local n, sent = BUSY, 0
	if not self.wline then
		n = begin_send(self, time, data, size)
	end
	if n == PENDING then
		n, sent = wait(self, WRITE)
	elseif n == BUSY then
		n, sent = in_line(self, WRITE, 'send', time, begin_send, data, size)
	else
		over()
	end
	if n < 0 then
		local _, err, errcode = fail(n)
		return nil, err, errcode, sent
	end
	return n
end

-- receive(buf, maxlen, [expires]) -> len | nil, err, errcode: recv() past the buffer of the reads.
function fd:receive(buf, maxlen, expires)
	inside'recv'
	local size, time = buffer_size(buf, maxlen), deadline(expires, self.read_timeout)
	hold(self, READ, buf)
	local n = C.socket2_fd_recv(loop, self.h, buf, size, time)
	if n == PENDING then
		n = wait(self, READ)
	else
		over()
	end
	if n < 0 then
		return fail(n)
	end
	return n
end

for name, method in pairs(stream) do
	fd[name] = method
end

return fd
