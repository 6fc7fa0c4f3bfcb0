-- The classic API's UDP objects and unix datagram objects: udp{unconnected} and udp{connected}.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local addr = require'socket2.net.addr'
local modern = require'socket2.net.udp'
local object = require'socket2.luasocket.object'
local option = require'socket2.luasocket.option'

local C = lib.C
local loop, hold, wait, over = sched.loop, sched.hold, sched.wait, sched.over
local fail, check, number, string_of = object.fail, object.check, object.number, object.string
local deadline, in_line, change_class = object.deadline, object.in_line, object.change_class
local min, max, floor = math.min, math.max, math.floor

local PENDING, BUSY, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_EBUSY, C.SOCKET2_READ, C.SOCKET2_WRITE
local DATAGRAM, MOST = 8192, 2^20 -- no datagram is longer than that

local raw = object.class_of(modern)

local function begin_send(self, time, data, to, memory)
	hold(self, WRITE, data, memory)
	return C.socket2_udp_send(loop, self.h, data, #data, to, time), 0
end

local function send(self, time, data, to, memory)
	local r = BUSY
	if not self.wline then
		r = begin_send(self, time, data, to, memory)
	end
	if r == PENDING then
		r = wait(self, WRITE)
	elseif r == BUSY then
		r = in_line(self, WRITE, 'send', time, begin_send, data, to, memory)
	else
		over()
	end
	return r
end

local function begin_recv(self, time, buf, n, from)
	hold(self, READ, buf, nil, from)
	return C.socket2_udp_recv(loop, self.h, buf, n, nil, from, time), 0
end

local function recv(self, time, buf, n, from)
	local r = BUSY
	if not self.rline then
		r = begin_recv(self, time, buf, n, from)
	end
	if r == PENDING then
		r = wait(self, READ)
	elseif r == BUSY then
		r = in_line(self, READ, 'receive', time, begin_recv, buf, n, from)
	else
		over()
	end
	return r
end

-- failed(s, code) -> nil, err: a reset of an open datagram socket is called 'refused'.
local function failed(s, code)
	local _, text = fail(code)
	return nil, text == 'closed' and s and s.h ~= 0 and 'refused' or text
end

local open = object.opener(raw, C.socket2_udp_new)

-- look_up(unix, n, host, port, family, flags) -> ai | nil, err: the address that the arguments n and n + 1
-- name.
local function look_up(unix, n, host, port, family, flags)
	host = string_of(n, host)
	if not unix then
		port = string_of(n + 1, port)
	end
	return object.look_up(host ~= '*' and host or nil, not unix and port or nil, 'udp',
		unix and 'unix' or family, flags)
end

-- try_each(state, ai, f) -> 0 | code: f(socket, address) for each of the addresses, until it succeeds.
local function try_each(self, ai, f)
	local r
	repeat
		local p = addr.pointer(ai)
		local s, code = open(self, C.socket2_addr_family(p))
		r = s and f(s, p) or code
		ai = r < 0 and ai:next()
	until not ai
	return r
end

local function receive(self, size, from)
	size = number(2, size, DATAGRAM)
	size = max(min(floor(size), MOST), 0)
	local s = self.s
	if not s or s.h == 0 then
		return fail'closed'
	end
	local buf = ffi.new('char[?]', size)
	local r = recv(s, deadline(self), buf, size, from)
	if r < 0 then
		return failed(s, r)
	end
	return ffi.string(buf, r)
end

-- The methods of a kind come in groups. `k` is the kind: its name, and those of its classes.

local function add_names(methods, k)
	local kind, unix = k.kind, k.unix

	function methods:setsockname(host, port)
		self = check(self, kind)
		local ai, err = look_up(unix, 2, host, port, self.family)
		local r = ai and try_each(self, ai, function(s, p)
			return C.socket2_socket_bind(loop, s.h, p)
		end) or err
		if r ~= 0 then
			return fail(r)
		end
		return 1
	end
	methods.bind = unix and methods.setsockname or nil

	function methods:setpeername(host, port)
		local o = self
		self = check(o, kind)
		if host == '*' and not unix then
			local r = self.s and C.socket2_udp_connect(loop, self.s.h, nil) or 0
			if r < 0 then
				return fail(r)
			end
			change_class(o, k.unconnected)
			return 1
		end
		local ai, err = look_up(unix, 2, host, port, self.family)
		local r = ai and try_each(self, ai, function(s, p)
			return C.socket2_udp_connect(loop, s.h, p)
		end) or err
		if r ~= 0 then
			return fail(r)
		end
		change_class(o, k.connected)
		return 1
	end
	methods.connect = unix and methods.setpeername or nil
end

local function add_sending(methods, k)
	local kind, unix = k.kind, k.unix

	function methods:send(data)
		self = check(self, kind, k.connected)
		data = string_of(2, data)
		local s = self.s
		if not s or s.h == 0 then
			return fail'refused' -- like LuaSocket
		end
		local r = send(s, deadline(self), data)
		if r < 0 then
			return failed(s, r)
		end
		return r
	end

	function methods:sendto(data, host, port)
		self = check(self, kind, k.unconnected)
		data = string_of(2, data)
		-- The first address that the object sent to has set the family of its socket.
		local family = self.s and self.s.h ~= 0 and self.s:family() or self.family
		local ai, err = look_up(unix, 3, host, port, family, 'numerichost')
		if not ai then
			return nil, err == 'unknown_host' and 'Name or service not known' or object.text(err)
		end
		if self.s and self.s.h == 0 then
			return fail'refused' -- like LuaSocket
		end
		local s, code = open(self, C.socket2_addr_family(addr.pointer(ai)))
		local r = s and send(s, deadline(self), data, addr.pointer(ai), addr.memory(ai)) or code
		if r < 0 then
			return failed(s, r)
		end
		return r
	end
end

local function add_receiving(methods, k)
	local kind, unix = k.kind, k.unix

	function methods:receive(size)
		self = check(self, kind)
		return receive(self, size)
	end

	function methods:receivefrom(size)
		self = check(self, kind, k.unconnected)
		local from = ffi.new'socket2_addr[1]'
		local data, err = receive(self, size, from)
		if not data then
			return nil, err
		end
		local ai = addr.wrap(from)
		if unix then
			return data, ai:ip()
		end
		return data, ai:ip(), ai:port()
	end

	function methods:close()
		self = check(self, kind)
		if self.s then
			self.s:close()
		end
		return 1
	end

	function methods:dirty()
		check(self, kind)
		return false
	end
end

-- define(kind) -> f([family]) -> object | nil, err: for a kind of sockets.
local function define(kind)
	local methods = {}
	local new = object.class(kind, methods)
	local k = {kind = kind, unix = kind ~= 'udp', unconnected = kind .. '{unconnected}',
		connected = kind .. '{connected}'}
	add_names(methods, k)
	add_sending(methods, k)
	add_receiving(methods, k)
	object.add_names(methods, kind, k.connected, raw)
	option.add_methods(methods, kind)
	return object.maker(new, k.unconnected, open)
end

return {udp = define'udp', unixdgram = define'unixdgram'}
