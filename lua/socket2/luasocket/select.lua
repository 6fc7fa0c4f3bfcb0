-- The classic API's select, on the loop's poller: any number of sockets, and any object that has getfd().

local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local sched = require'socket2.run.sched'
local sync = require'socket2.run.sync'
local object = require'socket2.luasocket.object'
local new_table = require'table.new'

local C = lib.C
local loop, states = sched.loop, object.states
local type, error, pairs, tonumber, pcall = type, error, pairs, tonumber, pcall

local READ, WRITE = C.SOCKET2_READ, C.SOCKET2_WRITE
local TIMEOUT, BUSY, CANCELED = C.SOCKET2_ETIMEOUT, C.SOCKET2_EBUSY, C.SOCKET2_ECANCELED
local AT_ONCE, NEVER = -1/0, 1/0
local YEARS = 1e9 -- in place of forever: a loop to which nothing will come ends

-- Threads in select() look again after each poll of the loop.
local sleepers = sync.list()

local function look_again()
	sleepers:wake_all(true)
end

-- A handle for an object that is not the library's, as long as one select() takes. After that the descriptor
-- may be something else's.
local function borrow(o, borrowed)
	local getfd = o.getfd
	local fd = getfd and getfd(o)
	fd = fd and tonumber(fd) or -1
	if fd < 0 then
		return 0
	end
	local h = borrowed[fd]
	if not h then
		h = C.socket2_fd_new(loop, fd)
		if h < 0 then
			error('select failed', 0)
		end
		borrowed[fd] = h
	end
	return h
end

-- The handle of the library's own socket, or else a borrowed one; 0 when there is no descriptor.
local function handle_of(o, borrowed)
	local state = states[o]
	if not state then
		return borrow(o, borrowed)
	end
	local s = state.s
	return s and s.h or 0
end

local function is_dirty(o)
	local dirty = o.dirty
	return dirty and dirty(o)
end

local function add(ready, o)
	if not ready[o] then
		local n = #ready + 1
		ready[n], ready[o] = o, n
	end
end

local none = {}

-- The objects to look at: {object, handle ...}; `ready` gets those that already have data.
local function collect(list, kind, borrowed, ready)
	if not list then
		return none, 0
	end
	local t, n, i = new_table(2 * #list, 0), 0, 1
	local o = list[1]
	while o ~= nil do
		local h = handle_of(o, borrowed)
		if h ~= 0 then
			if kind == READ and is_dirty(o) then
				add(ready, o)
			else
				t[n + 1], t[n + 2] = o, h
				n = n + 2
			end
		end
		i = i + 1
		o = list[i]
	end
	return t, n
end

-- Adds the objects that are ready. A handle that is busy, because its descriptor has another operation or
-- another handle, does not count as ready.
local function look(t, n, kind, ready)
	for i = 2, n, 2 do
		local r = C.socket2_socket_wait(loop, t[i], kind, AT_ONCE)
		if r ~= TIMEOUT and r ~= BUSY then
			add(ready, t[i - 1])
		end
	end
end

-- poll(time) -> true when the thread was canceled: lets the loop poll once, waiting until `time` at the
-- longest.
local function poll(time)
	if not sched.can_wait() then
		if sched.interrupted() then
			sched.poll_in_place(time)
			return
		end
		local ok, err = sched.outside(sched.round, time, true)
		err = failure.take() or ok == nil and err
		if err then
			error(err, 0)
		end
	elseif time > 0 then
		sched.on_poll = look_again
		time = time < NEVER and time or C.socket2_clock() + YEARS
		return sleepers:wait('select', time) == CANCELED
	else
		sched.turn()
	end
end

local function search(recvt, sendt, timeout, borrowed)
	-- With room in their array parts, so that next() gives what is at 1 first, like LuaSocket's.
	local readable, writable = new_table(2, 2), new_table(2, 2)
	local reading, nreading = collect(recvt, READ, borrowed, readable)
	local writing, nwriting = collect(sendt, WRITE, borrowed, writable)
	local time = timeout < 0 and NEVER or timeout == 0 and 0 or C.socket2_clock() + timeout
	time = sched.deadline(time)
	local canceled = poll(0) -- what the loop knows of readiness is as of its last poll
	while true do
		look(reading, nreading, READ, readable)
		look(writing, nwriting, WRITE, writable)
		if readable[1] ~= nil or writable[1] ~= nil then
			return readable, writable, nil
		elseif canceled then
			return readable, writable, 'canceled'
		elseif time < NEVER and C.socket2_clock() >= time then
			return readable, writable, 'timeout'
		end
		canceled = poll(time)
	end
end

local function give_back(borrowed, ok, ...)
	for _, h in pairs(borrowed) do
		C.socket2_socket_close(loop, h)
	end
	if not ok then
		error((...), 0)
	end
	return ...
end

local function check_list(n, v)
	if v ~= nil and type(v) ~= 'table' then
		object.bad_argument(n, ('table expected, got %s'):format(type(v)))
	end
end

-- select(recvt, sendt, [timeout]) -> readable, writable, nil | 'timeout': arrays that also have the objects
-- as keys. `timeout` in seconds; nil or negative is forever. A thread that is canceled gets 'canceled'.
local function select(recvt, sendt, timeout)
	check_list(1, recvt)
	check_list(2, sendt)
	timeout = timeout == nil and -1 or object.number(3, timeout)
	local borrowed = {}
	return give_back(borrowed, pcall(search, recvt, sendt, timeout, borrowed))
end

return select
