-- A list of all threads that wait, with their names.

local ffi = require'ffi'
local lib = require'socket2.lib'
local sched = require'socket2.run.sched'

local C, raise, loop = lib.C, lib.raise, sched.loop
local type, ipairs, setmetatable, tostring = type, ipairs, setmetatable, tostring
local getinfo = debug.getinfo

local READ, LOOKUP = C.SOCKET2_READ, C.SOCKET2_LOOKUP

local census = {}

local names = setmetatable({}, {__mode = 'k'})

-- threadname(thread, [name]) -> name | nil: gets or sets the name by which threads() calls the thread.
function census.threadname(thread, name)
	if type(thread) ~= 'thread' then
		raise("bad argument #1 to 'threadname' (thread expected, got %s)", type(thread))
	end
	if name ~= nil then
		if type(name) ~= 'string' then
			raise("bad argument #2 to 'threadname' (string expected, got %s)", type(name))
		end
		names[thread] = name
	end
	return names[thread]
end

local operations = {
	[C.SOCKET2_OP_RECV] = 'recv', [C.SOCKET2_OP_ACCEPT] = 'accept', [C.SOCKET2_OP_SEND] = 'send',
	[C.SOCKET2_OP_CONNECT] = 'connect', [C.SOCKET2_OP_WAIT] = 'wait',
}

local since = ffi.new'double[1]'

-- operation_of(object, kind) -> what kind of operation is pending on the object, and since when.
local function operation_of(object, kind)
	if kind == LOOKUP then
		return 'lookup', object.since
	end
	local op = C.socket2_socket_pending(loop, object.h, kind, since)
	return operations[op] or kind == READ and 'recv' or 'send', since[0]
end

-- Where in the program a coroutine is, and where the program's own outermost function in it was defined.
local function places(co)
	local at, first
	for level = 0, math.huge do
		local info = getinfo(co, level, 'Sl')
		if not info then
			break
		elseif info.what ~= 'C' and not lib.is_own(info.source) then
			at = at or ('%s:%d'):format(info.short_src, info.currentline)
			first = ('%s:%d'):format(info.short_src, info.linedefined)
		end
	end
	return at, first
end

local report = {}
report.__index = report

function report:__tostring()
	local now, lines = C.socket2_clock(), {}
	for i, t in ipairs(self) do
		lines[i] = ('%s waits for %s%s since %.3f s%s at %s, started as %s'):format(t.name or tostring(t.thread),
			t.what, t.socket and ' on ' .. tostring(t.socket) or '', now - t.since,
			t.opened and ', opened at ' .. t.opened or '', t.at or '?', t.started or '?')
	end
	return table.concat(lines, '\n')
end

-- threads() -> list: all threads that wait, the longest wait first: {thread =, name =, what = 'recv',
-- since = time of clock(), socket =, opened = 'file:line' where that socket was made, at = 'file:line'
-- where it waits, started = 'file:line' of its function}. tostring() of the list is a report.
function census.threads()
	local list = setmetatable({}, report)
	local function add(thread, what, time, co, socket)
		local at, started = places(co)
		if co ~= thread then
			started = select(2, places(thread))
		end
		list[#list + 1] = {
			thread = thread, name = names[thread], what = what, since = time,
			socket = socket, opened = socket and socket.opened, at = at, started = started,
		}
	end
	sched.each_operation(function(thread, object, kind, co)
		local what, time = operation_of(object, kind)
		add(thread, what, time, co, kind ~= LOOKUP and object or nil)
	end)
	sched.each_waiter(function(thread, waiter)
		add(thread, waiter.what, waiter.since, waiter.co, waiter.socket or nil)
	end)
	table.sort(list, function(a, b) return a.since < b.since end)
	return list
end

return census
