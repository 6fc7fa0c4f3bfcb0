-- Descriptors of any kind that the program owns: pipes, terminals, other libraries' sockets.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local stream = require'socket2.net.stream'
local waitable = require'socket2.net.waitable'

local C, fail, raise = lib.C, sched.fail, lib.raise
local loop = sched.loop
local type, pairs, setmetatable, floor = type, pairs, setmetatable, math.floor

local fd = waitable:class()

function fd:__tostring()
	return self.h == 0 and 'fd closed' or ('fd %d'):format(self:fd())
end

-- An object for a handle that C gave, or will give. `opened` is the place in the program that opened it.
function fd.wrap(class, handle, opened)
	return setmetatable({h = handle, owner = waitable.owner_of(loop, handle), opened = opened}, class)
end

-- wrapfd(fd) -> object | nil, err, errcode: for a descriptor that the program keeps; close() this object
-- first. A descriptor in blocking mode blocks the loop only if other code reads from it or writes to it at
-- the same time, and it cannot be sent to unless it is a pipe, a socket or a file.
function fd.new(number)
	if type(number) ~= 'number' then
		raise("bad argument #1 to 'wrapfd' (number expected, got %s)", type(number))
	end
	local self = fd:wrap(0, lib.caller())
	local h = number == floor(number) and C.socket2_fd_new(loop, number) or C.SOCKET2_EDESCRIPTOR
	if h < 0 then
		return fail(h)
	end
	self:take(h)
	return self
end

for name, method in pairs(stream) do
	fd[name] = method
end

return fd
