-- The methods that sockets of every kind have.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local addr = require'socket2.net.addr'
local waitable = require'socket2.net.waitable'

local C, fail, raise = lib.C, lib.fail, lib.raise
local loop, owner_of, counted = sched.loop, waitable.owner_of, waitable.counted
local type, tostring, tonumber, pcall, error, setmetatable =
	type, tostring, tonumber, pcall, error, setmetatable
local floor = math.floor

local socket = waitable:class()

-- An object for a handle that C gave, or will give. `opened` is the place in the program that opened it.
function socket.wrap(class, handle, family, protocol, opened)
	counted()
	return setmetatable({h = handle, owner = owner_of(loop, handle, family, protocol), opened = opened}, class)
end

-- made(class, new, family, protocol, opened) -> socket | nil, code: for the handle that the C function new()
-- makes.
function socket.made(class, new, family, protocol, opened)
	local owner = owner_of(loop, 0, family, protocol)
	local s = setmetatable({h = 0, owner = owner, opened = opened}, class)
	local h = waitable.opened_by(new, loop, family, protocol)
	if h < 0 then
		return nil, h
	end
	s:take(h)
	owner.protocol = C.socket2_socket_protocol(loop, h)
	counted()
	return s
end

local classes = {}

-- A constructor for the class: f([family], [protocol]) -> socket | nil, err, errcode
function socket.constructor(class, new)
	classes[class.type_number] = class
	return function(family, protocol)
		local f, p = addr.family(family), addr.protocol(protocol)
		local s, code = nil, f < 0 and f or p
		if code >= 0 then
			s, code = socket.made(class, new, f, p, lib.caller())
		end
		if not s then
			return fail(code)
		end
		return s
	end
end

-- of_handle(h, [opened]) -> socket: for a handle of any kind. Closes the handle when it raises.
function socket.of_handle(h, opened)
	local ok, self = pcall(socket.wrap, classes[C.socket2_socket_type(loop, h)], h,
		C.socket2_socket_family(loop, h), C.socket2_socket_protocol(loop, h), opened)
	if not ok then
		C.socket2_socket_close(loop, h)
		error(self, 0)
	end
	return self
end

-- is_busy() -> boolean: does a thread wait on the socket?
function socket:is_busy()
	return C.socket2_socket_pending(loop, self.h, C.SOCKET2_READ, nil) > 0
		or C.socket2_socket_pending(loop, self.h, C.SOCKET2_WRITE, nil) > 0
		or (self.rline or self.wline) ~= false or addr.is_asking(self)
end

-- let_go() -> fd | code: detach() for a socket that is not busy.
function socket:let_go()
	local fd = C.socket2_socket_detach(loop, self.h)
	if fd >= 0 then
		self.h, self.owner.handle = 0, 0
	end
	return fd
end

-- detach() -> fd | nil, err, errcode: closes the object but not the system's descriptor, which belongs to the
-- program from now on. 'busy' while a thread waits on the socket, or while it has buffered bytes, which would
-- be lost.
function socket:detach()
	local busy = self:is_busy() or C.socket2_stream_buffered(loop, self.h) > 0
	local fd = busy and C.SOCKET2_EBUSY or self:let_go()
	if fd < 0 then
		return fail(fd)
	end
	return fd
end

-- A length in bytes for C. A length that is out of range counts as too long there.
local function checked_size(len)
	if type(len) ~= 'number' then
		raise('bad length (number expected, got %s)', type(len))
	end
	return len >= 0 and len < 2^31 and len or 2^31
end

-- size_of(data, what) -> the size of an array or struct in bytes.
local function size_of(data, what)
	local ctype = data == nil and '*>' or tostring(ffi.typeof(data))
	if ctype:find'[*&][%a ]*>$' or ctype:find'%([*&]' then
		raise('bad %s (a pointer needs its length)', what)
	end
	return ffi.sizeof(data)
end
socket.size_of = size_of

-- The length of a buffer to fill: `len`, or all of it. C refuses nil; it could write to a userdata, but
-- should not.
function socket.buffer_size(buf, len)
	if type(buf) ~= 'cdata' and buf ~= nil then
		raise('bad buffer (cdata expected, got %s)', type(buf))
	elseif len == nil and buf ~= nil then
		return size_of(buf, 'buffer')
	end
	return checked_size(len)
end

-- The number of bytes to send: `len`, or all of them.
function socket.data_size(data, len)
	if type(data) == 'string' then
		if len == nil then
			return #data
		end
		len = checked_size(len)
		return len <= #data and len or 2^31
	elseif type(data) ~= 'cdata' and data ~= nil then
		raise('bad data (string or cdata expected, got %s)', type(data))
	elseif len ~= nil then
		return checked_size(len)
	end
	return size_of(data, 'data')
end

local function done(r)
	if r < 0 then
		return fail(r)
	end
	return true
end

-- type() -> 'tcp' | 'udp' | 'raw'
function socket:type()
	return addr.type_name(self.type_number)
end

-- family() -> 'inet' | 'inet6' | 'unix'
function socket:family()
	return addr.family_name(self.owner.family)
end

-- protocol() -> 'tcp', 'udp', 'icmp' ...
function socket:protocol()
	return addr.protocol_name(self.owner.protocol)
end

-- bind(addr | [host], [port], [expires]) -> true | nil, err, errcode, detail: binds to a local address.
function socket:bind(host, port, expires)
	local ai, err, errcode, detail = addr.for_socket(self, host, port, addr.deadline(host, port, expires))
	if not ai then
		return nil, err, errcode, detail
	end
	local p = addr.pointer(ai)
	local r = p and C.socket2_socket_bind(loop, self.h, p) or C.SOCKET2_ECLOSED
	if r < 0 then
		return addr.fail(r, ai)
	end
	self.bound = true
	return true
end

local directions = {r = C.SOCKET2_SHUT_READ, w = C.SOCKET2_SHUT_WRITE}
directions.rw = directions.r + directions.w

-- shutdown(['r' | 'w' | 'rw']) -> true | nil, err, errcode: ends receiving, sending, or (the
-- default) both. The peer of a 'w' reads the end of the stream.
function socket:shutdown(how)
	local n = directions[how == nil and 'rw' or how]
	if not n then
		raise('bad direction (r, w or rw expected)')
	end
	return done(C.socket2_socket_shutdown(loop, self.h, n))
end

local function address(self, f)
	local a = ffi.new'socket2_addr[1]'
	local r = f(loop, self.h, a)
	if r < 0 then
		return fail(r)
	end
	return addr.wrap(a)
end

-- localaddr() -> ai | nil, err, errcode: the address that the socket is bound to.
function socket:localaddr()
	return address(self, C.socket2_socket_localaddr)
end

-- remoteaddr() -> ai | nil, err, errcode: the peer's address.
function socket:remoteaddr()
	return address(self, C.socket2_socket_remoteaddr)
end

local ids = ffi.new'int64_t[3]'

-- peercred() -> pid, uid, gid | nil, err, errcode: the process at the other end of a unix socket, with the
-- user and group that it had when it connected or listened. pid is false where the system does not tell.
function socket:peercred()
	local r = C.socket2_socket_peercred(loop, self.h, ids, ids + 1, ids + 2)
	if r < 0 then
		return fail(r)
	end
	local pid = tonumber(ids[0])
	return pid >= 0 and pid, tonumber(ids[1]), tonumber(ids[2])
end

local kinds = {}

local function has_zero(s) -- C would see a shorter string
	return s:find('\0', 1, true)
end

local function option_kind(name)
	if type(name) ~= 'string' then
		raise('bad option name (string expected, got %s)', type(name))
	end
	local kind = kinds[name]
	if not kind then
		kind = C.socket2_option_kind(name)
		if kind < 0 or has_zero(name) then
			raise('unknown socket option %q', name)
		end
		kinds[name] = kind
	end
	return kind
end

local function wrong_value(name, expected, value)
	raise('bad value of option %s (%s expected, got %s)', name, expected, type(value))
end

local function set_int(self, name, value)
	if value ~= floor(value) or value < -2^31 or value >= 2^31 then -- NaN does not equal its floor
		return C.SOCKET2_EINVAL
	end
	return C.socket2_socket_setopt(loop, self.h, name, value)
end

local function set_text(self, name, value)
	if has_zero(value) then
		return C.SOCKET2_EINVAL
	end
	return C.socket2_socket_setopt_text(loop, self.h, name, value)
end

local setters = {
	[C.SOCKET2_OPTION_BOOLEAN] = function(self, name, value)
		if type(value) ~= 'boolean' then
			wrong_value(name, 'boolean', value)
		end
		return set_int(self, name, value and 1 or 0)
	end,
	[C.SOCKET2_OPTION_INTEGER] = function(self, name, value)
		if type(value) ~= 'number' then
			wrong_value(name, 'number', value)
		end
		return set_int(self, name, value)
	end,
	[C.SOCKET2_OPTION_LINGER] = function(self, name, value)
		if value ~= false and type(value) ~= 'number' then
			wrong_value(name, 'number of seconds or false', value)
		elseif value and value < 0 then
			return C.SOCKET2_EINVAL
		end
		return set_int(self, name, value or -1)
	end,
	[C.SOCKET2_OPTION_TEXT] = function(self, name, value)
		if type(value) ~= 'string' then
			wrong_value(name, 'string', value)
		end
		return set_text(self, name, value)
	end,
	[C.SOCKET2_OPTION_INTERFACE] = function(self, name, value)
		if type(value) == 'number' then
			return set_int(self, name, value)
		elseif type(value) ~= 'string' then
			wrong_value(name, 'interface name, address or index', value)
		end
		return set_text(self, name, value)
	end,
	[C.SOCKET2_OPTION_ERROR] = function()
		return C.SOCKET2_EINVAL
	end,
}

-- setopt(name, value) -> true | nil, err, errcode. Booleans take true or false, linger seconds or
-- false, multicast_if an interface's name, index or IPv4 address. udp: add_membership and
-- drop_membership take a group ('239.1.1.1') or {group =, interface =}.
function socket:setopt(name, value)
	local f = self.group_options and self.group_options[name] or setters[option_kind(name)]
	return done(f(self, name, value))
end

local int = ffi.new'int[1]'
local TEXT_SIZE = 256
local text = ffi.new('char[?]', TEXT_SIZE)

-- getopt(name) -> value | nil, err, errcode. Values are like setopt's; `error` (the word of an earlier
-- failure, which reading clears) is a word or false.
function socket:getopt(name)
	local kind = option_kind(name)
	if kind == C.SOCKET2_OPTION_TEXT then
		local n = C.socket2_socket_getopt_text(loop, self.h, name, text, TEXT_SIZE)
		if n < 0 then
			return fail(n)
		end
		return ffi.string(text)
	end
	local r = C.socket2_socket_getopt(loop, self.h, name, int)
	if r < 0 then
		return fail(r)
	end
	local n = int[0]
	if kind == C.SOCKET2_OPTION_BOOLEAN then
		return n ~= 0
	elseif kind == C.SOCKET2_OPTION_LINGER then
		return n >= 0 and n
	elseif kind == C.SOCKET2_OPTION_ERROR then
		return n ~= 0 and select(2, fail(n))
	end
	return n
end

-- 'tcp connected 127.0.0.1:80 -> 127.0.0.1:12345', 'udp bound 0.0.0.0:53', 'tcp closed' ...
function socket:__tostring()
	local kind = self:type()
	if self.h == 0 then
		return kind .. ' closed'
	end
	local here, there = self:localaddr(), self:remoteaddr()
	if there then
		return ('%s connected %s -> %s'):format(kind, here, there)
	elseif self.type_number == C.SOCKET2_TCP and self:getopt'acceptconn' then
		return ('%s listening %s'):format(kind, here)
	elseif here and (here:port() ~= 0 or self.bound) then
		return ('%s bound %s'):format(kind, here)
	end
	return ('%s new %s'):format(kind, self:family())
end

return socket
