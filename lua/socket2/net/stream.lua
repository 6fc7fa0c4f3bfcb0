-- Sending to and buffered reading from an ordered stream of bytes: methods for classes of sockets. When what
-- receive() waits for raises, that calls leave_behind() before.
--
-- The methods wait, at most until `expires`, a time of socket.clock(): nil, 'timeout'. Failures are
-- nil, err, errcode; 'end_of_stream' when the stream ends before all of it came; 'too_long' as soon as it
-- is certain that there are more than `maxlen` bytes. A read that fails consumes nothing.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local socket = require'socket2.net.socket'
local in_line = require'socket2.run.line'.wait
local waitable = require'socket2.net.waitable'

local C, fail, raise, size_of = lib.C, sched.fail, lib.raise, socket.size_of
local fail_without_turn = lib.fail
local data_size, buffer_size = socket.data_size, socket.buffer_size
local inside, spend, deadline, this, left = sched.inside, sched.spend, sched.deadline, sched.this, sched.left
local loop, hold, wait, over = sched.loop, sched.hold, sched.wait, sched.over
local type, pcall, error = type, pcall, error
local min, max, ceil, floor = math.min, math.max, math.ceil, math.floor
local string_of, copy, cast = ffi.string, ffi.copy, ffi.cast
local new_memory, pointer, bytes = ffi.typeof'char[?]', ffi.typeof'void *', ffi.typeof'char *'
local new_slices, readable = ffi.typeof'socket2_slice[?]', ffi.typeof'const char *'

local PENDING, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_READ, C.SOCKET2_WRITE
local EINVAL, EBUSY, ECLOSED = C.SOCKET2_EINVAL, C.SOCKET2_EBUSY, C.SOCKET2_ECLOSED
local EENDOFSTREAM, ETOOLONG = C.SOCKET2_EENDOFSTREAM, C.SOCKET2_ETOOLONG
local LF, CR = 10, 13
local MAX, MAX_LINE, MAX_ALL = 2^31 - 1, 65536, 64 * 1024 * 1024

-- Of C's library, under names of our own: a program may have declared them in another way.
ffi.cdef[[
char *socket2_memchr(const char *, int, size_t) __asm__("memchr");
int socket2_memcmp(const void *, const void *, size_t) __asm__("memcmp");
]]
local memchr, memcmp = ffi.C.socket2_memchr, ffi.C.socket2_memcmp

-- The unread bytes are mem[first] to mem[last - 1]. A socket whose buffer is empty has none (rbuf is
-- false) between reads. `filling` is the memory that a thread, `filler`, receives into, else false; until
-- that is over the buffer stays as it is and nobody else reads.
local CHUNK, POOLED = 16384, 64
local pool, pooled = {}, 0

local function new_buffer()
	local b = pool[pooled]
	if b then
		pool[pooled] = nil
		pooled = pooled - 1
	end
	return b or {mem = new_memory(CHUNK), size = CHUNK, first = 0, last = 0, filling = false, filler = false,
		closed = false}
end

-- Ends a read: takes an empty buffer from the socket.
local function settle(self, b)
	if b.first == b.last and self.rbuf == b then
		self.rbuf = false
		if b.size == CHUNK and pooled < POOLED then
			b.first, b.last = 0, 0
			pooled = pooled + 1
			pool[pooled] = b
		end
	end
end

-- Ends a read that failed.
local function failed(self, b, err, errcode)
	settle(self, b)
	return nil, err, errcode
end

-- Starts a read of n bytes, nil when that is no number of bytes: the buffer | nil, err, errcode.
local open
function open(self, what, n, expires)
	self:check_thread(what)
	expires = deadline(expires, self.read_timeout) -- one for all that it receives
	if not n then
		return fail(EINVAL)
	elseif self.rbuf then
		spend() -- for what is in the buffer it would never wait
	end
	local b = self.rbuf
	if not b then
		b = new_buffer()
		self.rbuf = b
	elseif b.filling then
		if not (b.filler and left(b.filler)) then
			return fail(b.closed and ECLOSED or EBUSY)
		end
		self:leave_behind() -- an error has ended it
		return open(self, what, n, expires)
	end
	b.expires = expires
	return b
end

local function replace(b, size, data, n)
	local mem = new_memory(size)
	copy(mem, data, n)
	b.mem, b.size, b.first, b.last = mem, size, 0, n
end

-- Receives into memory + offset: n > 0 | nil, err, errcode. Nobody else has a turn between the end of
-- `filling` and the caller's last use of the buffer: a close() there would give it to another socket.
local function receive_into(self, b, memory, offset, size)
	b.filling, b.filler = memory, self.owner and this()
	local n, err, errcode = self:receive(cast(bytes, memory) + offset, size, b.expires)
	b.filling = false
	if b.closed then
		self.rbuf = false
		return fail_without_turn(ECLOSED)
	elseif n == 0 then
		return fail_without_turn(EENDOFSTREAM)
	end
	return n, err, errcode
end

-- Receives what comes next. `need`, more than there is, is how many unread bytes the caller can use.
local function fill(self, b, need)
	if b.last == b.size then
		local p, n = b.mem + b.first, b.last - b.first
		if n > b.first then
			replace(b, min(2 * b.size, ceil(need / CHUNK) * CHUNK), p, n)
		else
			copy(b.mem, p, n)
			b.first, b.last = 0, n
		end
	end
	local n, err, errcode = receive_into(self, b, b.mem, b.last, b.size - b.last)
	if n then
		b.last = b.last + n
	end
	return n, err, errcode
end

-- The functions that repeat themselves do so by tail calls: mostly there is nothing to repeat, and a loop
-- that is left at once keeps LuaJIT from compiling what is around it.

-- Receives until the buffer has n bytes: the buffer | nil, err, errcode.
local function fill_to(self, b, n)
	if b.last - b.first >= n then
		return b
	end
	local ok, err, errcode = fill(self, b, n)
	if ok then
		return fill_to(self, b, n)
	end
	return failed(self, b, err, errcode)
end

-- Starts a read and receives until the buffer has n bytes: the buffer | nil, err, errcode.
local function gather(self, what, n, expires)
	local b, err, errcode = open(self, what, n, expires)
	if b then
		return fill_to(self, b, n)
	end
	return nil, err, errcode
end

-- Consumes `size` bytes, of which the first n are the result.
local function take(self, b, n, size)
	local s = string_of(b.mem + b.first, n)
	b.first = b.first + size
	if b.first == b.last then
		settle(self, b)
	end
	return s
end

-- A number of bytes; nil for what cannot be one.
local function length(n)
	if type(n) ~= 'number' then
		raise('bad length (number expected, got %s)', type(n))
	end
	return n >= 0 and n <= MAX and n == floor(n) and n or nil
end

local function limit(maxlen, default)
	return maxlen == nil and default or maxlen == 1/0 and MAX or length(maxlen)
end

-- That of a buffer: `n`, or all of it.
local function room(buf, n)
	return n == nil and type(buf) == 'cdata' and size_of(buf, 'buffer') or length(n)
end

-- The address of a buffer; nil for NULL. Constants and numbers are errors.
local function address(buf)
	if type(buf) ~= 'cdata' and buf ~= nil then
		raise('bad buffer (cdata expected, got %s)', type(buf))
	end
	return buf ~= nil and pointer(buf) or nil
end

local stream = {rbuf = false}

local function begin_send(self, time, data, size)
	hold(self, WRITE, data)
	return C.socket2_stream_send(loop, self.h, data, size, time), 0
end

local function begin_slices(self, time, slices, count)
	hold(self, WRITE, slices)
	return C.socket2_stream_sendv(loop, self.h, slices.first, count, time), 0
end

-- Slices for C, with what they point to.
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

-- send(s | data | list, [len], [expires]) -> len | nil, err, errcode, sent: sends all of it. `data` is any
-- cdata with its length in bytes, which an array or struct need not give; a list has strings and arrays. On
-- an error `sent` is how many bytes the system took.
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

-- receive(buf, maxlen, [expires]) -> len | nil, err, errcode: recv() past the buffer of the reads.
function stream:receive(buf, maxlen, expires)
	inside'recv'
	local size, time = buffer_size(buf, maxlen), deadline(expires, self.read_timeout)
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

-- leave_behind(): to be called before receive() raises an error: what it began still points to the memory.
function stream:leave_behind()
	local b = self.rbuf
	if b and b.filling then
		self.left_behind, b.filling = b.filling, false
		replace(b, b.size, b.mem + b.first, b.last - b.first)
		self.rbuf = not b.closed and b
	end
end

-- check_thread(what): raises where receive() could not wait. For classes that can everywhere.
function stream.check_thread(_, what)
	inside(what)
end

-- recv(buf, [maxlen], [expires]) -> len | nil, err, errcode: what has come, at most maxlen (> 0) bytes; 0
-- at the end of the stream. An array or struct need not be given its length.
function stream:recv(buf, maxlen, expires)
	if not self.rbuf then
		return self:receive(buf, maxlen, expires)
	end
	local p, n = address(buf), room(buf, maxlen)
	local b, err, errcode = gather(self, 'recv', p and n and n > 0 and 1, expires)
	if b then
		n = min(n, b.last - b.first)
		copy(p, b.mem + b.first, n)
		b.first = b.first + n
		settle(self, b)
		return n
	elseif errcode == EENDOFSTREAM then
		return 0
	end
	return nil, err, errcode
end

-- recvn(buf, [n], [expires]) -> n | nil, err, errcode: n bytes into buf, or as many as the array or struct
-- has. A failure leaves some of them in buf, but they are not read.
function stream:recvn(buf, n, expires)
	local p = address(buf)
	n = p and room(buf, n)
	local direct = n and n - self:buffered() >= CHUNK
	local b, err, errcode = gather(self, 'recvn', direct and 0 or n, expires)
	if not b then
		return nil, err, errcode
	end
	local had = min(n, b.last - b.first)
	copy(p, b.mem + b.first, had)
	local got = had
	while got < n do
		local ok, more
		ok, more, err, errcode = pcall(receive_into, self, b, buf, got, n - got)
		if not ok or not more then
			if got > had then
				replace(b, max(got, CHUNK), p, got)
			end
			settle(self, b)
			if not ok then
				error(more, 0)
			end
			return nil, err, errcode
		end
		got = got + more
	end
	b.first = b.first + had
	settle(self, b)
	return n
end

-- read(n, [expires]) -> string | nil, err, errcode: n bytes.
function stream:read(n, expires)
	n = length(n)
	local b, err, errcode = gather(self, 'read', n, expires)
	if not b then
		return nil, err, errcode
	end
	return take(self, b, n, n)
end

-- peek(n, [expires]) -> string | nil, err, errcode: n bytes, which the next read gets again.
function stream:peek(n, expires)
	n = length(n)
	local b, err, errcode = gather(self, 'peek', n, expires)
	if not b then
		return nil, err, errcode
	end
	return take(self, b, n, 0)
end

-- readall([maxlen = 64 MiB], [expires]) -> string | nil, err, errcode: everything until the end of the
-- stream.
function stream:readall(maxlen, expires)
	maxlen = limit(maxlen, MAX_ALL)
	local b, err, errcode = gather(self, 'readall', maxlen and maxlen + 1, expires)
	if b then
		return fail(ETOOLONG)
	elseif errcode ~= EENDOFSTREAM then
		return nil, err, errcode
	end
	b = self.rbuf
	return b and take(self, b, b.last - b.first, b.last - b.first) or ''
end

-- Where in p[from] to p[to - 1] the delimiter begins, or bytes that do so may become one: those that end
-- the `have` bytes at p.
local function find(p, from, to, have, delim, byte)
	local at = from < to and memchr(p + from, byte, to - from) or nil
	if at == nil then
		return nil
	end
	local i = at - p
	if #delim == 1 or memcmp(at, delim, min(#delim, have - i)) == 0 then
		return i
	end
	return find(p, i + 1, to, have, delim, byte)
end

-- Reads until the delimiter, which begins at `latest` or before; in lines a '\r' before it is part of
-- it. The first `from` bytes were searched before.
local function search(self, b, from, delim, byte, maxlen, latest)
	local p, have = b.mem + b.first, b.last - b.first
	local to = min(have, latest + 1)
	local at = find(p, from, to, have, delim, byte)
	local n = at or to
	if latest > maxlen and n > 0 and p[n - 1] == CR then
		n = n - 1
	end
	if n > maxlen then
		return fail(ETOOLONG)
	elseif at and at + #delim <= have then
		return take(self, b, n, at + #delim)
	end
	local ok, err, errcode = fill(self, b, latest + #delim)
	if ok then
		return search(self, b, at or to, delim, byte, maxlen, latest)
	end
	return failed(self, b, err, errcode)
end

-- readline([maxlen = 65536], [expires]) -> line | nil, err, errcode: without its end, LF or CRLF.
function stream:readline(maxlen, expires)
	maxlen = limit(maxlen, MAX_LINE)
	local b, err, errcode = open(self, 'readline', maxlen, expires)
	if not b then
		return nil, err, errcode
	end
	return search(self, b, 0, '\n', LF, maxlen, maxlen + 1)
end

-- readuntil(delim, [maxlen = 65536], [expires]) -> string | nil, err, errcode: what is before the
-- delimiter (a string of any bytes, at least one), which is read too.
function stream:readuntil(delim, maxlen, expires)
	if type(delim) ~= 'string' then
		raise('bad delimiter (string expected, got %s)', type(delim))
	end
	maxlen = limit(maxlen, MAX_LINE)
	local b, err, errcode = open(self, 'readuntil', delim ~= '' and maxlen, expires)
	if not b then
		return nil, err, errcode
	end
	return search(self, b, 0, delim, delim:byte(), maxlen, maxlen)
end

-- lines([maxlen], [expires]) -> iterator: `for line in s:lines() do`, the lines as of readline(), and at
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

-- buffered() -> number of bytes that were received and not read
function stream:buffered()
	local b = self.rbuf
	return b and b.last - b.first or 0
end

-- wait(), as waitables have it: what is buffered is ready, too.
local wait_ready = waitable.wait
function stream:wait(what, expires)
	if what ~= 'w' and self.rbuf and not self.rbuf.filling and self:buffered() > 0 then
		inside'wait'
		return 'r'
	end
	return wait_ready(self, what, expires)
end

-- rest() -> the bytes that are buffered | nil while a thread receives into the buffer.
function stream:rest()
	local b = self.rbuf
	if not b then
		return ''
	end
	return not b.filling and string_of(b.mem + b.first, b.last - b.first) or nil
end

-- unread(s): the bytes come before those to be received. For a socket that has none buffered.
function stream:unread(s)
	self.rbuf = new_buffer()
	replace(self.rbuf, max(#s, CHUNK), s, #s)
end

-- drop_buffer(): forgets what is buffered. For close().
function stream:drop_buffer()
	local b = self.rbuf
	if b and b.filling then
		b.closed = true -- but stays with the socket: an operation points to it
	elseif b then
		b.last = b.first
		settle(self, b)
	end
end

-- close(), as waitables have it.
local close = waitable.close
function stream:close()
	self:drop_buffer()
	return close(self)
end

return stream
