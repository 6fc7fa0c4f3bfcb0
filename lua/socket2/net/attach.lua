-- Sockets for descriptors that other code has made.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local socket = require'socket2.net.socket'

local C, fail, raise = lib.C, lib.fail, lib.raise
local loop = sched.loop
local type, floor = type, math.floor

local type_numbers = {tcp = C.SOCKET2_TCP, udp = C.SOCKET2_UDP, raw = C.SOCKET2_RAW}

-- attach(fd, 'tcp' | 'udp' | 'raw') -> socket | nil, err, errcode: an object for a descriptor, which it owns
-- from now on; after an error the program keeps the descriptor. 'socket_type_not_supported' when the
-- descriptor is of another kind.
return function(fd, kind)
	if type(fd) ~= 'number' then
		raise("bad argument #1 to 'attach' (number expected, got %s)", type(fd))
	elseif not type_numbers[kind] then
		raise("bad argument #2 to 'attach' ('tcp', 'udp' or 'raw' expected)")
	end
	local h = fd == floor(fd) and C.socket2_socket_attach(loop, fd) or C.SOCKET2_EDESCRIPTOR
	if h < 0 then
		return fail(h)
	end
	local self = socket.of_handle(h, lib.caller())
	if self.type_number ~= type_numbers[kind] then
		self:let_go()
		return fail(C.SOCKET2_ESOCKTYPE)
	end
	local here = self:localaddr()
	self.bound = here and (here:port() ~= 0 or self.owner.family == C.SOCKET2_UNIX and here:ip() ~= '') or nil
	return self
end
