-- socket2: asynchronous sockets for LuaJIT, with coroutines in place of callbacks. This file lists every
-- public name; each is described where it is defined.
--
-- Every failing function returns nil, err, errcode: err is a short word ('connection_refused'),
-- errcode its number. Arguments of a wrong type raise. I/O works in threads made by newthread().

local ffi = require'ffi'
local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local loop = require'socket2.run.loop'
local threads = require'socket2.run.threads'
local threadset = require'socket2.run.threadset'
local census = require'socket2.run.census'
local timer = require'socket2.run.timer'
local sync = require'socket2.run.sync'
local signal = require'socket2.run.signal'
local addr = require'socket2.net.addr'
local attach = require'socket2.net.attach'
local tcp = require'socket2.net.tcp'
local udp = require'socket2.net.udp'
local fd = require'socket2.net.fd'

local socket = {
	-- onerror = function(thread, err, traceback): called with errors in threads, if the program sets it.
	-- Otherwise poll() and start() raise them.
	onerror = nil,

	-- the loop
	start = loop.start, stop = loop.stop, poll = loop.poll, clock = loop.clock,
	os_error = loop.os_error, strerror = lib.strerror,
	epoll_fd = loop.epoll_fd, iocp = loop.iocp,
	signal = signal.new,

	-- threads
	newthread = threads.newthread, currentthread = threads.currentthread,
	suspend = threads.suspend, resume = threads.resume, cancel = threads.cancel, deadline = threads.deadline,
	threadset = threadset.new,
	threads = census.threads, threadname = census.threadname,

	-- time
	sleep = timer.sleep, sleep_until = timer.sleep_until,
	runat = timer.runat, runafter = timer.runafter, runevery = timer.runevery,

	-- threads that wait for each other
	event = sync.event, semaphore = sync.semaphore, queue = sync.queue,

	-- addresses and sockets
	addr = addr.lookup, lookup_cache = addr.lookup_cache,
	tcp = tcp.new, connect = tcp.new_connected, udp = udp.new, raw = udp.new_raw,
	wrapfd = fd.new, attach = attach,

	_VERSION = 'socket2 ' .. ffi.string(lib.C.socket2_version()),
}

failure.listen(socket)

-- serve{handler =, ...} -> server | nil, err, errcode: a TCP server on all processors; see serve.lua.
function socket.serve(options)
	return require'socket2.serve'(options)
end

-- features() -> {zlib = {version =, library =}, ...}: the foreign libraries that can be used here. Opens the
-- ones that were not needed before.
function socket.features()
	local found = {}
	for name, version, library in ffi.string(lib.C.socket2_features()):gmatch'(%S+) (%S+) ([^\n]+)\n' do
		found[name] = {version = version, library = library}
	end
	return found
end

return socket
