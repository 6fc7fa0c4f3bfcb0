-- Addresses: what the lookup of a host and port gives, a list to walk.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local endpoint = require'socket2.net.endpoint'

local C, fail, raise = lib.C, sched.fail, lib.raise
local type, tostring, setmetatable, getmetatable = type, tostring, setmetatable, getmetatable
local floor = math.floor

local addr = {}

local function set(t)
	local names = {}
	for name, number in pairs(t) do
		names[number] = name
	end
	return t, names
end

local types, type_names = set{tcp = C.SOCKET2_TCP, udp = C.SOCKET2_UDP, raw = C.SOCKET2_RAW}
local families, family_names = set{
	inet = C.SOCKET2_INET, inet6 = C.SOCKET2_INET6, unix = C.SOCKET2_UNIX,
	unspec = C.SOCKET2_UNSPECIFIED,
}
-- IANA's numbers.
local protocols, protocol_names = set{
	ip = 0, icmp = 1, igmp = 2, tcp = 6, udp = 17, ipv6 = 41, icmpv6 = 58, raw = 255,
}
local flag_bits = {
	passive = C.SOCKET2_PASSIVE,
	canonname = C.SOCKET2_CANONNAME, cannonname = C.SOCKET2_CANONNAME,
	numerichost = C.SOCKET2_NUMERICHOST,
	numericserv = C.SOCKET2_NUMERICSERV,
	all = C.SOCKET2_ALL,
	v4mapped = C.SOCKET2_V4MAPPED,
	addrconfig = C.SOCKET2_ADDRCONFIG,
}

-- An ai is one address of a list. All ais of a list share its head, which holds the memory `a` (an array of n
-- socket2_addr) until the list is freed.
local ai = {n = 1, i = 0}
ai.__index = ai

local function new(a, n, name)
	local self = setmetatable({a = a, n = n, canonical = name}, ai)
	self.head = self
	return self
end

-- A pointer to the address, for C; nil when it was freed.
function addr.pointer(self)
	local a, i = self.head.a, self.i
	return i ~= 0 and a and a + i or a -- the sum is a new object in code that is not compiled
end
local pointer = addr.pointer

-- The memory of that address. The caller keeps it alive while C uses it, whatever the program does with the
-- ai.
function addr.memory(self)
	return self.head.a
end

-- An ai for an address that C has filled: a socket2_addr[1], which the ai keeps.
function addr.wrap(a)
	local self = setmetatable({a = a, head = false}, ai) -- with room for both, and no more
	self.head = self
	return self
end

-- refill(ai) -> pointer, memory: the same for an ai that is to get another address.
function addr.refill(self)
	local head = self.head
	if head.canonical then
		head.canonical = nil
	end
	return pointer(self), head.a
end

-- For message.lua: the parts of an ai (memory, n, i, name; nil when it was freed), and a new ai from such
-- parts.
function addr.parts(self)
	local head = self.head
	return head.a, head.n, self.i, head.canonical
end

function addr.from_parts(a, n, i, name)
	local head = new(a, n, name)
	return i == 0 and head or setmetatable({head = head, i = i}, ai)
end
addr.class = ai

function addr.is(v)
	return type(v) == 'table' and getmetatable(v) == ai
end
local is = addr.is

-- free(): frees the whole list; its addresses then give nil, 'closed'. The collector also frees it.
function ai:free()
	self.head.a = nil
end

-- next() -> ai | nil: the next address of the list.
function ai:next()
	local head = self.head
	if not head.a then
		return fail(C.SOCKET2_ECLOSED)
	elseif self.i + 1 < head.n then
		return setmetatable({head = head, i = self.i + 1}, ai)
	end
	return nil
end

local function next_ai(head, last)
	if not last then
		return head
	end
	return (last:next())
end

-- addrs() -> iterator -> ai: this address and the ones after it.
function ai:addrs()
	return next_ai, self
end

local function number_of(self, f)
	local p = pointer(self)
	return p and f(p) or C.SOCKET2_ECLOSED
end

local function named(names, n)
	if n < 0 then
		return fail(n)
	end
	return names[n] or tostring(n)
end

-- type() -> 'tcp' | 'udp' | 'raw'
function ai:type()
	return named(type_names, number_of(self, C.socket2_addr_type))
end

-- family() -> 'inet' | 'inet6' | 'unix'
function ai:family()
	return named(family_names, number_of(self, C.socket2_addr_family))
end

-- protocol() -> 'tcp', 'udp', 'icmp' ..., or the number as a string if the protocol has no name here
function ai:protocol()
	return named(protocol_names, number_of(self, C.socket2_addr_protocol))
end

-- port() -> number; 0 for unix
function ai:port()
	local n = number_of(self, C.socket2_addr_port)
	if n < 0 then
		return fail(n)
	end
	return n
end

-- name() -> string | nil: the canonical name, if the lookup had the flag 'canonname'.
function ai:name()
	if not self.head.a then
		return fail(C.SOCKET2_ECLOSED)
	end
	return self.head.canonical
end

local TEXT_SIZE = 192 -- the header says that this is enough for any address
local text = ffi.new('char[?]', TEXT_SIZE)

local function formatted(self, f)
	local p = pointer(self)
	local n = p and f(p, text, TEXT_SIZE) or C.SOCKET2_ECLOSED
	if n < 0 then
		return fail(n)
	end
	return ffi.string(text, n)
end

-- ip() -> '1.2.3.4' | '::1' | path
function ai:ip()
	return formatted(self, C.socket2_addr_ip)
end

-- tostring() -> '1.2.3.4:80' | '[::1]:80' | path
function ai:tostring()
	return formatted(self, C.socket2_addr_format)
end

function ai:__tostring()
	return self:tostring() or 'addr (freed)'
end

-- key() -> string: a key for tables, which is the same for equal addresses.
function ai:key()
	local where, err, errcode = self:tostring()
	if where and self:family() == 'unix' then
		return 'unix:' .. where
	end
	return where, err, errcode
end

-- Addresses of the same place are equal, whatever sockets they are for. A freed one equals no other.
function ai:__eq(other)
	local key = self:key()
	return key ~= nil and key == other:key()
end

-- fail(code, ai) -> nil, err, errcode, detail: for an operation that was tried with an address.
function addr.fail(code, self)
	return endpoint.fail(code, self:tostring() or 'a freed address')
end

-- The number that a table has for a name; an error code for an unknown name. A wrong type raises.
local function number_for(what, names, value, default, code)
	if value == nil then
		return default
	elseif type(value) == 'string' then
		return names[value] or code
	end
	raise('bad %s (string expected, got %s)', what, type(value))
end

function addr.family(value)
	return number_for('family', families, value, C.SOCKET2_INET, C.SOCKET2_EFAMILY)
end

function addr.protocol(value)
	if type(value) == 'number' then
		return value >= 0 and value <= 255 and value == floor(value) and value or C.SOCKET2_EPROTOCOL
	end
	return number_for('protocol', protocols, value, 0, C.SOCKET2_EPROTOCOL)
end

function addr.type_name(n) return type_names[n] end
function addr.family_name(n) return family_names[n] end
function addr.protocol_name(n) return protocol_names[n] or tostring(n) end

local function add_flag(bits, word)
	local bit1 = flag_bits[word]
	if not bit1 then
		raise('unknown flag %q', tostring(word))
	end
	return bit.bor(bits, bit1)
end

local function flags_of(flags)
	local t = type(flags)
	if flags == nil then
		return 0
	elseif t == 'number' then
		return flags >= 0 and flags < 2^31 and flags == floor(flags) and flags or -1
	end
	local bits = 0
	if t == 'string' then
		for word in flags:gmatch'[^%s,]+' do
			bits = add_flag(bits, word)
		end
	elseif t == 'table' then
		for k, v in pairs(flags) do
			-- {'passive'} and {passive = true}
			if type(k) == 'number' then
				bits = add_flag(bits, v)
			elseif v then
				bits = add_flag(bits, k)
			end
		end
	else
		raise('bad flags (number, string or table expected, got %s)', t)
	end
	return bits
end

local MAX_ADDRS = 64
local found = ffi.new('socket2_addr[?]', MAX_ADDRS)
local NAME_SIZE = 256
local name = ffi.new('char[?]', NAME_SIZE)

local PENDING_NAME, LOOKUP = 0, C.SOCKET2_LOOKUP

-- Like socket2_addr_parse(), except that names of unix sockets may have zero bytes.
local function parse(host, service, socket_type, family, protocol, flags)
	if host and host:find('\0', 1, true) then
		local r = C.socket2_addr_unix(host, #host, socket_type, protocol, found)
		return r < 0 and r or 1
	end
	return C.socket2_addr_parse(host, service, socket_type, family, protocol, flags, found)
end

local query = {}
query.__index = query

function query:close()
	C.socket2_lookup_close(sched.loop, self.h)
	if self.socket then
		self.socket.lookups[self.h] = nil
	end
end

-- is_asking(socket) -> boolean: is a thread looking up a name for it?
function addr.is_asking(socket)
	for _, q in pairs(socket.lookups or {}) do
		if not sched.left(q.thread) then
			return true
		end
		q:close() -- an error has ended it
	end
	return false
end

-- Looks up in a thread that can wait, while others go on. It may be for a socket, which may be closed
-- meanwhile.
local function resolve(socket, ...)
	local q = setmetatable({h = 0, since = C.socket2_clock(), thread = sched.this(), socket = socket}, query)
	if socket then
		socket.lookups = socket.lookups or {}
	end
	sched.hold(q, LOOKUP)
	q.h = C.socket2_lookup_new(sched.loop, ...)
	if q.h < 0 then
		return q.h
	end
	if socket then
		socket.lookups[q.h] = q
	end
	local n = sched.wait(q, LOOKUP)
	if n >= 0 then
		n = C.socket2_lookup_result(sched.loop, q.h, found, MAX_ADDRS, name, NAME_SIZE)
	end
	q:close()
	return socket and socket.h == 0 and C.SOCKET2_ECLOSED or n
end

local function lookup(socket, host, port, socket_type, family, protocol, flags, deadline)
	local node, service, f, code = endpoint.for_c(host, port, family)
	name[0] = 0
	local name_size
	local n = code or parse(node, service, socket_type, f, protocol, flags)
	if n == PENDING_NAME then
		if sched.can_wait() then
			n = resolve(socket, node, service, socket_type, f, protocol, flags, deadline)
		else
			n = C.socket2_addr_lookup(node, service, socket_type, f, protocol, flags,
				found, MAX_ADDRS, name, NAME_SIZE)
		end
	elseif n > 0 and bit.band(flags, C.SOCKET2_CANONNAME) ~= 0 then
		name_size = C.socket2_addr_ip(found, name, NAME_SIZE)
	end
	if n < 0 then
		return endpoint.fail(n, host, port)
	end
	n = n < MAX_ADDRS and n or MAX_ADDRS
	local a = ffi.new('socket2_addr[?]', n)
	ffi.copy(a, found, n * ffi.sizeof'socket2_addr')
	local canonical = name_size and ffi.string(name, name_size) or ffi.string(name)
	return new(a, n, canonical ~= '' and canonical or nil)
end

-- addr(ai) -> ai
-- addr([host], [port], [socket_type='tcp'], [family='inet'], [protocol], [flags], [expires])
--	-> ai | nil, err, errcode, detail
-- host: a name, an IP literal, nil or '*' for all interfaces, false for loopback; with family 'unix' a path
-- ('@name' or '\0name': Linux's abstract names, any bytes). Without a separate port it can contain one:
-- 'host:port', '[::1]:port'. port: a number, a service name, nil for any. socket_type: 'tcp', 'udp', 'raw'.
-- family: 'inet', 'inet6', 'unix', or 'unspec' for inet and inet6. flags: a number, or words in a string or
-- in a table: passive canonname numerichost numericserv all v4mapped addrconfig (see getaddrinfo(3)). IP
-- literals and paths never leave the process. A name goes to the system's resolver: in a socket thread only
-- that thread waits, elsewhere the whole process.
function addr.lookup(host, port, socket_type, family, protocol, flags, expires)
	if is(host) then
		return host
	end
	local n = number_for('socket type', types, socket_type, C.SOCKET2_TCP, C.SOCKET2_ESOCKTYPE)
	local f = family ~= nil and addr.family(family) or nil
	local p = addr.protocol(protocol)
	local code = n < 0 and n or f and f < 0 and f or p < 0 and p
	if code then
		return fail(code)
	end
	return lookup(nil, host, port, n, f, p, flags_of(flags), sched.deadline(expires))
end

-- name_of(ai) -> name | nil, err, errcode, detail: the name of an address, from the system's resolver.
function addr.name_of(self)
	local found_ai, err, errcode, detail = lookup(nil, self:ip(), 0, C.SOCKET2_TCP, C.SOCKET2_UNSPECIFIED, 0,
		C.SOCKET2_REVERSE, sched.deadline())
	if not found_ai then
		return nil, err, errcode, detail
	end
	return found_ai:name()
end

-- lookup_cache(seconds) -> true | nil, err, errcode: sets how long the process remembers the addresses of
-- names that threads looked up. With 0, the default, it does not. Forgets what it remembered.
function addr.lookup_cache(seconds)
	if type(seconds) ~= 'number' then
		raise("bad argument #1 to 'lookup_cache' (number expected, got %s)", type(seconds))
	end
	local r = C.socket2_lookup_cache(seconds)
	if r < 0 then
		return fail(r)
	end
	return true
end

-- deadline(host, port, expires, [timeout]) -> the deadline of an operation that takes ([addr | host, port],
-- [expires]): expires follows as many of these arguments as there are. (After an address the port may be
-- nil.)
function addr.deadline(host, port, expires, timeout)
	if type(host) == 'number' then
		expires = host
	elseif is(host) and port ~= nil then
		expires = port
	end
	return sched.deadline(expires, timeout)
end

-- For a socket's (addr | host, port) arguments: an address of the socket's kind. `family` overrides the
-- socket's own.
function addr.for_socket(socket, host, port, deadline, family)
	if is(host) then
		return host
	end
	local own = socket.owner
	return lookup(socket, host, port, socket.type_number, family or own.family, own.protocol, 0, deadline)
end

return addr
