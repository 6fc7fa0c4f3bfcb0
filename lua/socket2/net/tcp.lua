-- TCP sockets, and unix sockets of the stream kind.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local addr = require'socket2.net.addr'
local endpoint = require'socket2.net.endpoint'
local socket = require'socket2.net.socket'
local line = require'socket2.run.line'
local stream = require'socket2.net.stream'
local waitable = require'socket2.net.waitable'
local connect = require'socket2.net.connect'

local C, fail, raise = lib.C, sched.fail, lib.raise
local loop, inside, deadline = sched.loop, sched.inside, sched.deadline
local hold, wait, over, in_line = sched.hold, sched.wait, sched.over, line.wait
local type, pairs = type, pairs

local PENDING, BUSY, READ = C.SOCKET2_PENDING, C.SOCKET2_EBUSY, C.SOCKET2_READ

local tcp = socket:class()
tcp.type_number = C.SOCKET2_TCP

local new = socket.constructor(tcp, C.socket2_tcp_new)

-- tcp([family='inet'], [protocol]) -> tcp | nil, err, errcode: a new socket.
function tcp.new(family, protocol)
	local self, err, errcode = new(family, protocol)
	if self then
		self.any_family = family == nil
	end
	return self, err, errcode
end

-- listen() takes both orders, like the API that this one follows: a leading number is the backlog.
local function listen_args(a, b, c)
	if type(a) == 'number' then
		return b, c, a
	elseif addr.is(a) then
		return a, nil, b
	end
	return a, b, c
end

-- listen([backlog,] addr | [host], [port]) or listen([host], [port], [backlog]) -> true | nil, err,
-- errcode, detail: binds, unless the socket is bound, and starts listening. The backlog (connections that
-- wait to be accepted) defaults to the system's maximum. A number alone is most likely meant as a port, so it
-- raises.
function tcp:listen(...)
	local host, port, backlog = listen_args(...)
	if type((...)) == 'number' and host == nil and port == nil and not self.bound then
		raise("listen(%.14g) gives a backlog and no address: call listen('*', %.14g)", backlog, backlog)
	end
	if backlog ~= nil and type(backlog) ~= 'number' then
		raise('bad backlog (number expected, got %s)', type(backlog))
	elseif not self.bound then
		local ok, err, errcode, detail = self:bind(host, port)
		if not ok then
			return nil, err, errcode, detail
		end
	end
	-- 1/0, and any number that no system can handle, is the maximum
	local n = backlog and backlog >= 0 and backlog < 2^31 and backlog or -1
	local r = C.socket2_tcp_listen(loop, self.h, n)
	if r < 0 then
		local ai = self:localaddr()
		if ai then
			return addr.fail(r, ai)
		end
		return fail(r)
	end
	return true
end

-- Eight for each turn: what the program does with a new connection takes long, and the old ones wait
-- meanwhile.
local ACCEPT_COST = 32

local function begin_accept(self, time, peer)
	hold(self, READ, peer)
	return C.socket2_tcp_accept(loop, self.h, peer, time)
end

local function accept(self, time, peer)
	local h = BUSY
	if not self.rline then
		h = begin_accept(self, time, peer)
	end
	if h == PENDING then
		h = wait(self, READ)
	elseif h == BUSY then
		h = in_line(self, READ, 'accept', time, begin_accept, peer)
	else
		over(ACCEPT_COST)
	end
	if h < 0 and waitable.collected(h) then
		return accept(self, time, peer)
	end
	return h
end

-- accept([expires]) -> tcp, ai | nil, err, errcode: the next connection and its peer's address. When the
-- process is out of descriptors ('too_many_open_files') the listener stays usable: the next accept rests for
-- 0.1 s first.
function tcp:accept(expires)
	inside'accept'
	local peer, own = ffi.new'socket2_addr[1]', self.owner
	local s = socket.wrap(tcp, 0, own.family, own.protocol)
	local h = accept(self, deadline(expires, self.read_timeout), peer)
	if h < 0 then
		return fail(h)
	end
	s:take(h)
	local opened = self.accepted_at
	if not opened then -- only once, because finding it out costs as much as the accept
		opened = lib.caller()
		self.accepted_at = opened
	end
	s.opened = opened
	return s, addr.wrap(peer)
end

local NO_PORT = "no port to connect to (an IPv6 address with one is '[::1]:80')"

-- connect(addr | [host], port, [expires]) -> true | nil, err, errcode, detail: connects to whichever of the
-- addresses answers first; each has 0.25 s before the next is tried, too (RFC 8305). A socket that was made
-- without a family, and is not bound, may become an inet6 one.
function tcp:connect(host, port, expires)
	inside'connect'
	local time = addr.deadline(host, port, expires, self.write_timeout)
	local family = self.any_family and not self.bound and C.SOCKET2_UNSPECIFIED or nil
	if self.lookups and addr.is_asking(self) then -- for another connect, which this one could overtake
		return fail(C.SOCKET2_EBUSY)
	end
	if port == nil and not addr.is(host) and not endpoint.has_port(host, port, self.owner.family) then
		return endpoint.fail(C.SOCKET2_EPORT, host, nil, NO_PORT)
	end
	local ai, err, errcode, detail = addr.for_socket(self, host, port, time, family)
	if not ai then
		return nil, err, errcode, detail
	end
	return connect(self, ai, time)
end

-- connect(addr | [host], port, [expires]) -> tcp | nil, err, errcode, detail: a new socket, connected.
function tcp.new_connected(host, port, expires)
	inside'connect'
	local family = addr.is(host) and host:family() or nil
	local self, err, errcode = tcp.new(family)
	if not self then
		return nil, err, errcode
	end
	self.any_family = true
	local ok, detail
	ok, err, errcode, detail = self:connect(host, port, expires)
	if not ok then
		self:close()
		return nil, err, errcode, detail
	end
	return self
end

-- setopt(name, value): the same as for all sockets. connect() may need the value for the sockets that it
-- tries.
local setopt = tcp.setopt
function tcp:setopt(name, value)
	local ok, err, errcode = setopt(self, name, value)
	if not ok then
		return nil, err, errcode
	elseif self.any_family ~= nil then
		self.options = self.options or {}
		self.options[name] = value
	end
	return true
end

for name, method in pairs(stream) do
	tcp[name] = method
end

local is_busy = tcp.is_busy
function tcp:is_busy()
	return is_busy(self) or self.race ~= nil or self:is_reading()
end

local close = tcp.close
function tcp:close()
	if self.race then
		self.race:wake_all(C.SOCKET2_ECLOSED)
	end
	return close(self)
end

return tcp
