-- The classic API's TCP objects and unix stream objects: tcp{master}, which becomes tcp{client} or
-- tcp{server}.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local addr = require'socket2.net.addr'
local socket = require'socket2.net.socket'
local waitable = require'socket2.net.waitable'
local modern = require'socket2.net.tcp'
local connect_to = require'socket2.net.connect'
local object = require'socket2.luasocket.object'
local option = require'socket2.luasocket.option'
local receive = require'socket2.luasocket.receive'

local C = lib.C
local loop, hold, wait, over = sched.loop, sched.hold, sched.wait, sched.over
local fail, check, number, string_of = object.fail, object.check, object.number, object.string
local deadline, in_line, change_class = object.deadline, object.in_line, object.change_class
local pairs = pairs
local min, max, floor, ceil = math.min, math.max, math.floor, math.ceil
local cast, bytes = ffi.cast, ffi.typeof'const char *'

local PENDING, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_READ, C.SOCKET2_WRITE
local TIMEOUT, AT_ONCE = object.TIMEOUT, object.AT_ONCE
local BUSY, ISCONN = C.SOCKET2_EBUSY, C.SOCKET2_EISCONN
local BACKLOG, MOST = 32, 2^31 - 1
local STEP = 8192 -- bytes that one wait is for where its length is limited, as there

-- The socket inside an object: its reads may be called anywhere.
local raw = object.class_of(modern)
raw.received, raw.sent = 0, 0 -- bytes, by the program
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

-- Sends what is left of n bytes, of which `sent` are gone: sent | sent, code. All of it comes before what
-- others send on the socket, or after it: when a step is over the next one begins before anybody else can
-- run. It repeats itself by a tail call, as a loop that is left at once keeps LuaJIT from compiling what is
-- around it.
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
	elseif r < 0 or sent + r == n then -- between its steps nobody else has a turn
		over()
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

-- For an object that has none: all that is done with it ends as with one that is closed.
local none = socket.wrap(raw, 0, C.SOCKET2_INET, 0)
none.birth = 0

-- A whole number as C takes it from one.
local function whole(n)
	n = n < 0 and ceil(n) or floor(n)
	return n == n and max(min(n, 2^53), -2^53) or -2^53
end

-- The options that are set before it is connected are for the sockets that a connect tries, too. Nagle's
-- delay is as there.
local open = object.opener(raw, C.socket2_tcp_new, function(s, family)
	s.birth, s.any_family = C.socket2_clock(), false
	if family ~= C.SOCKET2_UNIX then
		s:setopt('tcp_nodelay', false)
	end
end)

-- A state's `through` is called once in place of its object's next connect: through(object, host, port).

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
		local s = self.s
		local family = unix and 'unix' or s and s.bound and s.h ~= 0 and s:family() or self.family
		return object.look_up(host, port, 'tcp', family)
	end

	local function arguments(host, port)
		host = string_of(2, host)
		if unix then
			return host, nil
		end
		return host, string_of(3, port)
	end

	function methods:bind(host, port)
		self = check(self, kind, master)
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
		if (r == BUSY or r == TIMEOUT) and time > 0 then
			hold(s, WRITE)
			r = C.socket2_socket_wait(loop, s.h, WRITE, time)
			if r == PENDING then
				r = wait(s, WRITE)
			else
				over()
			end
			if r >= 0 then
				return connect_pending(self, AT_ONCE)
			end
		end
		return r == ISCONN and 0 or r
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

	-- Ends the connect that an earlier call began, as all do that need its result; when it has failed, the next
	-- address gets its turn. -> 0 | code
	local function finish_connect(self, time)
		local r = connect_pending(self, time)
		if r == TIMEOUT or r == BUSY then
			return r
		end
		local more = r < 0 and self.connecting:next()
		self.connecting = nil
		if not more then
			return r
		end
		r = connect_at_once(self, more)
		if r == TIMEOUT and time > 0 then
			return finish_connect(self, time)
		end
		return r
	end

	-- Gives up the connect that an earlier call began, for one to elsewhere. -> 0 | code: a socket that is
	-- bound could not be replaced.
	local function give_up_connect(self)
		local old = self.s
		if old.bound then
			return BUSY
		end
		self.connecting = nil
		old:close()
		local s, code = open(self, old.owner.family)
		if not s then
			return code
		end
		for name, value in pairs(old.options or {}) do
			s:setopt(name, value)
		end
		return 0
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
		local o = self
		self = check(o, kind, unix and master)
		local through = self.through
		if through then
			self.through = nil
			return through(o, host, port)
		end
		host, port = arguments(host, port)
		local time, target, r = deadline(self), host .. '\0' .. (port or ''), 0
		if self.connecting and self.target ~= target then
			r = give_up_connect(self)
		end
		local s = self.s
		if r < 0 then
			return fail(r)
		elseif self.connecting then
			r = finish_connect(self, time)
			r = r == TIMEOUT and time <= 0 and BUSY or r -- as there
		elseif s and s.h ~= 0 and (self.class == server or s:remoteaddr()) then
			r = ISCONN
		else
			self.target = target
			r = connect_new(self, time, host, port)
		end
		if r == 0 or not unix then
			change_class(o, client)
		end
		if r ~= 0 then
			return fail(r)
		end
		return 1
	end
	methods.setpeername = methods.connect

	function methods:listen(backlog)
		local o = self
		self = check(o, kind, master)
		backlog = whole(number(2, backlog, BACKLOG))
		backlog = max(min(backlog, MOST), -MOST)
		local s = self.s or none
		local r = s.h ~= 0 and C.socket2_tcp_listen(loop, s.h, backlog) or C.SOCKET2_EDESCRIPTOR
		if r < 0 then
			return fail(r)
		end
		change_class(o, server)
		return 1
	end

	function methods:accept()
		self = check(self, kind, server)
		local listener = self.s or none
		local own = listener.owner
		local s = socket.wrap(raw, 0, own.family, own.protocol, lib.caller())
		local h = accept(listener, deadline(self))
		if h < 0 then
			return fail(h)
		end
		s:take(h)
		s.birth = C.socket2_clock()
		return new(client, {s = s})
	end

	-- The socket to read from or to write to, and until when; with an error code when that is not possible yet,
	-- or no more. Of the two timeouts the shorter counts from the start of the call; but where both are set, the
	-- blocking one is for each wait, the total one for all.
	local function begin(self)
		local time, each, s = deadline(self), false, self.s or none
		if self.connecting then
			local r = finish_connect(self, time)
			if r < 0 then
				return none, time, r == BUSY and TIMEOUT or r
			end
			s = self.s
		end
		if self.block > 0 and self.block < self.total then
			time, each = C.socket2_clock() + self.total, self.block
		end
		s.each = each
		return s, time
	end

	function methods:send(data, i, j)
		self = check(self, kind, client)
		data = string_of(2, data)
		i, j = whole(number(3, i, 1)), whole(number(4, j, -1))
		local size = #data
		i = max(i < 0 and size + i + 1 or i, 1)
		j = min(j < 0 and size + j + 1 or j, size)
		local left = j - i + 1
		local s, time, r = begin(self)
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

	-- receive([pattern = '*l'], [prefix = ''], [maxsize]) -> data | nil, err, partial. 'oversized': there are
	-- more bytes than that; so the partial data of a timeout can be the prefix of another try.
	function methods:receive(pattern, prefix, maxsize)
		self = check(self, kind, client)
		prefix = string_of(3, prefix, '')
		local how = receive.parse(pattern)
		local most = receive.limit(maxsize, prefix, how)
		local s, time, err = begin(self)
		local data, part = nil, ''
		if not err then
			data, err, part = receive.read(s, time, how, prefix, most)
		end
		if data then
			return prefix .. data, nil, nil
		end
		return nil, text_of(err), prefix .. part
	end

	line_readers[methods.receive] = function(self, most)
		self = check(self, kind, client)
		local s, time, err = begin(self)
		local data
		if not err then
			data, err = s:readuntil('\n', most - 1, time)
		end
		if data then
			s.received = s.received + #data + 1
			return receive.without_cr(data), #data + 1
		end
		return nil, text_of(err)
	end

	local directions = {both = 'rw', send = 'w', receive = 'r'}
	function methods:shutdown(how)
		self = check(self, kind, client)
		how = string_of(2, how, 'both')
		if not directions[how] then
			object.bad_argument(2, "invalid option '" .. how .. "'")
		end
		local s = self.s or none
		s:shutdown(directions[how])
		return 1
	end

	function methods:close()
		self = check(self, kind)
		if self.s then
			self.s:close()
		end
		self.connecting = nil
		return 1
	end

	function methods:dirty()
		self = check(self, kind)
		return self.s ~= nil and self.s:buffered() > 0
	end

	function methods:getstats()
		self = check(self, kind, client)
		local s = self.s or none
		return s.received, s.sent, C.socket2_clock() - s.birth
	end

	function methods:setstats(received, sent, age)
		self = check(self, kind, client)
		local s = self.s or none
		received, sent = number(2, received, s.received), number(3, sent, s.sent)
		age = age and number(4, age)
		if s ~= none then
			s.received, s.sent = received, sent
			s.birth = age and C.socket2_clock() - age or s.birth
		end
		return 1
	end

	object.add_names(methods, kind, nil, raw)
	option.add_methods(methods, kind)
	return object.maker(new, master, open), methods
end

return {tcp = define'tcp', unixstream = define'unixstream', define = define, raw = raw,
	line_readers = line_readers}
