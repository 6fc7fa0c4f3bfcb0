-- The sockets inside the drop-in's tcp and unix stream objects. Their operations may be called anywhere.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local socket = require'socket2.net.socket'
local waitable = require'socket2.net.waitable'
local modern = require'socket2.net.tcp'
local object = require'socket2.luasocket.object'

local C = lib.C
local loop, hold, wait, over = sched.loop, sched.hold, sched.wait, sched.over
local in_line = object.in_line
local min = math.min

local PENDING, READ, WRITE, BUSY = C.SOCKET2_PENDING, C.SOCKET2_READ, C.SOCKET2_WRITE, C.SOCKET2_EBUSY
local STEP = 8192 -- bytes in one wait where its length is limited; LuaSocket has the same

local raw = object.class_of(modern)
raw.received, raw.sent = 0, 0 -- how many bytes the program has received and sent
raw.each = false -- seconds that each of its waits may take

function raw.check_thread() end

-- When a wait that begins now has to end, in a call that has until `time`.
local function end_of_wait(self, time)
	return self.each and min(time, C.socket2_clock() + self.each) or time
end

local function begin_send(self, time, p, n, data)
	hold(self, WRITE, data)
	return C.socket2_stream_send(loop, self.h, p, n, time), 0
end

-- send(...) -> sent | sent, code: sends what is left of n bytes, of which `sent` are gone. All of it comes
-- before or after what other threads send on the socket, because no other thread runs between the end of a
-- step and the start of the next. It repeats itself by a tail call, because a loop that is left at once keeps
-- LuaJIT from compiling the code around it.
local function send(self, time, p, n, sent, data)
	if sent == n then
		return n
	end
	local step, ends = n - sent, end_of_wait(self, time)
	if self.each and step > STEP then
		step = STEP
	end
	local r, part = BUSY, 0
	if sent > 0 or not self.wline then
		r, part = begin_send(self, ends, p + sent, step, data)
	end
	if r == PENDING then
		r, part = wait(self, WRITE)
	elseif r == BUSY then
		r, part = in_line(self, WRITE, 'send', ends, begin_send, p + sent, step, data)
	elseif r < 0 or sent + r == n then -- between its steps no other thread has a turn
		over()
	end
	part = r < 0 and part or r
	self.sent = self.sent + part
	if r < 0 then
		return sent + part, r
	end
	return send(self, time, p, n, sent + part, data)
end

local function begin_accept(self, time)
	hold(self, READ)
	return C.socket2_tcp_accept(loop, self.h, nil, time), 0
end

local accept
function accept(self, time)
	local r = BUSY
	if not self.rline then
		r = begin_accept(self, time)
	end
	if r == PENDING then
		r = wait(self, READ)
	elseif r == BUSY then
		r = in_line(self, READ, 'accept', time, begin_accept)
	else
		over()
	end
	return r < 0 and waitable.collected(r) and accept(self, time) or r
end

-- For an object without a socket: all operations on this one end like those on a closed socket.
local none = socket.wrap(raw, 0, C.SOCKET2_INET, 0)
none.birth = 0

return {class = raw, send = send, accept = accept, none = none}
