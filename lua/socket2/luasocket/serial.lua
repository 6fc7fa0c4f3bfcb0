-- The classic API's serial objects: serial{client}, over a descriptor that is not a socket.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local fd = require'socket2.net.fd'
local sockets = require'socket2.luasocket.raw'
local tcp = require'socket2.luasocket.tcp'
local object = require'socket2.luasocket.object'

local C = lib.C
local loop = sched.loop
local check, fail = object.check, object.fail
local ipairs = ipairs

-- The descriptor inside an object.
local raw = object.class_of(fd)
for _, name in ipairs{'received', 'sent', 'check_thread'} do
	raw[name] = sockets.class[name]
end

local function new_socket()
	local s = raw:wrap(0, lib.caller())
	s.birth = C.socket2_clock()
	return s
end

local methods = {}
local kind = tcp.kind_of('serial', methods)
methods.shutdown, methods.gettimeout = nil, nil -- LuaSocket has none

function methods:getfd()
	self = check(self, 'serial')
	return self.s and self.s:fd() or -1
end

function methods:setfd(number)
	self = check(self, 'serial')
	number = object.number(2, number)
	object.give_up(self)
	local s = new_socket()
	local h = C.socket2_fd_attach(loop, number)
	if h > 0 then
		s:take(h)
		self.s = s
	end
end

-- What open(2) says that the library has no words for, by numbers that all systems share.
local texts = {
	[6] = 'No such device or address', [16] = 'Device or resource busy', [20] = 'Not a directory',
	[21] = 'Is a directory', [26] = 'Text file busy', [30] = 'Read-only file system',
}

-- serial(path) -> object | nil, err, errno: opens a serial line, or whatever else is there.
return function(path)
	path = object.string(1, path)
	local s = new_socket()
	local h = C.socket2_fd_open(loop, path)
	if h < 0 then
		local errno = C.socket2_os_error(loop)
		local _, err = fail(h)
		return nil, texts[errno] or err, errno
	end
	s:take(h)
	return kind.new(kind.client, {s = s})
end
