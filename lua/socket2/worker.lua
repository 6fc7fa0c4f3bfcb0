-- The side of serve.lua that runs in the Lua state of each of its threads: connections come in, are served,
-- and are finished in the end.

local lib = require'socket2.lib'
local failure = require'socket2.failure'
local sched = require'socket2.sched'
local sync = require'socket2.sync'

local api, READ = sched.api, lib.C.SOCKET2_READ
local type, pairs, xpcall, error = type, pairs, xpcall, error

local GRACE = 1    -- seconds for handlers whose connection was closed
local INTERVAL = 0.1 -- seconds between two reports that nobody waits for

local worker = {GRACE = GRACE}

-- accept_all(listener, take): until it is closed, or shut() and all are taken whom the system has accepted:
-- it would reset them.
function worker.accept_all(listener, take)
	repeat
		local s, err = listener:accept()
		if s then
			take(s)
		end
	until err == 'closed' or err == 'timeout'
	listener:close()
end

-- shut(listener): accepting waits no more.
function worker.shut(listener)
	listener:settimeout(0)
	sched.cancel(listener.h, READ)
end

-- The connections of this state.
local open = {} -- socket -> the thread that serves it
local started, ended = 0, 0
local idle, shut, news = sync.event(), sync.event(), sync.event()

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

-- cut_off() -> boolean: closes the connections that are left. Were there none?
local function cut_off()
	if started == ended then
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
	io.stderr:write('socket2.serve: ' .. trace .. '\n') -- in one: other threads write, too
end

-- One connection's error is no reason to end the others', nor is one in the program's report of it.
local function report_to(onerror)
	return onerror and function(...)
		local ok, caught = xpcall(onerror, failure.catch, ...)
		if not ok then
			print_error(nil, failure.parts(caught))
			print_error(...)
		end
	end or print_error
end

-- run(index, control, reports, handler, [onerror], [poller]) -> boolean: the body of the thread. `control`
-- brings {'serve', connection}, {'listen', listener}, and at last {'stop'}; when it is closed what is left is
-- cut off, and the result is false. `reports` gets {index, number of connections that were begun, that are
-- over}.
function worker.run(index, control, reports, handler, onerror, poller)
	if poller then
		local ok, err = api.epoll_fd(poller)
		if err == 'not_supported' then
			ok, err = api.iocp(poller)
		end
		if not ok then
			error('the loop cannot be shared: ' .. err, 0)
		end
	end
	api.onerror = report_to(onerror)
	if type(handler) == 'string' then
		local name = handler
		handler = require(name)
		if type(handler) ~= 'function' then
			error(("the handler's module '%s' is a %s (function expected)"):format(name, type(handler)), 0)
		end
	end

	local function take(s)
		started = started + 1
		idle:clear()
		news:set()
		api.newthread(serve, handler, s)
	end

	api.newthread(report, reports, index)
	idle:set()
	shut:set()
	local listener
	for message in control:values() do
		local what = message[1]
		if what == 'serve' then
			take(message[2])
		elseif what == 'listen' then
			listener = message[2]
			interval = INTERVAL
			shut:clear()
			api.newthread(function()
				worker.accept_all(listener, take)
				shut:set()
			end)
		else
			if listener then
				worker.shut(listener)
			end
			api.newthread(function()
				shut:wait()
				idle:wait()
				control:close()
			end)
		end
	end
	if listener then
		listener:close()
	end
	local clean = cut_off()
	api.stop() -- without what the handlers have left behind
	return clean
end

return worker
