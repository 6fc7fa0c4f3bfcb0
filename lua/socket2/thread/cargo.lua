-- Addresses and sockets in messages. A socket moves: its descriptor and its buffered bytes go along, and the
-- object that is left behind is closed.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local addr = require'socket2.net.addr'
local socket = require'socket2.net.socket'
local tcp = require'socket2.net.tcp'
local udp = require'socket2.net.udp'
local message = require'socket2.thread.message'
local reader = require'socket2.thread.message.reader'
local writer = require'socket2.thread.message.writer'

local C = lib.C
local loop = sched.loop
local put, put_number, get, add = writer.put, writer.put_number, reader.get, reader.add
local ipairs, error, setmetatable = ipairs, error, setmetatable

local ENOHANDLE = C.SOCKET2_ENOHANDLE
local ADDR, SOCKET = message.tags.ADDR, message.tags.SOCKET

local cargo = {}

local addr_array, addr_size = ffi.typeof'socket2_addr[?]', ffi.sizeof'socket2_addr'

message.kind(ADDR, addr.class, function(w, ai)
	local a, n, i, name = addr.parts(ai)
	if not a then
		writer.refuse(w, ai, 'freed address')
	end
	put_number(w, ADDR, n)
	put(w, i)
	put(w, name)
	writer.put_bytes(w, a, n * addr_size)
end, function(r)
	local n, i, name = reader.get_number(r), get(r), get(r)
	local a = addr_array(n)
	ffi.copy(a, reader.take(r, n * addr_size), n * addr_size)
	return add(r, addr.from_parts(a, n, i, name))
end)

local function put_socket(w, s)
	local kind = s:type()
	if s.h == 0 then
		writer.refuse(w, s, 'closed ' .. kind .. ' socket')
	end
	local list = w.sockets or {}
	w.sockets = list
	list[#list + 1] = s
	put_number(w, SOCKET, #list - 1)
	put(w, s.read_timeout)
	put(w, s.write_timeout)
	put(w, s.bound)
	put(w, s.any_family)
	put(w, s.options)
	put(w, s.opened)
	put(w, s.rest and s:rest() or '')
end

local function get_socket(r)
	local index = reader.get_number(r)
	local h = r.handle and C.socket2_message_socket(loop, r.handle, index) or C.SOCKET2_EINVAL
	if h < 0 then
		error('cannot receive a socket: ' .. ffi.string(C.socket2_error_message(h)), 0)
	end
	local s = add(r, socket.of_handle(h))
	s.read_timeout, s.write_timeout = get(r), get(r)
	s.bound, s.any_family, s.options, s.opened = get(r), get(r), get(r), get(r)
	local rest = get(r)
	if rest ~= '' then
		s:unread(rest)
	end
	return s
end

for _, class in ipairs{tcp, udp, udp.raw_class} do
	message.kind(SOCKET, class, put_socket, get_socket)
end

-- socket on its way -> the bytes that are buffered
local rests = setmetatable({}, {__mode = 'k'})

local MOVING = -1 -- replaces the handle in an object's owner: the socket is on its way, not closed

-- unload(sockets, fds, n): gives the first n sockets their descriptors back, unless they were closed since. A
-- socket that cannot be taken back, for want of memory, is closed.
function cargo.unload(sockets, fds, n)
	for i = 1, n do
		local s, fd = sockets[i], fds[i - 1]
		local h = s.owner.handle == MOVING and C.socket2_socket_attach(loop, fd) or 0
		local rest = rests[s]
		rests[s] = nil
		if h > 0 then
			s.h, s.owner.handle = h, h
			if rest and C.socket2_stream_unread(loop, h, rest, #rest) < 0 then
				s:close()
			end
		else
			if h ~= ENOHANDLE then -- in that case attach() has closed the descriptor
				C.socket2_descriptor_close(fd)
			end
			s:close()
		end
	end
end

-- load(sockets) -> their descriptors, an array | nil, code
function cargo.load(sockets)
	local fds = ffi.new('intptr_t[?]', #sockets)
	for _, s in ipairs(sockets) do -- before any of them is let go
		rests[s] = s.rest and s:rest() or nil
	end
	for i, s in ipairs(sockets) do
		local fd = s:is_busy() and C.SOCKET2_EBUSY or s:let_go()
		if fd < 0 then
			cargo.unload(sockets, fds, i - 1)
			return nil, fd
		end
		fds[i - 1], s.owner.handle = fd, MOVING
	end
	return fds
end

-- gone(sockets): closes the objects that are left, because the sockets belong to another state.
function cargo.gone(sockets)
	for _, s in ipairs(sockets) do
		rests[s] = nil
		s:close()
	end
end

return cargo
