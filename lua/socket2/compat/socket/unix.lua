-- LuaSocket's module socket.unix, on socket2.

local stream = require'socket2.luasocket.tcp'.unixstream
local dgram = require'socket2.luasocket.udp'.unixdgram

local unix = setmetatable({}, {__call = function() return stream'unix' end})

function unix.stream() return stream'unix' end
function unix.dgram() return dgram'unix' end
unix.tcp, unix.udp = unix.stream, unix.dgram

return unix
