-- The loop as programs see it: polling, the clock, and the system objects that others may share.

local ffi = require'ffi'
local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local sched = require'socket2.run.sched'

local C, fail, raise = lib.C, lib.fail, lib.raise
local own = sched.loop
local unfinished, round = sched.unfinished, sched.round
local type, error, tonumber = type, error, tonumber
local max = math.max

local NEVER = 1/0
local FOREVER = 2^31 - 1 -- seconds; longer waits are forever

local loop = {}

-- clock() -> seconds of the monotonic clock, a number
function loop.clock()
	return C.socket2_clock()
end

-- os_error() -> number: the system's own code (errno, WSAGetLastError()) behind the last error that a socket
-- or the loop gave; 0 when there was none.
function loop.os_error()
	return C.socket2_os_error(own)
end

-- epoll_fd([fd]) -> fd | nil, err, errcode: the loop's epoll descriptor, to which the Lua states of other OS
-- threads can be set. It is valid until the last of these states is closed. It can be set only before the
-- first socket ('busy'). If the program made the descriptor itself, the loop uses a duplicate.
function loop.epoll_fd(fd)
	local n
	if fd == nil then
		n = C.socket2_loop_epoll_fd(own)
	elseif type(fd) == 'number' then
		-- Each processor converts a number that does not fit into an int in its own way.
		n = C.socket2_loop_set_epoll_fd(own, fd >= 0 and fd < 2^31 and fd or -1)
	else
		raise("bad argument #1 to 'epoll_fd' (number expected, got %s)", type(fd))
	end
	if n < 0 then
		return fail(n)
	end
	return n
end

-- iocp([handle]) -> handle | nil, err, errcode: like epoll_fd(), for Windows' completion port, a number.
function loop.iocp(handle)
	local port = ffi.new'intptr_t[1]'
	local n = 0
	if type(handle) == 'number' then
		n = C.socket2_loop_set_iocp(own, handle)
	elseif handle ~= nil then
		raise("bad argument #1 to 'iocp' (number expected, got %s)", type(handle))
	end
	if n == 0 then
		n = C.socket2_loop_iocp(own, port)
	end
	if n < 0 then
		return fail(n)
	end
	return tonumber(port[0])
end

local stopping = false
local starting = false -- in start(), which stop() or an error ends

local function raise_failure()
	local trace = failure.take()
	if trace then
		if starting then
			starting, stopping = false, false
		end
		error(trace, 0)
	end
end

local function deadline_of(timeout)
	if not timeout or timeout > FOREVER then
		return NEVER
	end
	return C.socket2_clock() + max(timeout, 0)
end

local function check_outside(what, timeout)
	if sched.running() then
		raise('%s() inside a socket thread: it would wait for itself', what)
	elseif sched.in_turn() and sched.interrupted() then
		raise('%s() in a finalizer or a hook that has interrupted it', what)
	elseif timeout ~= nil and type(timeout) ~= 'number' then
		raise("bad argument #1 to '%s' (number expected, got %s)", what, type(timeout))
	end
end

local function poll(deadline)
	raise_failure()
	local ok, err, errcode = round(deadline)
	raise_failure()
	return ok, err, errcode
end

-- poll([timeout]) -> true | false, 'timeout' | nil, err, errcode: waits for I/O and timers, at most `timeout`
-- seconds (default: forever), and resumes the threads that wait for them. When there is nothing to wait for
-- and no timeout, it returns false at once. Raises the error of a thread that failed.
function loop.poll(timeout)
	check_outside('poll', timeout)
	local ok, err, errcode = poll(deadline_of(timeout))
	if ok == false then
		return false, 'timeout', C.SOCKET2_ETIMEOUT
	elseif not ok then
		return nil, err, errcode
	end
	return true
end

-- The number of threads that wait for each other, when nothing else is waited for.
local function count_waiting()
	local n = 0
	sched.each_waiter(function() n = n + 1 end)
	return n
end

-- start([timeout]) -> true, [n] | false, 'timeout' | nil, err, errcode: polls until stop() is called, or no
-- thread waits for I/O or a time and no timer is armed (true), or `timeout` seconds are over (false). If
-- threads still wait for each other then (for events, queues, semaphores), n is their number. Raises the
-- error of a thread that failed; the loop can be started again.
function loop.start(timeout)
	check_outside('start', timeout)
	local deadline = deadline_of(timeout)
	local ok, err, errcode = true, nil, nil
	starting = true
	while ok and not stopping and (unfinished() or failure.any()) do
		ok, err, errcode = poll(deadline)
		if ok and unfinished() and deadline < NEVER and C.socket2_clock() >= deadline then
			ok = stopping
		end
	end
	local stopped = stopping
	starting, stopping = false, false
	if ok == false then
		return false, 'timeout', C.SOCKET2_ETIMEOUT
	elseif not ok then
		return nil, err, errcode
	end
	local n = not stopped and count_waiting() or 0
	if n > 0 then
		return true, n
	end
	return true
end

-- stop(): makes the running start() return after the turn of the present thread. When none runs, the next
-- start() returns at once. The threads stay as they are.
function loop.stop()
	stopping = true
	sched.interrupt()
end

return loop
