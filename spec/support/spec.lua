-- What the specs share: running code in a socket thread, pairs of sockets, processes as peers.

local ffi = require'ffi'
local assert = require'luassert'
local socket = require'socket2'
local this_process = require'this_process'

local C = require'socket2.lib'.C

local spec = {}

spec.qemu = os.getenv'SOCKET2_QEMU' ~= nil
spec.windows = ffi.os == 'Windows'

local function pack(...)
	return {n = select('#', ...), ...}
end

local LIMIT = 10 -- seconds until something that should happen counts as hanging

-- run(f, [seconds]) -> results of f: runs f in a socket thread and polls until it is over. An error
-- in any thread is raised here.
function spec.run(f, seconds)
	local results
	socket.newthread(function()
		results = pack(f())
	end)
	local deadline = socket.clock() + (seconds or LIMIT)
	while not results do
		local ok, err = socket.poll(math.max(deadline - socket.clock(), 0))
		if not ok then
			error('the thread did not end in time: ' .. tostring(err), 2)
		end
	end
	return unpack(results, 1, results.n)
end

-- threaded(f) -> function: a test's body that runs in a socket thread
function spec.threaded(f)
	return function()
		spec.run(f)
	end
end

-- fails(err, ...) -> what else: the results of a call are nil, err and its number.
function spec.fails(err, ...)
	local v, actual, errcode, more = ...
	assert.is_nil(v)
	assert.equal(err, actual)
	assert.equal('number', type(errcode))
	assert.equal(err, ffi.string(C.socket2_error_name(errcode)))
	return more
end

-- poll_until(condition, [seconds]): polls until condition() is true.
function spec.poll_until(condition, seconds)
	local deadline = socket.clock() + (seconds or LIMIT)
	while not condition() do
		if socket.clock() > deadline then
			error('the condition did not come true in time', 2)
		end
		socket.poll(0.01)
	end
end

-- go(f, ...) -> over: starts f(...) in a new thread. over(), in a socket thread, waits until f is over and
-- returns its results; over'done?' only tells whether it is.
function spec.go(f, ...)
	local results
	socket.newthread(function(...)
		results = pack(f(...))
	end, ...)
	return function(only_look)
		if only_look then
			return results ~= nil
		end
		local deadline = socket.clock() + LIMIT
		while not results do
			if socket.clock() > deadline then
				error('the thread did not end in time', 2)
			end
			spec.turn()
		end
		return unpack(results, 1, results.n)
	end
end

-- listener([host], [family]) -> tcp, port: listens on a port that the system picks.
function spec.listener(host, family)
	local s = assert(socket.tcp(family))
	assert(s:listen(host == nil and (family == 'inet6' and '::1' or '127.0.0.1') or host, 0))
	return s, s:localaddr():port()
end

-- pair([family]) -> client, server: two connected TCP sockets. In a socket thread.
function spec.pair(family)
	local s = spec.listener(nil, family)
	local server
	socket.newthread(function() server = assert(s:accept()) end)
	local client = assert(socket.tcp(family))
	assert(client:connect(s:localaddr()))
	while not server do
		spec.turn()
	end
	s:close()
	return client, server
end

-- turn(): lets the loop and all other threads have a turn. In a socket thread. (A TCP connect always has to
-- wait for the loop.)
function spec.turn()
	local s, c = spec.listener(), assert(socket.tcp())
	assert(c:connect(s:localaddr()))
	c:close()
	s:close()
end

-- wait_until(condition): gives other threads turns until condition() is true. In a socket thread.
function spec.wait_until(condition)
	local deadline = socket.clock() + LIMIT
	while not condition() do
		if socket.clock() > deadline then
			error('the condition did not come true in time', 2)
		end
		spec.turn()
	end
end

-- raises(pattern, f, ...) -> error: f(...) must raise an error that matches.
function spec.raises(pattern, f, ...)
	local ok, err = pcall(f, ...)
	assert.is_false(ok)
	assert.matches(pattern, err)
	return err
end

-- is_overflow(message): whether it is a stack overflow. When the traceback has no room either, Lua gives the
-- second message.
function spec.is_overflow(message)
	return message:find'stack overflow' ~= nil or message:find'error in error handling' ~= nil
end

-- finish(): polls until nothing is armed and no thread waits for something that can come.
function spec.finish()
	assert.is_true(socket.start(10))
end

-- tidy(): for after_each(); ends what a failed test has left.
function spec.tidy()
	socket.onerror = nil
	for _, t in ipairs(socket.threads()) do socket.cancel(t.thread) end
	for _ = 1, 1000 do
		local ok, more = pcall(socket.poll, 0)
		if ok and not more then break end
	end
end

-- hole() -> ai, free: connects to there wait forever; free() closes all. In a socket thread.
function spec.hole()
	local all = {assert(socket.tcp())}
	assert(all[1]:listen('127.0.0.1', 0, 0))
	local ai = all[1]:localaddr()
	repeat
		all[#all + 1] = assert(socket.tcp'inet')
	until not all[#all]:connect(ai, socket.clock() + 0.03)
	return ai, function()
		for _, s in ipairs(all) do s:close() end
	end
end

-- another(tcp) -> tcp: a socket that can connect after a canceled connect: the same one, or a new socket with
-- its timeouts when the system takes no other connect.
function spec.another(s)
	if ffi.os == 'Linux' then
		return s
	end
	local new = assert(socket.tcp(s:family()))
	new:settimeout(s.read_timeout or nil, s.write_timeout or nil)
	return new
end

-- On other systems the peer's buffer takes what it can at once.
local PATIENCE = spec.windows and {times = 3, seconds = 0.1} or {times = 1, seconds = 0}

-- flood(s) -> number of bytes: sends until there is no more room.
function spec.flood(s)
	local block, total, idle = ('x'):rep(65536), 0, 0
	repeat
		local n, _, _, sent = s:send(block, nil, socket.clock() + PATIENCE.seconds)
		n = n or sent
		total = total + n
		idle = n == 0 and idle + 1 or 0
	until idle == PATIENCE.times
	return total
end

-- buffer(n) -> char array
function spec.buffer(n)
	return ffi.new('char[?]', n)
end

-- recv_all(tcp, [n]) -> string: n bytes, or all until the end of the stream.
function spec.recv_all(s, n)
	local buf, parts, len = spec.buffer(65536), {}, 0
	while not n or len < n do
		local r = assert(s:recv(buf, math.min(65536, n and n - len or 65536)))
		if r == 0 then break end
		parts[#parts + 1] = ffi.string(buf, r)
		len = len + r
	end
	return table.concat(parts)
end

local function on_windows() return spec.windows end

local lacks = {
	['unix sockets'] = function() return not socket.tcp'unix' end,
	['unix datagram sockets'] = function() return not socket.udp'unix' end,
	['the option reuseport'] = function() return C.socket2_option_kind'reuseport' < 0 end,
	['the option multicast_if'] = function() return spec.qemu end,
	-- The installed libraries are for the machine's own processor.
	['the libraries of others'] = function() return spec.qemu end,
	['a shared epoll'] = function() return not socket.epoll_fd() end,
	['a poller for several loops'] = function() return not (socket.epoll_fd() or socket.iocp()) end,
	-- On Windows descriptors are sockets.
	['descriptors of pipes and files'] = on_windows,
	['/proc'] = on_windows,
	['serial devices'] = on_windows,
	['sockets that connect again'] = function() return ffi.os == 'OSX' or ffi.os == 'BSD' end,
	['resolv.conf'] = on_windows,
	['errors that are told once'] = on_windows, -- by SO_ERROR: Wine does not clear it
	-- Wine never reports them, and on Windows a refusal from one of many peers would end a receive from all.
	['refused datagrams that are told'] = on_windows,
	['signals'] = on_windows,
	['fork'] = on_windows,
	['a limit of memory'] = on_windows,
	['a limit of descriptors'] = on_windows,
	['a privilege to drop'] = on_windows,
	-- Wine passes on the few protocols that it knows.
	['raw sockets of any protocol'] = function()
		return select(2, socket.raw('inet', 253)) == 'protocol_not_supported'
	end,
	['raw sockets of IPv6'] = function()
		return select(2, socket.raw('inet6', 'icmpv6')) == 'protocol_not_supported'
	end,
}

-- loopback_name() -> what the system calls the interface of 127.0.0.1
function spec.loopback_name()
	return assert(socket.addr('fe80::1%1', 1, 'tcp', 'inet6')):ip():match'%%(.*)'
end

-- lacks(what) -> boolean
function spec.lacks(what)
	return lacks[what]()
end

local function with(env, what, it, lacking)
	if lacking == nil then
		lacking = lacks[what]()
	end
	return lacking and function(name)
		return env.pending(name .. ': needs ' .. what)
	end or it
end

-- with(what, it) -> it, or, when the system lacks `what`, one that skips its cases and says why. For a need
-- that is not in the list, `lacking` tells whether to skip.
function spec.with(what, it, lacking)
	return with(getfenv(2), what, it, lacking) -- the spec's environment, which has busted's pending()
end

-- runs(name, f, [what]): an it() that runs its function in a socket thread, with() what it needs.
function spec.runs(name, f, what)
	local env = getfenv(2)
	local it = what and with(env, what, env.it) or env.it
	return it(name, function() -- a tail call, so that the case's line is that of the call in the spec
		spec.run(f, 20)
	end)
end

-- group(name, f): calls f(), which makes cases: for with(), so that a group without cases is skipped once.
function spec.group(_, f)
	f()
end

spec.wine = spec.windows and require'shell'.on_wine

-- few(n) -> number: fewer rounds on Wine, where sockets are slow.
function spec.few(n)
	return spec.windows and math.ceil(n / 10) or n
end

-- pid(), fds(): number of open descriptors, tasks(): number of OS threads, privileged() -> boolean
spec.pid, spec.fds, spec.tasks, spec.privileged =
	this_process.pid, this_process.fds, this_process.tasks, this_process.privileged

-- luajit_start(source, [prefix]) -> file: runs a script in a separate process, after the words of a shell
-- command line ('timeout 5', 'NAME=value'). The file gives its output and ' ' .. exit code.
function spec.luajit_start(source, prefix)
	return assert(io.popen(([[
exec 2>&1
LUA_PATH='%s' %s ${SOCKET2_LUAJIT:-luajit} - <<'END OF SCRIPT'
%s
END OF SCRIPT
echo " $?"]]):format(package.path, prefix or '', source)))
end

-- luajit_end(file) -> output, exit code
function spec.luajit_end(file)
	local output, code = file:read'*a':match'^(.*) (%d+)\n$'
	file:close()
	return output, tonumber(code)
end

-- luajit(source, [prefix]) -> output, exit code: luajit_start() and luajit_end() in one.
function spec.luajit(source, prefix)
	return spec.luajit_end(spec.luajit_start(source, prefix))
end

return spec
