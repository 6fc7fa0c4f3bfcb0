-- The side of serve.lua that runs in the Lua state of each of its threads: it receives connections, serves
-- them, and finishes them in the end.

local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local sched = require'socket2.run.sched'
local sync = require'socket2.run.sync'
local threads = require'socket2.run.threads'
local timer = require'socket2.run.timer'
local loop = require'socket2.run.loop'

local READ = lib.C.SOCKET2_READ
local type, pairs, pcall, xpcall, error = type, pairs, pcall, xpcall, error

local GRACE = 1    -- seconds that a handler has after its connection was closed
local INTERVAL = 0.1 -- seconds between two reports that are not waited for
local REST = 0.1 -- seconds to wait after an error (like one of memory) that the next try may raise, too

local worker = {GRACE = GRACE}

local function print_error(_, _, trace)
	io.stderr:write('socket2.serve: ' .. trace .. '\n') -- in one call, because other threads write, too
end

-- reporter([onerror]) -> function(caught): reports what xpcall caught to onerror, or to stderr.
function worker.reporter(onerror)
	onerror = worker.report_to(onerror)
	return function(caught)
		onerror(sched.this(), failure.parts(caught))
	end
end

-- An error of one connection must not end the others, and neither must an error in the program's own report
-- of it.
function worker.report_to(onerror)
	return onerror and function(...)
		local ok, caught = xpcall(onerror, failure.catch, ...)
		if not ok then
			print_error(nil, failure.parts(caught))
			print_error(...)
		end
	end or print_error
end

-- repeat_until(f, report, ...): calls f(...) until that returns true, and reports what it raises.
local function repeat_until(f, report, ...)
	repeat
		local ok, result = xpcall(f, failure.catch, ...)
		if not ok then
			report(result)
			pcall(timer.sleep, REST)
		end
	until ok and result
end

local function accept_one(listener, take)
	local s, err = listener:accept()
	if s then
		take(s)
	end
	return err == 'closed' or err == 'timeout'
end

-- accept_all(listener, take, report): accepts until the listener is closed, or until shut() and all
-- connections that the system has accepted are taken, because the system would reset them.
function worker.accept_all(listener, take, report)
	repeat_until(accept_one, report, listener, take)
	listener:close()
end

local function take_one(channel, take, lost)
	local ok, message = xpcall(channel.recv, failure.catch, channel)
	if not ok then
		lost(message)
	elseif message == nil then
		return true
	else
		take(message)
	end
end

-- take_all(channel, take, lost, report): calls take(message) until the channel is closed and empty. For a
-- message that cannot be received it calls lost(caught), after the sockets in the message were closed.
function worker.take_all(channel, take, lost, report)
	repeat_until(take_one, report, channel, take, lost)
end

-- shut(listener): accepting does not wait any more.
function worker.shut(listener)
	listener:settimeout(0)
	sched.cancel(listener.h, READ)
end

-- The connections of this state.
local open = {} -- socket -> the thread that serves it
local started, ended = 0, 0
local idle, shut, news = sync.event(), sync.event(), sync.event()

local function count_end()
	ended = ended + 1
	news:set()
	if started == ended then
		idle:set()
	end
end

local function serve(handler, s)
	open[s] = sched.this()
	local ok, caught = xpcall(handler, failure.catch, s)
	open[s] = nil
	s:close()
	count_end()
	if not ok then
		failure.pass_on(caught)
	end
end

-- cut_off() -> boolean: closes the connections that are left. Returns whether none were left.
local function cut_off()
	if started == ended then
		return true
	end
	for s, thread in pairs(open) do
		s:close()
		threads.cancel(thread)
	end
	idle:wait(loop.clock() + GRACE)
	return false
end

local interval = 0
local function send_counts(reports, index)
	news:wait()
	news:clear()
	local ok = reports:send{index, started, ended}
	timer.sleep(interval)
	return not ok
end

local function share(poller)
	local ok, err = loop.epoll_fd(poller)
	if err == 'not_supported' then
		ok, err = loop.iocp(poller)
	end
	if not ok then
		error('the loop cannot be shared: ' .. err, 0)
	end
end

-- The handler: a function, or the function that is the module of this name.
local function handler_of(handler)
	if type(handler) ~= 'string' then
		return handler
	end
	local f = require(handler)
	if type(f) ~= 'function' then
		error(("the handler's module '%s' is a %s (function expected)"):format(handler, type(f)), 0)
	end
	return f
end

-- take(handler, report, connection): begins to serve the connection.
local function take(handler, report, s)
	started = started + 1
	idle:clear()
	news:set()
	local ok, caught = xpcall(threads.newthread, failure.catch, serve, handler, s)
	if not ok then -- no memory for the thread
		s:close()
		count_end()
		report(caught)
	end
end

-- listen(handler, report, listener): accepts connections in this state, until the listener is shut.
local function listen(handler, report, listener)
	interval = INTERVAL
	shut:clear()
	threads.newthread(function()
		worker.accept_all(listener, function(s) take(handler, report, s) end, report)
		shut:set()
	end)
end

-- Closes the channel when no connection is left and none can come.
local function close_when_idle(control)
	shut:wait()
	idle:wait()
	control:close()
end

-- run(index, control, reports, handler, [onerror], [poller]) -> boolean: the body of the thread. `control`
-- brings {'serve', connection}, {'listen', listener}, and at last {'stop'}. When `control` is closed, the
-- remaining connections are cut off, and the result is false. `reports` gets {index, connections begun,
-- connections over}.
function worker.run(index, control, reports, handler, onerror, poller)
	if poller then
		share(poller)
	end
	failure.set_onerror(worker.report_to(onerror))
	local report = worker.reporter(onerror)
	handler = handler_of(handler)
	threads.newthread(repeat_until, send_counts, report, reports, index)
	idle:set()
	shut:set()
	local listener
	worker.take_all(control, function(message)
		local what = message[1]
		if what == 'serve' then
			take(handler, report, message[2])
		elseif what == 'listen' then
			listener = message[2]
			listen(handler, report, listener)
		else
			if listener then
				worker.shut(listener)
			end
			threads.newthread(close_when_idle, control)
		end
	end, function(caught) -- a connection that could not be received
		started = started + 1
		count_end()
		report(caught)
	end, report)
	if listener then
		listener:close()
	end
	local clean = cut_off()
	loop.stop() -- do not wait for what the handlers have left behind
	return clean
end

return worker
