-- The system's signals: those that ask the program to end, and those that tell it something.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'

local C, fail, raise = lib.C, sched.fail, lib.raise
local loop, deadline, inside = sched.loop, sched.deadline, sched.inside
local hold, wait, over = sched.hold, sched.wait, sched.over
local type, select, ipairs, setmetatable = type, select, ipairs, setmetatable
local bor, max, concat = require'bit'.bor, math.max, table.concat

local PENDING, READ = C.SOCKET2_PENDING, C.SOCKET2_READ

local signal = {}
signal.__index = signal

-- Gives back the signals of an object that was forgotten, like the owner in waitable.lua.
ffi.cdef'typedef struct { int32_t loop, handle; } socket2_lua_signal;'
local owner_of = ffi.metatype('socket2_lua_signal', {__gc = function(self)
	C.socket2_signal_close(self.loop, self.handle)
end})

local numbers, names = {}, {}
for _, name in ipairs{
	'int', 'break', 'term', 'hup', 'quit', 'usr1', 'usr2', 'chld', 'winch', 'cont', 'tstp', 'ttin', 'ttou',
	'alrm', 'pipe', 'urg', 'io', 'xcpu', 'xfsz',
} do
	local number = C['SOCKET2_SIG' .. name:upper()]
	numbers[name], names[number] = number, name
end

local function number_of(i, name)
	local number = numbers[name]
	if number then
		return number
	elseif type(name) == 'string' then
		raise("bad argument #%d to 'signal' (no signal to wait for: '%s')", i, name)
	end
	raise("bad argument #%d to 'signal' (string expected, got %s)", i, type(name))
end

-- signal(name, ...) -> s | nil, err, errcode: watches for signals of these names, which then do nothing else
-- to the process, until close(). 'not_supported' when the system lacks one of them.
function signal.new(...)
	local set = 0
	for i = 1, max(select('#', ...), 1) do
		set = bor(set, number_of(i, (select(i, ...))))
	end
	-- Made before the handle, which a lack of memory could otherwise lose.
	local self = setmetatable({h = 0, owner = owner_of(loop, 0), opened = lib.caller(),
		text = 'signal ' .. concat({...}, ', ')}, signal)
	local h = C.socket2_signal_new(loop, set)
	if h < 0 then
		return fail(h)
	end
	self.h, self.owner.handle = h, h
	return self
end

-- wait([expires]) -> name | nil, err, errcode: the name of a signal that has come since the object was made
-- and that no wait has returned yet. 'busy' while another thread waits on the object.
function signal:wait(expires)
	inside'wait'
	hold(self, READ)
	local r = C.socket2_signal_wait(loop, self.h, deadline(expires))
	if r == PENDING then
		r = wait(self, READ)
	else
		over()
	end
	if r < 0 then
		return fail(r)
	end
	return names[r]
end

-- close() -> true: the signals do what they did before, unless another object watches for them. The thread
-- that waits gets nil, 'closed'. Closing twice is harmless.
function signal:close()
	C.socket2_signal_close(loop, self.h)
	self.h, self.owner.handle = 0, 0
	return true
end

function signal:__tostring()
	return self.text
end

return signal
