-- The side of serve.lua that runs in the Lua state of each of its threads: connections come in, are served,
-- and are finished in the end.

local failure = require'socket2.failure'
local sched = require'socket2.sched'
local sync = require'socket2.sync'

local api = sched.api
local type, pairs, xpcall, error = type, pairs, xpcall, error

local GRACE = 1    -- seconds for handlers whose connection was closed
local INTERVAL = 0.1 -- seconds between two reports that nobody waits for

local worker = {GRACE = GRACE}

-- accept_all(listener, take): until it is closed.
function worker.accept_all(listener, take)
	repeat
		local s, err = listener:accept()
		if s then
			take(s)
		end
	until err == 'closed'
end

-- close(listener, take): those whom the system has accepted already are taken, or it would reset them.
function worker.close(listener, take)
	repeat
		local s = listener:accept(0)
		if s then
			take(s)
		end
	until not s
	listener:close()
end

-- The connections of this state.
local open = {} -- socket -> the thread that serves it
local started, ended = 0, 0
local idle, news = sync.event(), sync.event()

local function serve(handler, s)
	open[s] = sched.this()
	local ok, caught = xpcall(handler, failure.catch, s)
	open[s] = nil
	s:close()
	ended = ended + 1
	news:set()
	if started == ended then
		idle:set()
	end
	if not ok then
		failure.pass_on(caught)
	end
end

-- finish(expires) -> boolean: waits until all are over; those that are not are closed.
local function finish(expires)
	if started == ended or idle:wait(expires) then
		return true
	end
	for s, thread in pairs(open) do
		s:close()
		api.cancel(thread)
	end
	idle:wait(api.clock() + GRACE)
	return false
end

local interval = 0
local function report(reports, index)
	repeat
		news:wait()
		news:clear()
		local ok = reports:send{index, started, ended}
		api.sleep(interval)
	until not ok
end

local function print_error(_, _, trace)
	io.stderr:write('socket2.serve: ', trace, '\n')
end

-- run(index, control, reports, handler, [onerror], [epoll_fd]) -> boolean: the body of the thread. `control`
-- brings {'serve', connection}, {'listen', listener}, and at last {'stop', expires}. `reports` gets
-- {index, number of connections that were begun, that are over}. False when some were cut off.
function worker.run(index, control, reports, handler, onerror, epoll_fd)
	if epoll_fd then
		local ok, err = api.epoll_fd(epoll_fd)
		if not ok then
			error('the epoll cannot be shared: ' .. err, 0)
		end
	end
	api.onerror = onerror or print_error
	if type(handler) == 'string' then
		handler = require(handler)
	end

	local function take(s)
		started = started + 1
		idle:clear()
		news:set()
		api.newthread(serve, handler, s)
	end

	api.newthread(report, reports, index)
	local listener, expires
	repeat
		local message = control:recv()
		local what, value = 'stop', 0 -- when it was closed
		if message then
			what, value = message[1], message[2]
		end
		if what == 'serve' then
			take(value)
		elseif what == 'listen' then
			listener = value
			interval = INTERVAL
			api.newthread(worker.accept_all, listener, take)
		else
			expires = value
		end
	until expires
	if listener then
		worker.close(listener, take)
	end
	local clean = finish(expires)
	api.runafter(0, api.stop) -- without what the handlers have left behind
	return clean
end

return worker
