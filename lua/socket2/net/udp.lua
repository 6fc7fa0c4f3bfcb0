-- Datagram sockets: UDP, raw IP, and unix sockets of the datagram kind.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local addr = require'socket2.net.addr'
local line = require'socket2.run.line'
local socket = require'socket2.net.socket'

local C, fail, raise = lib.C, sched.fail, lib.raise
local loop, inside = sched.loop, sched.inside
local hold, wait, over, in_line = sched.hold, sched.wait, sched.over, line.wait
local data_size, buffer_size = socket.data_size, socket.buffer_size
local is, type, select = addr.is, type, select
local new_address = ffi.typeof'socket2_addr[1]'

local PENDING, BUSY, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_EBUSY, C.SOCKET2_READ, C.SOCKET2_WRITE

local udp = socket:class()
udp.type_number = C.SOCKET2_UDP

-- udp([family='inet'], [protocol]) -> udp | nil, err, errcode: a new socket.
udp.new = socket.constructor(udp, C.socket2_udp_new)

-- connect(addr | [host], port, [expires]) -> true | nil, err, errcode, detail: sets where send() goes without
-- an address, and the only sender that recv() hears. connect('*') with no port undoes it. It only waits for
-- the lookup of a name.
function udp:connect(host, port, expires)
	if host == '*' and port == nil then
		local r = C.socket2_udp_connect(loop, self.h, nil)
		if r < 0 then
			return fail(r)
		end
		return true
	end
	local ai, err, errcode, detail = addr.for_socket(self, host, port, addr.deadline(host, port, expires))
	while ai do
		local p = addr.pointer(ai)
		local r = p and C.socket2_udp_connect(loop, self.h, p) or C.SOCKET2_ECLOSED
		if r >= 0 then
			return true
		end
		err, errcode, detail = select(2, addr.fail(r, ai))
		ai = ai:next()
	end
	return nil, err, errcode, detail
end

-- The address that (addr | host, port) name; nothing when they name none; false, err, errcode, detail when
-- the address is bad.
local function peer_of(self, host, port, time)
	if type(host) == 'number' or host == nil and port == nil then
		return
	end
	local ai, err, errcode, detail = addr.for_socket(self, host, port, time)
	if not ai then
		return false, err, errcode, detail
	elseif not addr.pointer(ai) then
		return false, select(2, addr.fail(C.SOCKET2_ECLOSED, ai))
	end
	return ai
end

-- fail_to(code, [ai]) -> nil, err, errcode, [detail]: for an operation with that address.
local function fail_to(code, ai)
	if ai then
		return addr.fail(code, ai)
	end
	return fail(code)
end

local function begin_send(self, time, data, size, to, memory)
	hold(self, WRITE, data, memory)
	return C.socket2_udp_send(loop, self.h, data, size, to, time)
end

-- send(s | data, [len], [addr | host, port], [expires]) -> len | nil, err, errcode, detail: sends one whole
-- datagram. The length may be left out altogether: send(s, addr), send(s, host, port). A connected socket
-- needs no address.
function udp:send(data, len, host, port, expires)
	inside'send'
	if len ~= nil and type(len) ~= 'number' then
		if port == nil then -- expires may be where it would be after a length
			port = expires
		elseif expires ~= nil then
			raise("too many arguments to 'send' without a length")
		end
		len, host, port, expires = nil, len, host, port
	end
	local time = addr.deadline(host, port, expires, self.write_timeout)
	local ai, err, errcode, detail = peer_of(self, host, port, time)
	local to, memory
	if ai then
		to, memory = addr.pointer(ai), addr.memory(ai)
	elseif ai == false then
		return nil, err, errcode, detail
	end
	local size, n = data_size(data, len), BUSY
	if not self.wline then
		n = begin_send(self, time, data, size, to, memory)
	end
	if n == PENDING then
		n = wait(self, WRITE)
	elseif n == BUSY then
		n = in_line(self, WRITE, 'send', time, begin_send, data, size, to, memory)
	else
		over()
	end
	if n < 0 then
		return fail_to(n, ai)
	end
	return n
end

local function begin_recv(self, time, buf, size, only, memory, from, room)
	hold(self, READ, buf, memory, room)
	local n = C.socket2_udp_recv(loop, self.h, buf, size, only, from, time)
	-- If the datagram is shorter than the buffer, there was room for all of it.
	return n, n == size and C.socket2_udp_truncated(loop, self.h) or 0
end

-- recv(buf, [maxlen], [addr | host, port], [expires], [ai]) -> len, ai, [truncated] | nil, err, errcode,
-- detail: receives one datagram and its sender. With an address given, it receives the next datagram from
-- there and drops what others send. `len` is the number of bytes copied; the third result is true when the
-- datagram was longer. The sender goes to the ai that is the last argument, or to a new one.
function udp:recv(buf, maxlen, host, port, expires, ai)
	inside'recv'
	if is(port) then
		ai, port = port, nil
	elseif is(expires) then
		ai, expires = expires, nil
	elseif ai ~= nil and not is(ai) then
		raise('bad ai (address expected, got %s)', type(ai))
	end
	local time = addr.deadline(host, port, expires, self.read_timeout)
	local peer, err, errcode, detail = peer_of(self, host, port, time)
	local only, memory
	if peer then
		only, memory = addr.pointer(peer), addr.memory(peer)
	elseif peer == false then
		return nil, err, errcode, detail
	end
	local from, room
	if ai then
		from, room = addr.refill(ai)
	else
		from = new_address()
		room = from
	end
	if not from then
		return addr.fail(C.SOCKET2_ECLOSED, ai)
	end
	local size = buffer_size(buf, maxlen)
	local n, truncated = BUSY, 0
	if not self.rline then
		n, truncated = begin_recv(self, time, buf, size, only, memory, from, room)
	end
	if n == PENDING then
		n, truncated = wait(self, READ)
	elseif n == BUSY then
		n, truncated = in_line(self, READ, 'recv', time, begin_recv, buf, size, only, memory, from, room)
	else
		over()
	end
	if n < 0 then
		return fail_to(n, peer)
	elseif truncated == 1 then
		return n, ai or addr.wrap(room), true
	end
	return n, ai or addr.wrap(room)
end

local function membership(set)
	return function(self, name, value)
		local group, interface = value, nil
		if type(value) == 'table' and not addr.is(value) then
			group, interface = value.group, value.interface
		end
		if type(group) ~= 'string' and not addr.is(group) then
			raise('bad value of option %s (group or {group =, interface =} expected)', name)
		elseif interface ~= nil and type(interface) ~= 'string' and type(interface) ~= 'number' then
			raise('bad value of option %s (interface: name, address or index expected)', name)
		elseif type(interface) == 'number' then
			interface = ('%d'):format(interface)
		end
		local ai, _, errcode = addr.for_socket(self, group, nil, sched.deadline())
		local p = ai and addr.pointer(ai)
		return p and set(loop, self.h, p, interface) or errcode or C.SOCKET2_ECLOSED
	end
end

udp.group_options = {
	add_membership = membership(C.socket2_udp_join),
	drop_membership = membership(C.socket2_udp_leave),
}

-- Raw sockets are like UDP, without ports. With inet, recv() returns the IP header, too.
local raw = udp:class()
raw.type_number = C.SOCKET2_RAW

-- raw([family='inet'], [protocol='raw']) -> raw | nil, err, errcode: a new socket; it needs a privilege.
udp.new_raw = socket.constructor(raw, C.socket2_raw_new)
udp.raw_class = raw

return udp
