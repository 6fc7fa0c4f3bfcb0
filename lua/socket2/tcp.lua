-- TCP sockets, and unix sockets of the stream kind.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.sched'
local addr = require'socket2.addr'
local socket = require'socket2.socket'

local C, fail, raise = lib.C, lib.fail, lib.raise
local loop, wait, inside = sched.loop, sched.wait, sched.inside
local data_size, buffer_size = socket.data_size, socket.buffer_size
local type = type

local PENDING, READ, WRITE = C.SOCKET2_PENDING, C.SOCKET2_READ, C.SOCKET2_WRITE
local NEVER = 1/0

local tcp = socket.class()
tcp.type_number = C.SOCKET2_TCP

-- tcp([family='inet'], [protocol]) -> tcp | nil, err, errcode: a new socket.
tcp.new = socket.constructor(tcp, C.socket2_tcp_new)

-- The seed of the API has both orders: a leading number is the backlog.
local function listen_args(a, b, c)
	if type(a) == 'number' then
		return b, c, a
	elseif addr.is(a) then
		return a, nil, b
	end
	return a, b, c
end

-- listen([backlog,] addr | [host], [port]) or listen([host], [port], [backlog]) -> true | nil, err,
-- errcode: binds, unless that was done, and starts listening. The backlog (connections that wait to
-- be accepted) defaults to the system's maximum.
function tcp:listen(...)
	local host, port, backlog = listen_args(...)
	if backlog ~= nil and type(backlog) ~= 'number' then
		raise('bad backlog (number expected, got %s)', type(backlog))
	elseif not self.bound then
		local ok, err, errcode = self:bind(host, port)
		if not ok then
			return nil, err, errcode
		end
	end
	-- 1/0 and what no system can do: the maximum
	local n = backlog and backlog >= 0 and backlog < 2^31 and backlog or -1
	local r = C.socket2_tcp_listen(loop, self.h, n)
	if r < 0 then
		return fail(r)
	end
	return true
end

-- accept() -> tcp, ai | nil, err, errcode: the next connection and its peer's address. Out of
-- descriptors ('too_many_open_files') the listener stays good: accept again, which rests 0.1 s first.
function tcp:accept()
	inside'accept'
	local peer = ffi.new'socket2_addr[1]'
	local h = C.socket2_tcp_accept(loop, self.h, peer, NEVER)
	if h == PENDING then
		h = wait(self, READ, peer)
	end
	if h < 0 then
		return fail(h)
	end
	return socket.wrap(tcp, h, self.family_number, self.protocol_number), addr.wrap(peer)
end

-- connect(addr | [host], port) -> true | nil, err, errcode: connects, trying the addresses of a name
-- one after the other.
function tcp:connect(host, port)
	inside'connect'
	local ai, err, errcode = addr.for_socket(self, host, port)
	while ai do
		local p = addr.pointer(ai)
		local r = p and C.socket2_tcp_connect(loop, self.h, p, NEVER) or C.SOCKET2_ECLOSED
		if r == PENDING then
			r = wait(self, WRITE, addr.memory(ai))
		end
		if r >= 0 then
			return true
		end
		err, errcode = select(2, fail(r))
		ai = errcode ~= C.SOCKET2_ECLOSED and ai:next()
	end
	return nil, err, errcode
end

-- send(s | data, [len]) -> len | nil, err, errcode, sent: sends all of it. `data` is any cdata with
-- its length in bytes, which an array or struct need not give. On an error `sent` is how many bytes
-- the system took.
function tcp:send(data, len)
	inside'send'
	local n, sent = C.socket2_tcp_send(loop, self.h, data, data_size(data, len), NEVER), 0
	if n == PENDING then
		n, sent = wait(self, WRITE, data)
	end
	if n < 0 then
		local _, err, errcode = fail(n)
		return nil, err, errcode, sent
	end
	return n
end

-- recv(buf, maxlen) -> len | nil, err, errcode: what has come, at most maxlen (> 0) bytes; 0 at the
-- end of the stream.
function tcp:recv(buf, maxlen)
	inside'recv'
	local n = C.socket2_tcp_recv(loop, self.h, buf, buffer_size(buf, maxlen), NEVER)
	if n == PENDING then
		n = wait(self, READ, buf)
	end
	if n < 0 then
		return fail(n)
	end
	return n
end

return tcp
