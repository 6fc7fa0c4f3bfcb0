-- socket.core of LuaSocket, on socket2.

local lib = require'socket2.lib'
local protect = require'socket2.luasocket.protect'
local tcp = require'socket2.luasocket.tcp'.tcp
local udp = require'socket2.luasocket.udp'.udp

local C = lib.C

C.socket2_ignore_sigpipe() -- like LuaSocket does: LuaSec, for one, relies on it

local core = {
	_VERSION = 'LuaSocket 3.1.0',
	_SETSIZE = C.socket2_descriptor_limit(), -- select() takes any number
	_DATAGRAMSIZE = 8192,
	_SOCKETINVALID = -1,
	sleep = require'socket2.luasocket.object'.sleep,
	newtry = protect.newtry, protect = protect.protect, skip = protect.skip,
	select = require'socket2.luasocket.select',
	dns = require'socket2.luasocket.dns',
}

function core.__unload() end

-- tcp() -> master: bind() or connect() find out its family.
function core.tcp() return tcp() end
function core.tcp4() return tcp'inet' end
function core.tcp6() return tcp'inet6' end
function core.udp() return udp() end
function core.udp4() return udp'inet' end
function core.udp6() return udp'inet6' end

-- gettime() -> seconds since 1970
function core.gettime()
	return C.socket2_time()
end

return core
