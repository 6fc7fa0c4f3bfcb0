-- require'socket2.thread': OS threads, each with its own Lua state and loop. They share nothing but channels;
-- message.lua says what can be sent.
--
-- A box is the channel between an OS thread and the state that started it. It first carries the function and
-- the arguments, then a message with the results, which begins with 1, or with an error, which begins with 0.
-- It is closed when the thread's state is closed. join() must not receive before the thread has taken the
-- first message. So it sends a message itself, for which the box has no room until then; that message begins
-- with another byte, and comes back to join() or is dropped.

local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local moment = require'socket2.run.moment'
local sched = require'socket2.run.sched'
local sync = require'socket2.run.sync'
local threadset = require'socket2.run.threadset'
local timer = require'socket2.run.timer'
local channel = require'socket2.thread.channel'
local message = require'socket2.thread.message'
local host = require'socket2.thread.host'

local ffi = require'ffi'
local C, fail, raise = lib.C, sched.fail, lib.raise
local type, select, unpack, pcall, error, pairs, loadstring, setmetatable =
	type, select, unpack, pcall, error, pairs, loadstring, setmetatable
local getinfo = debug.getinfo

local ECLOSED = C.SOCKET2_ECLOSED
local NAME = 15 -- characters of a name that Linux shows

local thread = {}

-- channel([capacity = 64]) -> channel | nil, err, errcode
thread.channel = channel.new

local thr = {}
thr.__index = thr

message.refuses(thr, 'thread object')

-- Objects of the library that mean something only in their own state.
for what, class in pairs(sync.classes) do
	message.refuses(class, what)
end
message.refuses(threadset.class, 'threadset')
message.refuses(timer.class, 'timer')

-- The program that a new state begins with.
local BOOT = [[
package.path, package.cpath = %q, %q
package.loaded['socket2.library'], package.loaded['socket2.began'] = %q, %.17g
require'socket2.thread.state'(...)]]

local function function_of(f)
	if type(f) == 'string' then
		local chunk, err = loadstring(f)
		return chunk or raise('%s', err)
	elseif type(f) ~= 'function' then
		raise("bad argument #1 to 'new' (function or string expected, got %s)", type(f))
	end
	return f
end

local function name_of(f)
	local info = getinfo(f, 'S')
	return ('%s:%d'):format(info.short_src:match'[^/\\]*$', info.linedefined)
end

-- new(f | code, ...) -> thread | nil, err, errcode: runs f(...) in a new OS thread, in a socket thread of the
-- new state. `code` is Lua source. The state has the package.path and package.cpath of this one. The thread
-- ends when f and all socket threads are over, or when one of them fails, even if no join() waits for that.
-- Raises an error for values that cannot be sent (message.lua) and for code with a syntax error.
function thread.new(f, ...)
	f = function_of(f)
	local lua, name = host(), name_of(f)
	local box, err, errcode = channel.new(1)
	if not box then
		return nil, err, errcode
	end
	local w = message.write{n = select('#', ...), f = f, ...}
	local boot = BOOT:format(package.path, package.cpath, lib.path, moment.began)
	local r = C.socket2_thread_new(sched.loop, lua, boot, #boot, name:sub(-NAME), box.h)
	if r < 0 then
		message.done(w)
		return fail(r)
	end
	local ok
	ok, err, errcode = box:send_written(w)
	if not ok then -- a socket is busy, so the new state finds nothing to do
		box:close()
		return nil, err, errcode
	end
	return setmetatable({box = box, label = name, asked = false, over = false, joining = false,
		joiners = sync.list()}, thr)
end

local function pack(...)
	return {n = select('#', ...), ...}
end

-- Reads a message of the box, for receive().
local function read_result(mem, size, handle)
	if mem[0] == 0 then
		return ffi.string(mem + 1, size - 1)
	elseif mem[0] ~= 1 then
		return true
	end
	local ok, results = pcall(function()
		return pack(message.read(mem, size, handle))
	end)
	return ok and results or failure.text_of(results)
end

-- Waits until the state is closed: true | nil, err, errcode.
local function finish(self, expires)
	local box = self.box
	local ok, err, errcode
	if not self.asked then
		ok, err, errcode = box:send_written(message.write(nil), expires)
		if not ok and errcode ~= ECLOSED then
			return nil, err, errcode
		end
		self.asked = true
	end
	while true do
		ok, err, errcode = box:receive(read_result, expires)
		if not ok then
			break
		elseif type(ok) == 'string' then
			self.err = self.err or ok
		elseif ok ~= true then
			self.results = ok
		end
	end
	if errcode ~= ECLOSED then
		return nil, err, errcode
	end
	self.err = self.err or not self.results and 'the thread ended without a result' or nil
	self.over = true
	return true
end

local function finished(self, raised, ok, err, errcode)
	self.joining = false
	self.joiners:wake_all(true)
	if not raised then
		error(ok, 0)
	end
	return ok, err, errcode
end

local function wait(self, expires)
	sched.inside'join'
	if not self.joining then
		self.joining = true
		return finished(self, pcall(finish, self, expires))
	end
	local r = self.joiners:wait('join', sched.deadline(expires))
	if r ~= true then
		return fail(r)
	end
	return true
end

-- join([expires]) -> results of f (true if there are none) | nil, err, [errcode]: waits until the thread is
-- over and its state closed. If the thread failed, `err` is the error with its traceback, and there is no
-- errcode. It may be called again, and by several threads. failed() tells a failure from results that begin
-- with nil.
function thr:join(expires)
	while not self.over do
		local ok, err, errcode = wait(self, expires)
		if not ok then
			return nil, err, errcode
		end
	end
	if self.err then
		return nil, self.err
	end
	local results = self.results
	if results.n == 0 then -- so that assert(thr:join()) works
		return true
	end
	return unpack(results, 1, results.n)
end

-- failed() -> boolean: did the thread end with an error? nil before a join() has seen the end.
function thr:failed()
	if self.over then
		return self.err ~= nil
	end
end

-- name() -> the name that the thread was started with: 'file:line' of its function.
function thr:name()
	return self.label
end

function thr:__tostring()
	return 'thread ' .. self.label
end

local SIZE = 256
local text = ffi.new('char[?]', SIZE)

-- name([name]) -> name | nil, err, errcode: gets or sets the system's name for the running thread.
function thread.name(name)
	if name ~= nil and type(name) ~= 'string' then
		raise("bad argument #1 to 'name' (string expected, got %s)", type(name))
	end
	local r = name and (name:find('\0', 1, true) and C.SOCKET2_EINVAL or C.socket2_thread_setname(name)) or 0
	r = r < 0 and r or C.socket2_thread_name(text, SIZE)
	if r < 0 then
		return fail(r)
	end
	return ffi.string(text)
end

-- cpus() -> the number of processors that this thread may run on, at least 1.
function thread.cpus()
	return C.socket2_thread_cpus()
end

return thread
