-- What the objects of the classic API (LuaSocket's) share: classes, timeouts, errors as its strings, and
-- operations that wait wherever they are called.

local ffi = require'ffi'
local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local sched = require'socket2.run.sched'
local line = require'socket2.run.line'
local timer = require'socket2.run.timer'
local addr = require'socket2.net.addr'
local socket = require'socket2.net.socket'

local C = lib.C
local getinfo, setfenv, change_metatable = debug.getinfo, debug.setfenv, debug.setmetatable
local newproxy, cast = newproxy, ffi.cast
local error, type, tostring, tonumber, select, unpack, pcall, pairs, setmetatable, getmetatable =
	error, type, tostring, tonumber, select, unpack, pcall, pairs, setmetatable, getmetatable

local TIMEOUT = C.SOCKET2_ETIMEOUT
local NEVER, AT_ONCE = 1/0, -1/0 -- at once: no deadline has to be looked at

local object = {}

-- Objects are userdata, because LuaSocket's are. Userdata have no room for fields, so this table has each
-- object's state, a table with `kind`, `class`, `block` and `total` (the timeouts), and `s`, the socket, if
-- there is one. Functions that are not methods take the state. The state is also the userdata's environment,
-- and so lives exactly as long; therefore both sides of this table are weak. A lookup here is compiled, while
-- debug.getfenv() is not.
local states = setmetatable({}, {__mode = 'kv'})
object.states = states

-- Where LuaSocket has the system's words, these are glibc's.
local strings = {
	timeout = 'timeout', connection_timed_out = 'timeout',
	closed = 'closed', end_of_stream = 'closed', connection_reset = 'closed',
	connection_aborted = 'closed', broken_pipe = 'closed',
	connection_refused = 'connection refused',
	address_already_in_use = 'address already in use',
	already_connected = 'already connected',
	access_denied = 'permission denied',
	unknown_host = 'host or service not provided, or not known',
	unknown_service = 'service not supported for socket type',
	invalid_port = 'service not supported for socket type',
	temporary_lookup_failure = 'temporary failure in name resolution',
	lookup_failure = 'non-recoverable failure in name resolution',
	address_family_not_supported = 'Address family not supported by protocol',
	not_connected = 'Transport endpoint is not connected',
	network_unreachable = 'Network is unreachable', network_down = 'Network is down',
	host_unreachable = 'No route to host',
	address_not_available = 'Cannot assign requested address',
	invalid_argument = 'Invalid argument', not_listening = 'Invalid argument',
	too_many_open_files = 'Too many open files',
	too_many_open_files_in_system = 'Too many open files in system',
	not_supported = 'Operation not supported', not_permitted = 'Operation not permitted',
	busy = 'Operation already in progress', bad_descriptor = 'Bad file descriptor',
	io_error = 'Input/output error',
	message_too_long = 'Message too long', no_buffer_space = 'No buffer space available',
	destination_address_required = 'Destination address required',
	file_not_found = 'No such file or directory', path_too_long = 'path too long',
	no_such_device = 'No such device', out_of_memory = 'Cannot allocate memory',
}

-- text(word | code) -> its string
function object.text(err)
	if type(err) == 'number' then
		err = select(2, lib.fail(err))
	end
	return strings[err] or err
end
local text = object.text

-- fail(word | code) -> nil, its string
function object.fail(err)
	return nil, text(err)
end

-- bad_argument(n, message): raises an error at the line that called the method, in the words that Lua has for
-- functions in C: an object does not count as an argument of a method that is called with a colon.
function object.bad_argument(n, message)
	local level = lib.program_level()
	local info = getinfo(level - 1, 'n')
	local name = info.name or '?'
	if info.namewhat == 'method' then
		n = n - 1
		if n == 0 then
			error(("calling '%s' on bad self (%s)"):format(name, message), level)
		end
	end
	error(("bad argument #%d to '%s' (%s)"):format(n, name, message), level)
end
local bad_argument = object.bad_argument

-- check(object, kind, [class]) -> its state: raises unless the object is of that kind ('tcp') and class
-- ('tcp{client}').
function object.check(self, kind, class)
	local state = states[self]
	if not state or state.kind ~= kind or class and state.class ~= class then
		bad_argument(1, (class or kind .. '{any}') .. ' expected')
	end
	return state
end

function object.number(n, v, default)
	if v == nil and default ~= nil then
		return default
	end
	local number = type(v) == 'number' and v or type(v) == 'string' and tonumber(v)
	if not number then
		bad_argument(n, ('number expected, got %s'):format(v == nil and 'no value' or type(v)))
	end
	return number
end

function object.string(n, v, default)
	if v == nil and default ~= nil then
		return default
	elseif type(v) ~= 'string' and type(v) ~= 'number' then
		bad_argument(n, ('string expected, got %s'):format(v == nil and 'no value' or type(v)))
	end
	return tostring(v)
end

-- deadline(state) -> when an operation that starts now has to end, if it waits only once.
function object.deadline(self)
	local seconds = self.block
	if self.total >= 0 and (seconds < 0 or self.total < seconds) then
		seconds = self.total
	end
	return seconds < 0 and NEVER or seconds == 0 and AT_ONCE or C.socket2_clock() + seconds
end

local function pack(...)
	return {n = select('#', ...), ...}
end

local function outside(f, ...)
	local results
	sched.start_thread(NEVER, function(...)
		results = pack(pcall(f, ...))
	end, ...)
	while not results do
		local ok, err = sched.round(NEVER)
		err = failure.take() or not ok and (err or 'nothing will ever end this wait')
		if err then
			error(err, 0)
		end
	end
	return results
end

-- wait(f, ...) -> results of f, which waits. In a thread f is just called. Elsewhere f gets a thread of its
-- own, and the caller waits for that while all other threads go on. In a finalizer or a hook no other thread
-- goes on.
function object.wait(f, ...)
	if sched.can_wait() then
		return f(...)
	elseif sched.interrupted() then
		return sched.block(f, ...)
	end
	local results = sched.outside(outside, f, ...)
	if not results[1] then
		error(results[2], 0)
	end
	return unpack(results, 2, results.n)
end

-- in_line(socket, kind, what, time, begin, ...) -> result, detail: like line.wait(), but works anywhere, and
-- with AT_ONCE it does not wait for its turn.
function object.in_line(self, kind, what, time, begin, ...)
	if time == AT_ONCE then
		return TIMEOUT, 0
	end
	return object.wait(line.wait, self, kind, what, time, begin, ...)
end

-- class_of(modern) -> class of the sockets inside objects. What is pending on such a socket can be waited for
-- anywhere.
function object.class_of(modern)
	local class = modern:class()

	local function waited(self, kind, ok, ...)
		if not ok then
			sched.abandon(self, kind)
			error((...), 0)
		end
		return ...
	end

	function class:wait_elsewhere(wait, kind, ...)
		return waited(self, kind, pcall(object.wait, wait, self, kind, ...))
	end
	return class
end

local function sleep(seconds)
	if sched.can_wait() then
		timer.sleep(seconds)
	else
		sched.rest(C.socket2_clock() + seconds)
	end
end

-- sleep(seconds): the other threads go on as they do in wait().
function object.sleep(seconds)
	seconds = object.number(1, seconds)
	if seconds > 0 then -- NaN is not
		object.wait(sleep, seconds)
	end
end

-- class -> a userdata that is not an object, and has the metatable that the objects of the class share.
local prototypes = {}
local methods_of = {} -- kind -> its methods

-- Each class has a metatable of its own, with its name beside the methods, because LuaSocket has that.
local function prototype_of(class, kind)
	local prototype = newproxy(true)
	local index, metatable = {class = class}, getmetatable(prototype)
	for name, method in pairs(methods_of[kind]) do
		index[name] = method
	end
	metatable.__index = index

	function metatable:__tostring()
		return ('%s: %s'):format(class, tostring(cast('void *', self)):match'0x%x+')
	end
	prototypes[class] = prototype
	return prototype
end

-- class(kind, methods) -> new(class, state) -> object. The methods have to be complete before the first
-- object is made.
function object.class(kind, methods)
	methods_of[kind] = methods

	-- settimeout([seconds], [mode = 'b']) -> 1: nil or negative is forever. Both modes count from the start
	-- of a call. If both are set, 'b' is for each wait in a call.
	function methods:settimeout(seconds, mode)
		self = object.check(self, kind)
		seconds = seconds == nil and -1 or object.number(2, seconds)
		mode = object.string(3, mode, 'b'):sub(1, 1)
		if mode == 'b' then
			self.block = seconds
		elseif mode == 't' or mode == 'r' then
			self.total = seconds
		else
			bad_argument(3, 'invalid timeout mode')
		end
		return 1
	end

	function methods:gettimeout()
		self = object.check(self, kind)
		return self.block, self.total
	end

	return function(class, state)
		local o = newproxy(prototypes[class] or prototype_of(class, kind))
		state.kind, state.class, state.block, state.total = kind, class, -1, -1
		setfenv(o, state)
		states[o] = state
		return o
	end
end

-- change_class(object, class): makes it an object of another class of its kind.
function object.change_class(o, class)
	local state = states[o]
	if state.class ~= class then
		state.class = class
		change_metatable(o, getmetatable(prototypes[class] or prototype_of(class, state.kind)))
	end
end

-- look_up(host, port, socket type, family, [flags]) -> ai | nil, err: the address that a method's arguments
-- name, of both families where `family` is nil.
function object.look_up(host, port, socket_type, family, flags)
	if not host and not family then
		family = 'inet'
	end
	local ai, err = object.wait(addr.lookup, host, port, socket_type, family or 'unspec', nil, flags)
	if err == 'address_family_not_supported' then
		err = 'Address family for hostname not supported'
	end
	return ai, err
end

local families = {inet = 'inet4', inet6 = 'inet6', unix = 'unix'}

local function name_of(self, method)
	local ai, err = nil, 'bad_descriptor'
	if self.s and self.s.h ~= 0 then
		ai, err = self.s[method](self.s)
	end
	if not ai then
		return object.fail(err)
	elseif ai:family() == 'unix' then
		return ai:ip()
	end
	return ai:ip(), ai:port(), ai:family()
end

-- opener(class, new, [begin]) -> open(state, family) -> socket | nil, code: returns the object's socket. If
-- that is closed or of another family, open() replaces it. new(loop, family, 0) makes a handle in C, and
-- begin(socket, family) is called for each new socket.
function object.opener(class, new, begin)
	return function(self, family)
		local s = self.s
		if s and s.h ~= 0 and s.owner.family == family then
			return s
		end
		local fresh, code = socket.made(class, new, family, 0, lib.caller())
		if not fresh then
			return nil, code
		elseif s then
			s:close()
		end
		self.s = fresh
		if begin then
			begin(fresh, family)
		end
		if family == C.SOCKET2_INET6 then
			self.s:setopt('v6only', true)
		end
		return self.s
	end
end

-- maker(new, class, open) -> f([family]) -> object | nil, err: without a family the object has no socket yet.
function object.maker(new, class, open)
	return function(family)
		local state = {family = family}
		if family then
			local s, code = open(state, C['SOCKET2_' .. family:upper()])
			if not s then
				return object.fail(code)
			end
		end
		return new(class, state)
	end
end

-- give_up(state): lets go of the descriptor without closing it, because it belongs to something else from
-- here on.
function object.give_up(self)
	local s = self.s
	if s then
		C.socket2_socket_detach(sched.loop, s.h)
		s.h, s.owner.handle, self.s = 0, 0, nil
	end
end

-- add_names(methods, kind, connected, class): adds methods for addresses and descriptors. `connected` is the
-- class of objects that have a peer, `class` the class of the sockets inside them.
function object.add_names(methods, kind, connected, class)
	local check = object.check

	function methods:getsockname()
		self = check(self, kind)
		return name_of(self, 'localaddr')
	end

	function methods:getpeername()
		self = check(self, kind, connected)
		return name_of(self, 'remoteaddr')
	end

	function methods:getfamily()
		self = check(self, kind)
		return self.s and families[self.s:family()] or families[self.family] or 'inet4'
	end

	function methods:getfd()
		self = check(self, kind)
		return self.s and self.s:fd() or -1
	end

	function methods:setfd(fd)
		self = check(self, kind)
		fd = object.number(2, fd)
		object.give_up(self)
		local s = socket.wrap(class, 0, 0, 0, lib.caller())
		local h = fd >= 0 and C.socket2_socket_attach(sched.loop, fd) or 0
		if h > 0 then
			s:take(h)
			s.owner.family = C.socket2_socket_family(sched.loop, h)
			s.owner.protocol = C.socket2_socket_protocol(sched.loop, h)
			s.birth = C.socket2_clock()
			self.s = s
		end
	end
end

object.TIMEOUT, object.AT_ONCE = TIMEOUT, AT_ONCE

return object
