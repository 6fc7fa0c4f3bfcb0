-- The classic API's TCP objects and unix stream objects: tcp{master}, which becomes tcp{client} or
-- tcp{server}.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local addr = require'socket2.net.addr'
local socket = require'socket2.net.socket'
local connect_to = require'socket2.net.connect'
local object = require'socket2.luasocket.object'
local option = require'socket2.luasocket.option'
local raw = require'socket2.luasocket.raw'
local receive = require'socket2.luasocket.receive'

local C = lib.C
local loop, hold, wait, over = sched.loop, sched.hold, sched.wait, sched.over
local fail, check, number, string_of = object.fail, object.check, object.number, object.string
local deadline, change_class = object.deadline, object.change_class
local pairs = pairs
local min, max, floor, ceil = math.min, math.max, math.floor, math.ceil
local send, accept, none = raw.send, raw.accept, raw.none
local cast, bytes = ffi.cast, ffi.typeof'const char *'

local PENDING, WRITE = C.SOCKET2_PENDING, C.SOCKET2_WRITE
local TIMEOUT, AT_ONCE = object.TIMEOUT, object.AT_ONCE
local BUSY, ISCONN = C.SOCKET2_EBUSY, C.SOCKET2_EISCONN
local BACKLOG, MOST = 32, 2^31 - 1

-- After a connect that failed there is nothing to read either.
local function text_of(err)
	return err == 'not_connected' and 'closed' or object.text(err)
end

-- A whole number, converted the way C does it.
local function whole(n)
	n = n < 0 and ceil(n) or floor(n)
	return n == n and max(min(n, 2^53), -2^53) or -2^53
end

-- Options that are set before the object is connected also hold for the sockets that a connect tries. Nagle's
-- delay is on, because LuaSocket leaves it on.
local open = object.opener(raw.class, C.socket2_tcp_new, function(s, family)
	s.birth, s.any_family = C.socket2_clock(), false
	if family ~= C.SOCKET2_UNIX then
		s:setopt('tcp_nodelay', false)
	end
end)

-- If a state has `through`, the next connect of its object calls through(object, host, port) instead, once.

-- receive method of the library -> f(object, max) -> line, bytes taken | nil, err: a line of at most max
-- bytes, including the LF that ends it; a longer one is 'too_long'.
local line_readers = {}

local function look_up(self, host, port)
	local s = self.s
	local family = self.kind ~= 'tcp' and 'unix' or s and s.bound and s.h ~= 0 and s:family() or self.family
	return object.look_up(host, port, 'tcp', family)
end

local function arguments(unix, host, port)
	host = string_of(2, host)
	if unix then
		return host, nil
	end
	return host, string_of(3, port)
end

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

-- finish_connect(state, time) -> 0 | code: ends the connect that an earlier call began, for every method that
-- needs its result. When it has failed, the next address gets its turn.
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

-- give_up_connect(state) -> 0 | code: gives up the connect that an earlier call began, because the next goes
-- elsewhere. A bound socket cannot be replaced.
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

-- begin(state) -> socket, deadline, [code]: what to read from or write to, and until when; with an error code
-- when that is not possible yet, or no longer. The shorter of the two timeouts counts from the start of the
-- call. But where both are set, the blocking one is for each wait, and the total one for all of them.
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

-- The methods of a kind come in groups. `k` is the kind: its name, the names of its classes, and new(class,
-- state).

local function add_names(methods, k)
	local kind, unix = k.kind, k.unix

	function methods:bind(host, port)
		self = check(self, kind, k.master)
		host, port = arguments(unix, host, port)
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

	-- Whatever comes of it, the object is a client afterwards, because a connect that goes on in the
	-- background needs no second call.
	function methods:connect(host, port)
		local o = self
		self = check(o, kind, unix and k.master)
		local through = self.through
		if through then
			self.through = nil
			return through(o, host, port)
		end
		host, port = arguments(unix, host, port)
		local time, target, r = deadline(self), host .. '\0' .. (port or ''), 0
		if self.connecting and self.target ~= target then
			r = give_up_connect(self)
		end
		local s = self.s
		if r < 0 then
			return fail(r)
		elseif self.connecting then
			r = finish_connect(self, time)
			r = r == TIMEOUT and time <= 0 and BUSY or r -- like LuaSocket
		elseif s and s.h ~= 0 and (self.class == k.server or s:remoteaddr()) then
			r = ISCONN
		else
			self.target = target
			r = connect_new(self, time, host, port)
		end
		if r == 0 or not unix then
			change_class(o, k.client)
		end
		if r ~= 0 then
			return fail(r)
		end
		return 1
	end
	methods.setpeername = methods.connect
end

local function add_serving(methods, k)
	local kind = k.kind

	function methods:listen(backlog)
		local o = self
		self = check(o, kind, k.master)
		backlog = whole(number(2, backlog, BACKLOG))
		backlog = max(min(backlog, MOST), -MOST)
		local s = self.s or none
		local r = s.h ~= 0 and C.socket2_tcp_listen(loop, s.h, backlog) or C.SOCKET2_EDESCRIPTOR
		if r < 0 then
			return fail(r)
		end
		change_class(o, k.server)
		return 1
	end

	function methods:accept()
		self = check(self, kind, k.server)
		local listener = self.s or none
		local own = listener.owner
		local s = socket.wrap(raw.class, 0, own.family, own.protocol, lib.caller())
		local h = accept(listener, deadline(self))
		if h < 0 then
			return fail(h)
		end
		s:take(h)
		s.birth = C.socket2_clock()
		return k.new(k.client, {s = s})
	end
end

local function add_transfer(methods, k)
	local kind = k.kind

	function methods:send(data, i, j)
		self = check(self, kind, k.client)
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

	-- receive([pattern = '*l'], [prefix = ''], [maxsize]) -> data | nil, err, partial. 'oversized' means that
	-- there are more than maxsize bytes. The prefix counts, so the partial data of a timeout can be the
	-- prefix of another try.
	function methods:receive(pattern, prefix, maxsize)
		self = check(self, kind, k.client)
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
		self = check(self, kind, k.client)
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
end

local directions = {both = 'rw', send = 'w', receive = 'r'}

local function add_state(methods, k)
	local kind = k.kind

	function methods:shutdown(how)
		self = check(self, kind, k.client)
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
		self = check(self, kind, k.client)
		local s = self.s or none
		return s.received, s.sent, C.socket2_clock() - s.birth
	end

	function methods:setstats(received, sent, age)
		self = check(self, kind, k.client)
		local s = self.s or none
		received, sent = number(2, received, s.received), number(3, sent, s.sent)
		age = age and number(4, age)
		if s ~= none then
			s.received, s.sent = received, sent
			s.birth = age and C.socket2_clock() - age or s.birth
		end
		return 1
	end
end

-- kind_of(kind, methods) -> k: adds the methods of a stream. They also fit objects over other classes that
-- have what raw.lua's class has.
local function kind_of(kind, methods)
	local k = {kind = kind, unix = kind == 'unixstream', new = object.class(kind, methods),
		master = kind .. '{master}', client = kind .. '{client}', server = kind .. '{server}'}
	add_transfer(methods, k)
	add_state(methods, k)
	return k
end

-- define(kind) -> f([family]) -> object | nil, err: for a kind of sockets.
local function define(kind)
	local methods = {}
	local k = kind_of(kind, methods)
	add_names(methods, k)
	add_serving(methods, k)
	object.add_names(methods, kind, nil, raw.class)
	option.add_methods(methods, kind)
	return object.maker(k.new, k.master, open)
end

return {tcp = define'tcp', unixstream = define'unixstream', kind_of = kind_of,
	line_readers = line_readers}
