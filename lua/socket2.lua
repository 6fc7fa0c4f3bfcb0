-- socket2: asynchronous sockets for LuaJIT, with coroutines in place of callbacks.
--
-- Every failing function returns nil, err, errcode: err is a short word ('connection_refused'),
-- errcode its number. Arguments of a wrong type raise. I/O works in threads made by newthread().

local ffi = require'ffi'
local lib = require'socket2.lib'

local socket = require'socket2.sched'.api
local addr = require'socket2.addr'
local tcp = require'socket2.tcp'
local udp = require'socket2.udp'
local fd = require'socket2.fd'
local signal = require'socket2.signal'
require'socket2.loop'
require'socket2.timer'
require'socket2.sync'
require'socket2.control'

socket.strerror = lib.strerror
socket.addr = addr.lookup
socket.lookup_cache = addr.lookup_cache
socket.tcp = tcp.new
socket.connect = tcp.new_connected
socket.udp = udp.new
socket.raw = udp.new_raw
socket.wrapfd = fd.new
socket.signal = signal.new

-- serve{handler =, ...} -> server | nil, err, errcode: a TCP server on all processors; see serve.lua.
function socket.serve(options)
	return require'socket2.serve'(options)
end

-- features() -> {zlib = {version =, library =}, ...}: the foreign libraries that can be used here. Opens
-- those that were not needed before.
function socket.features()
	local found = {}
	for name, version, library in ffi.string(lib.C.socket2_features()):gmatch'(%S+) (%S+) ([^\n]+)\n' do
		found[name] = {version = version, library = library}
	end
	return found
end

socket._VERSION = 'socket2 ' .. ffi.string(lib.C.socket2_version())

-- onerror = function(thread, err, traceback): set it to be told of errors in threads, which poll()
-- and start() raise otherwise.
socket.onerror = nil

return socket
