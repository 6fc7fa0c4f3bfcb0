-- Sending to and reading from an ordered stream of bytes: methods for classes of sockets. C has the buffer:
-- the buffered reads are those of the core's Reader, and Lua makes a string of the result.
--
-- The methods wait, at most until `expires`, a time of socket.clock(); after that they return nil, 'timeout'.
-- Failures are nil, err, errcode: 'end_of_stream' when the stream ends before everything has come, 'too_long'
-- as soon as it is certain that there are more than `maxlen` bytes. A read that fails consumes nothing.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local socket = require'socket2.net.socket'
local in_line = require'socket2.run.line'.wait

local C, fail, raise, size_of = lib.C, sched.fail, lib.raise, socket.size_of
local data_size, buffer_size = socket.data_size, socket.buffer_size
local inside, deadline, this, has_left = sched.inside, sched.deadline, sched.this, sched.has_left
local loop, hold, wait, over = sched.loop, sched.hold, sched.wait, sched.over
local type, error = type, error
local floor = math.floor
local string_of, cast = ffi.string, ffi.cast
local new_slices, readable = ffi.typeof'socket2_slice[?]', ffi.typeof'const char *'

local PENDING, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_READ, C.SOCKET2_WRITE
local EINVAL, EBUSY, ECLOSED = C.SOCKET2_EINVAL, C.SOCKET2_EBUSY, C.SOCKET2_ECLOSED
local EENDOFSTREAM = C.SOCKET2_EENDOFSTREAM
local AT_ONCE, CR = -1/0, 13
local MAX, MAX_LINE, MAX_ALL = 2^31 - 1, 65536, 64 * 1024 * 1024
local BUFFERED = 1 -- what a read that receives nothing costs its thread; see spend()

-- What C gave for the last read that was over at once, and the handle of the stream that has begun the last
-- one: a finalizer or a hook can read in between.
local last, latest = C.socket2_loop_last_read(loop), 0

-- length(n) -> n | nil: nil if n cannot be a number of bytes.
local function length(n)
	if type(n) ~= 'number' then
		raise('bad length (number expected, got %s)', type(n))
	end
	return n >= 0 and n <= MAX and n == floor(n) and n or nil
end

local function limit(maxlen, default)
	return maxlen == nil and default or maxlen == 1/0 and MAX or length(maxlen)
end

-- room(buf, n) -> n, or by default the buffer's size in bytes.
local function room(buf, n)
	if type(buf) ~= 'cdata' and buf ~= nil then
		raise('bad buffer (cdata expected, got %s)', type(buf))
	elseif n == nil and buf ~= nil then
		return size_of(buf, 'buffer')
	end
	n = length(n)
	return buf ~= nil and n or nil
end

-- `reader` is the thread that waits for a buffered read, or OUTSIDE where no thread runs. It is set from
-- before the wait until the thread has the result, because C must keep the result until then. ABANDONED: an
-- error has ended the read.
local OUTSIDE, ABANDONED = true, 'abandoned'
local stream = {reader = false}

local function begin_send(self, time, data, size)
	hold(self, WRITE, data)
	return C.socket2_stream_send(loop, self.h, data, size, time), 0
end

local function begin_slices(self, time, slices, count)
	hold(self, WRITE, slices)
	return C.socket2_stream_sendv(loop, self.h, slices.first, count, time), 0
end

-- slices_of(list) -> slices, count: slices for C, in a table that also keeps what they point to.
local function slices_of(list)
	local count = #list
	local slices = {first = new_slices(count)}
	for i = 1, count do
		local data = list[i]
		local slice = slices.first[i - 1]
		slice.size = data_size(data)
		slice.data = type(data) == 'string' and cast(readable, data) or data
		slices[i] = data
	end
	return slices, count
end

-- send(s | data | list, [len], [expires]) -> len | nil, err, errcode, sent: sends everything. `data` is any
-- cdata, and `len` its length in bytes, which an array or struct does not need. A list has strings and
-- arrays. After an error `sent` is how many bytes the system took.
function stream:send(data, len, expires)
	inside'send'
	local begin, size = begin_send, len
	if type(data) ~= 'table' then
		size = data_size(data, len)
	elseif len == nil then
		begin, data, size = begin_slices, slices_of(data)
	else
		raise('bad length (nil expected for a list, got %s)', type(len))
	end
	local time = deadline(expires, self.write_timeout)
	local n, sent = EBUSY, 0
	if not self.wline then
		n = begin(self, time, data, size)
	end
	if n == PENDING then
		n, sent = wait(self, WRITE)
	elseif n == EBUSY then
		n, sent = in_line(self, WRITE, 'send', time, begin, data, size)
	else
		over()
	end
	if n < 0 then
		local _, err, errcode = fail(n)
		return nil, err, errcode, sent
	end
	return n
end

-- leave_behind(): an error has ended the thread that was reading.
function stream:leave_behind()
	if self.reader then
		self.reader = ABANDONED
	end
end

-- is_reading() -> boolean: is another thread in the middle of a buffered read? If an error has ended that
-- thread, what its read has taken is unread again.
local function is_reading(self)
	local reader = self.reader
	if not reader or self.h == 0 then
		return false
	elseif reader == OUTSIDE or reader ~= ABANDONED and not has_left(reader, self)
			or C.socket2_stream_undo(loop, self.h) == EBUSY then
		return true
	end
	self.reader = false
	return false
end

stream.is_reading = is_reading

-- check_thread(what): raises where a read could not wait. Classes that can wait anywhere replace it.
function stream.check_thread(_, what)
	inside(what)
end

-- recv(buf, [maxlen], [expires]) -> len | nil, err, errcode: receives what has come, at most maxlen (> 0)
-- bytes; 0 at the end of the stream. An array or struct needs no maxlen.
function stream:recv(buf, maxlen, expires)
	self:check_thread'recv'
	local size, time = buffer_size(buf, maxlen), deadline(expires, self.read_timeout)
	if self.reader and is_reading(self) then
		return fail(EBUSY)
	end
	hold(self, READ, buf)
	local n = C.socket2_stream_recv(loop, self.h, buf, size, time)
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

-- open(self, what, n, expires) -> deadline | nil, err, errcode: begins a buffered read. n is nil if the
-- program gave no valid number of bytes.
local function open(self, what, n, expires)
	self:check_thread(what)
	local time = deadline(expires, self.read_timeout) -- one for everything that it receives
	if not n then
		return fail(EINVAL)
	elseif self.reader and is_reading(self) then
		return fail(EBUSY)
	end
	latest = self.h
	return time
end

-- A thread that goes on after a wait() is interpreted until it calls a function, so what follows a wait is in
-- functions of its own.

-- located(self, n) -> n, pointer | code: where the bytes of a buffered read are, unless the stream was closed
-- before its thread ran.
local function located(self, n)
	local p = C.socket2_stream_data(loop, self.h)
	if p == nil then
		return ECLOSED
	end
	return n, p
end

-- waited(self, n) -> n, pointer | code: ends the wait for a buffered read with the result n.
local function waited(self, n)
	self.reader = false
	if n < 0 then
		return n
	end
	return located(self, n)
end

local function wait_for(self)
	self.reader = this() or OUTSIDE
	return waited(self, (wait(self, READ)))
end

-- string_at(self, p, n, [of_line]) -> string of a buffered read, and the byte behind a line. If there is no
-- memory for the string, the next read undoes this one.
local function string_at(self, p, n, of_line)
	self.reader = ABANDONED
	local s, behind = string_of(p, n), of_line and cast(readable, p)[n]
	self.reader = false
	return s, behind
end

local function string_after_wait(self, result, of_line)
	local n, p = waited(self, result)
	if n < 0 then
		return fail(n)
	end
	local s, behind = string_at(self, p, n, of_line)
	C.socket2_stream_release(loop, self.h)
	if not behind then
		return s
	end
	return s, behind
end

-- take(self, n, [of_line]) -> string | nil, err, errcode: ends a buffered read that is held, for which C has
-- returned n. With `of_line` the byte behind the line comes, too.
local function take(self, n, of_line)
	if n == PENDING then
		self.reader = this() or OUTSIDE
		return string_after_wait(self, (wait(self, READ)), of_line)
	end
	local p = last.data
	if n >= 0 and latest ~= self.h then
		n, p = located(self, n)
	end
	if n < 0 then
		over(0)
		return fail(n)
	end
	local s, behind = string_at(self, p, n, of_line)
	if last.left == 0 then
		C.socket2_stream_release(loop, self.h)
	end
	over(last.received == 0 and BUFFERED or nil)
	if not behind then
		return s
	end
	return s, behind
end

-- recvn(buf, [n], [expires]) -> n | nil, err, errcode: reads n bytes into buf, by default as many as the
-- array or struct has. A failure may leave some of them in buf, but they are not consumed.
function stream:recvn(buf, n, expires)
	n = room(buf, n)
	local time, err, errcode = open(self, 'recvn', n, expires)
	if not time then
		return nil, err, errcode
	end
	hold(self, READ, buf)
	n = C.socket2_stream_recvn(loop, self.h, buf, n, time)
	if n == PENDING then
		n = wait_for(self)
	else
		over(last.received == 0 and BUFFERED or nil)
	end
	if n < 0 then
		return fail(n)
	end
	return n
end

-- Reads n bytes with begin(), a function of C. A read of 0 bytes succeeds on a closed stream, too.
local function read_size(self, what, begin, n, expires)
	n = length(n)
	local time, err, errcode = open(self, what, n, expires)
	if not time then
		return nil, err, errcode
	end
	hold(self, READ)
	local s
	s, err, errcode = take(self, begin(loop, self.h, n, time))
	if s then
		return s
	elseif n == 0 and errcode == ECLOSED then
		return ''
	end
	return nil, err, errcode
end

-- read(n, [expires]) -> string | nil, err, errcode: reads n bytes.
function stream:read(n, expires)
	return read_size(self, 'read', C.socket2_stream_read, n, expires)
end

-- peek(n, [expires]) -> string | nil, err, errcode: n bytes, which the next read gets again.
function stream:peek(n, expires)
	return read_size(self, 'peek', C.socket2_stream_peek, n, expires)
end

-- readall([maxlen = 64 MiB], [expires]) -> string | nil, err, errcode: reads everything until the end of the
-- stream.
function stream:readall(maxlen, expires)
	maxlen = limit(maxlen, MAX_ALL)
	local time, err, errcode = open(self, 'readall', maxlen, expires)
	if not time then
		return nil, err, errcode
	end
	hold(self, READ)
	return take(self, C.socket2_stream_readall(loop, self.h, maxlen, time))
end

-- readline([maxlen = 65536], [expires]) -> line | nil, err, errcode: reads a line. Its end, LF or CRLF, is
-- consumed, but not returned.
function stream:readline(maxlen, expires)
	maxlen = limit(maxlen, MAX_LINE)
	local time, err, errcode = open(self, 'readline', maxlen, expires)
	if not time then
		return nil, err, errcode
	end
	hold(self, READ)
	return take(self, C.socket2_stream_readline(loop, self.h, maxlen, time))
end

-- count_line(maxlen, expires) -> line, number of bytes that it and its end took | nil, err, errcode
function stream:count_line(maxlen, expires)
	local time, err, errcode = open(self, 'readline', maxlen, expires)
	if not time then
		return nil, err, errcode
	end
	hold(self, READ)
	local line, behind
	line, behind, errcode = take(self, C.socket2_stream_readline(loop, self.h, maxlen, time), true)
	if not line then
		return nil, behind, errcode
	end
	return line, #line + (behind == CR and 2 or 1)
end

-- readuntil(delim, [maxlen = 65536], [expires]) -> string | nil, err, errcode: reads what is before the
-- delimiter (a string of any bytes, at least one), and consumes the delimiter, too.
function stream:readuntil(delim, maxlen, expires)
	if type(delim) ~= 'string' then
		raise('bad delimiter (string expected, got %s)', type(delim))
	end
	maxlen = limit(maxlen, MAX_LINE)
	local time, err, errcode = open(self, 'readuntil', maxlen, expires)
	if not time then
		return nil, err, errcode
	end
	hold(self, READ, delim)
	return take(self, C.socket2_stream_readuntil(loop, self.h, delim, #delim, maxlen, time))
end

-- lines([maxlen], [expires]) -> iterator: `for line in s:lines() do` gives the lines like readline(), and at
-- the end of the stream what is left, if anything. Other failures are raised.
function stream:lines(maxlen, expires)
	maxlen = limit(maxlen, MAX_LINE)
	if not maxlen then
		return fail(EINVAL)
	end
	return function()
		local line, err, errcode = self:readline(maxlen, expires)
		if errcode == EENDOFSTREAM then
			line, err = self:readall(maxlen, expires)
			if line == '' then
				return nil
			end
		end
		return line or raise(err)
	end
end

-- more([expires]) -> true | nil, err, errcode: waits until more bytes are buffered.
function stream:more(expires)
	local size = self:buffered() + 1
	local time, err, errcode = open(self, 'more', size, expires)
	if not time then
		return nil, err, errcode
	end
	hold(self, READ)
	local n = C.socket2_stream_peek(loop, self.h, size, time)
	if n == PENDING then
		n = wait_for(self)
	else
		over()
	end
	if n < 0 then
		return fail(n)
	end
	return true
end

-- buffered() -> number of bytes that were received but not read
function stream:buffered()
	if self.reader then
		is_reading(self)
	end
	local n = C.socket2_stream_buffered(loop, self.h)
	return n > 0 and n or 0
end

-- rest() -> the buffered bytes, which stay buffered | nil while a thread reads
function stream:rest()
	local n = self:buffered()
	latest = self.h
	if n == 0 then
		return ''
	elseif self.reader or C.socket2_stream_peek(loop, self.h, n, AT_ONCE) < 0 then
		return nil
	end
	local _, p = located(self, n)
	return p and string_of(p, n)
end

-- unread(s): the bytes of s come before those that are buffered.
function stream:unread(s)
	local r = C.socket2_stream_unread(loop, self.h, s, #s)
	if r < 0 then
		error(string_of(C.socket2_error_message(r)), 0)
	end
end

return stream
