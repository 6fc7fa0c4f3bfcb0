-- The classic API's TCP objects and unix stream objects: tcp{master}, which becomes tcp{client} or
-- tcp{server}.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.sched'
local addr = require'socket2.addr'
local socket = require'socket2.socket'
local modern = require'socket2.tcp'
local connect_to = require'socket2.connect'
local object = require'socket2.classic.object'
local option = require'socket2.classic.option'

local C = lib.C
local loop, wait = sched.loop, sched.wait
local fail, check, number, string_of = object.fail, object.check, object.number, object.string
local deadline = object.deadline
local type, tonumber, min, max, floor, ceil = type, tonumber, math.min, math.max, math.floor, math.ceil
local cast, bytes = ffi.cast, ffi.typeof'const char *'

local PENDING, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_READ, C.SOCKET2_WRITE
local TIMEOUT, AT_ONCE = object.TIMEOUT, object.AT_ONCE
local BUSY, ISCONN = C.SOCKET2_EBUSY, C.SOCKET2_EISCONN
local BACKLOG, MOST = 32, 2^31 - 1

-- The socket inside an object: its reads may be called anywhere.
local raw = object.class_of(modern)
raw.received, raw.sent = 0, 0

function raw.check_thread() end

-- The calls themselves, which an object over something else has others of.
function raw.recv_call(h, buf, n, time)
	return C.socket2_tcp_recv(loop, h, buf, n, time)
end

function raw.send_call(h, p, n, time)
	return C.socket2_tcp_send(loop, h, p, n, time)
end

function raw:receive(buf, n, time)
	local r = self.recv_call(self.h, buf, n, time <= 0 and AT_ONCE or time)
	if r == PENDING then
		r = wait(self, READ, buf)
	end
	if r < 0 then
		return lib.fail(r)
	end
	self.received = self.received + r
	return r
end

-- Sends what is left of n bytes, of which `sent` are gone: sent | sent, code. It repeats itself by a tail
-- call, as a loop that is left at once keeps LuaJIT from compiling what is around it.
local function send(self, time, p, n, sent, data)
	if sent == n then
		return n
	end
	local r, part = self.send_call(self.h, p + sent, n - sent, time), 0
	if r == PENDING then
		r, part = wait(self, WRITE, data)
	end
	part = r < 0 and part or r
	self.sent = self.sent + part
	if r < 0 then
		return sent + part, r
	end
	return send(self, time, p, n, sent + part, data)
end

-- Of a connect that failed, too, there is nothing to read.
local function text_of(err)
	return err == 'not_connected' and 'closed' or object.text(err)
end

local function accept(self, time)
	local r = C.socket2_tcp_accept(loop, self.h, nil, time)
	if r == PENDING then
		r = wait(self, READ)
	end
	return r
end

local function wrap(h, family)
	local s = socket.wrap(raw, h, family, C.socket2_socket_protocol(loop, h), lib.caller())
	s.birth = C.socket2_clock()
	return s
end

-- For an object that has none: all that is done with it ends as with one that is closed.
local none = socket.wrap(raw, 0, C.SOCKET2_INET, 0)
none.birth = 0

-- A whole number as C takes it from one.
local function whole(n)
	n = n < 0 and ceil(n) or floor(n)
	return n == n and max(min(n, 2^53), -2^53) or -2^53
end

local open = object.opener(C.socket2_tcp_new, wrap)

-- receive method of ours -> f(object, max) -> line, bytes taken | nil, err: a line of at most max bytes with
-- its end, which is LF; what is longer is 'too_long'.
local line_readers = {}

-- A kind of objects, 'tcp' or 'unixstream': their maker and their methods. Those of a stream alone fit
-- objects over other classes, too, that have what `raw` has.
local function define(kind)
	local master, client, server = kind .. '{master}', kind .. '{client}', kind .. '{server}'
	local unix = kind ~= 'tcp'
	local methods = {}
	local new = object.class(kind, methods)

	local function look_up(self, host, port)
		return object.look_up(host, port, 'tcp', unix and 'unix' or self.family)
	end

	local function arguments(host, port)
		host = string_of(2, host)
		if unix then
			return host, nil
		end
		return host, string_of(3, port)
	end

	function methods:bind(host, port)
		check(self, kind, master)
		host, port = arguments(host, port)
		local ai, err = look_up(self, host ~= '*' and host or nil, port)
		while ai do
			local s, code = open(self, C.socket2_addr_family(addr.pointer(ai)))
			local r = s and C.socket2_socket_bind(loop, s.h, addr.pointer(ai)) or code
			if r >= 0 then
				s.bound = true
				return 1
			end
			err, ai = r, ai:next()
		end
		return fail(err)
	end
	methods.setsockname = methods.bind

	local function connect_pending(self, time)
		local s = self.s
		if s:remoteaddr() then
			return 0
		end
		local r = C.socket2_tcp_connect(loop, s.h, addr.pointer(self.connecting), AT_ONCE)
		if r == BUSY and time > 0 then
			r = C.socket2_socket_wait(loop, s.h, WRITE, time)
			if r == PENDING then
				r = wait(s, WRITE)
			end
			if r >= 0 then
				return connect_pending(self, AT_ONCE)
			end
		end
		return r == ISCONN and 0 or r
	end

	-- Ends the connect that an earlier call began, as all do that need its result: 0 | code
	local function finish_connect(self, time)
		local r = connect_pending(self, time)
		if r ~= TIMEOUT and r ~= BUSY then
			self.connecting = nil
		end
		return r
	end

	local function connect_at_once(self, ai)
		local r
		repeat
			local s, code = open(self, C.socket2_addr_family(addr.pointer(ai)))
			r = s and C.socket2_tcp_connect(loop, s.h, addr.pointer(ai), AT_ONCE) or code
			if r == TIMEOUT then
				self.connecting = ai
			end
			ai = ai:next()
		until r >= 0 or r == TIMEOUT or not ai
		return r
	end

	local function connect_new(self, time, host, port)
		local ai, err = look_up(self, host, port)
		if not ai then
			return err
		elseif time <= 0 then
			return connect_at_once(self, ai)
		end
		local s, code = open(self, C.socket2_addr_family(addr.pointer(ai)))
		if not s then
			return code
		end
		s.any_family = not self.family
		local ok, word = object.wait(connect_to, s, ai, time)
		if word == 'timeout' and s.h ~= 0 then -- the system goes on with it
			self.connecting = ai
		end
		return ok and 0 or word
	end

	-- Whatever comes of it, the object is a client's then: a connect that goes on in the background needs
	-- no second call.
	function methods:connect(host, port)
		check(self, kind, unix and master)
		host, port = arguments(host, port)
		local time, s, r = deadline(self), self.s
		if self.connecting then
			r = finish_connect(self, time)
			r = r == TIMEOUT and time <= 0 and BUSY or r -- as there
		elseif s and s.h ~= 0 and (self.class == server or s:remoteaddr()) then
			r = ISCONN
		else
			r = connect_new(self, time, host, port)
		end
		if not unix then
			self.class = client
		end
		if r ~= 0 then
			return fail(r)
		end
		self.class = client
		return 1
	end
	methods.setpeername = methods.connect

	function methods:listen(backlog)
		check(self, kind, master)
		backlog = whole(number(2, backlog, BACKLOG))
		backlog = max(min(backlog, MOST), -MOST)
		local s = self.s or none
		local r = s.h ~= 0 and C.socket2_tcp_listen(loop, s.h, backlog) or C.SOCKET2_EDESCRIPTOR
		if r < 0 then
			return fail(r)
		end
		self.class = server
		return 1
	end

	function methods:accept()
		check(self, kind, server)
		local s = self.s or none
		local h = accept(s, deadline(self))
		if h < 0 then
			return fail(h)
		end
		return new(client, {s = wrap(h, s.owner.family)})
	end

	-- The socket to read from or to write to; with an error code when that is not possible yet, or no more.
	local function connected_socket(self, time)
		if self.connecting then
			local r = finish_connect(self, time)
			if r < 0 then
				return none, r == BUSY and TIMEOUT or r
			end
		end
		return self.s or none
	end

	function methods:send(data, i, j)
		check(self, kind, client)
		data = string_of(2, data)
		i, j = whole(number(3, i, 1)), whole(number(4, j, -1))
		local size = #data
		i = max(i < 0 and size + i + 1 or i, 1)
		j = min(j < 0 and size + j + 1 or j, size)
		local time, left = deadline(self), j - i + 1
		local s, r = connected_socket(self, time)
		if r and left > 0 then
			return nil, object.text(r), i - 1
		end
		local sent
		sent, r = send(s, time, cast(bytes, data) + (i - 1), max(left, 0), 0, data)
		if r then
			return nil, object.text(r), i + sent - 1
		end
		return i + sent - 1, nil, nil
	end

	local function line(s, time)
		local data, err = s:readuntil('\n', 1/0, time)
		return data and data:gsub('\r', ''), err
	end

	local function all(s, time)
		local data, err = s:readall(1/0, time)
		if data == '' then
			return nil, 'closed'
		end
		return data, err
	end

	local function exactly(s, time, n, prefix)
		n = floor(n) - #prefix
		if n > 0 then
			return s:read(min(n, MOST), time)
		elseif prefix ~= '' then
			return ''
		end
		local first, err = s:peek(1, time) -- as there: it waits for a byte that it does not take
		return first and '', err
	end

	function methods:receive(pattern, prefix)
		check(self, kind, client)
		prefix = string_of(3, prefix, '')
		local n = type(pattern) ~= 'table' and tonumber(pattern)
		local how = not n and string_of(2, pattern, '*l'):sub(1, 2)
		if n and (n < 0 or n ~= n) or how and how ~= '*l' and how ~= '*a' then
			object.bad_argument(2, 'invalid receive pattern')
		end
		local time = deadline(self)
		local s, code = connected_socket(self, time)
		local data, err
		if code then
			err = code
		elseif how == '*l' then
			data, err = line(s, time)
		elseif how == '*a' then
			data, err = all(s, time)
		else
			data, err = exactly(s, time, n, prefix)
		end
		if data then
			return prefix .. data, nil, nil
		end
		-- What has come goes to the caller: a failed read leaves it in the buffer.
		local part = s:buffered() > 0 and s:read(s:buffered(), time) or ''
		if how == '*l' then
			part = part:gsub('\r', '')
		end
		return nil, text_of(err), prefix .. part
	end

	line_readers[methods.receive] = function(self, most)
		check(self, kind, client)
		local time = deadline(self)
		local s, err = connected_socket(self, time)
		local data
		if not err then
			data, err = s:readuntil('\n', most - 1, time)
		end
		if data then
			return (data:gsub('\r', '')), #data + 1
		end
		return nil, text_of(err)
	end

	local directions = {both = 'rw', send = 'w', receive = 'r'}
	function methods:shutdown(how)
		check(self, kind, client)
		how = string_of(2, how, 'both')
		if not directions[how] then
			object.bad_argument(2, "invalid option '" .. how .. "'")
		end
		local s = self.s or none
		s:shutdown(directions[how])
		return 1
	end

	function methods:close()
		check(self, kind)
		if self.s then
			self.s:close()
		end
		self.connecting = nil
		return 1
	end

	function methods:dirty()
		check(self, kind)
		return self.s ~= nil and self.s:buffered() > 0
	end

	-- Received is what the program has taken.
	function methods:getstats()
		check(self, kind, client)
		local s = self.s or none
		return s.received - s:buffered(), s.sent, C.socket2_clock() - s.birth
	end

	function methods:setstats(received, sent, age)
		check(self, kind, client)
		local s = self.s or none
		local unread = s:buffered()
		received, sent = number(2, received, s.received - unread), number(3, sent, s.sent)
		age = age and number(4, age)
		if s ~= none then
			s.received, s.sent = received + unread, sent
			s.birth = age and C.socket2_clock() - age or s.birth
		end
		return 1
	end

	object.add_names(methods, kind, nil, wrap)
	option.add_methods(methods, kind)
	return object.maker(new, master, open), methods
end

return {tcp = define'tcp', unixstream = define'unixstream', define = define, raw = raw,
	line_readers = line_readers}
