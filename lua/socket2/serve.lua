-- A TCP server on all processors: OS threads, each with a Lua state, and connections that are spread over
-- them.

local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local sched = require'socket2.run.sched'
local sync = require'socket2.run.sync'
local threads = require'socket2.run.threads'
local loop = require'socket2.run.loop'
local addr = require'socket2.net.addr'
local tcp = require'socket2.net.tcp'
local channel = require'socket2.thread.channel'
local thread = require'socket2.thread'
local worker = require'socket2.serve.worker'

local fail, raise = lib.fail, lib.raise
local type, tostring, pairs, ipairs, pcall, xpcall, setmetatable, error =
	type, tostring, pairs, ipairs, pcall, xpcall, setmetatable, error
local max = math.max

local C = lib.C
local ETIMEOUT = C.SOCKET2_ETIMEOUT
local CONNECTIONS = 1024 -- the most that may be on their way to a thread

local server = {}
server.__index = server

-- addr() -> ai: the address that the server listens on.
function server:addr()
	return self.ai
end

local function send_connection(control, s)
	return control:send{'serve', s}
end

-- Closes a connection that cannot be handed over, and reports that.
local function lost(self, w, s, caught)
	w.handed = w.handed - 1
	s:close()
	self.report(caught)
end

local function load_of(w)
	return w.over and 0 or max(w.handed, w.started) - w.ended
end

-- loads() -> {open connections of the first thread, of the second, ...}, as far as the server knows by now.
function server:loads()
	local loads = {}
	for i, w in ipairs(self.workers) do
		loads[i] = load_of(w)
	end
	return loads
end

-- Gives a connection to the least loaded thread; among equals, to the one that has waited longest for its
-- turn. If the thread has failed, the connection goes to another one; a connection that cannot be sent is
-- closed, and that is reported.
local function hand_over(self, s)
	local least
	for _, w in ipairs(self.workers) do
		local load, least_load = load_of(w), least and load_of(least)
		if not w.over and (not least or load < least_load or load == least_load and w.turn < least.turn) then
			least = w
		end
	end
	if not least then
		return s:close()
	end
	self.turn = self.turn + 1
	least.turn, least.handed = self.turn, least.handed + 1
	local ok, sent, err = xpcall(send_connection, failure.catch, least.control, s)
	if not ok then
		return lost(self, least, s, sent)
	elseif sent then
		return
	elseif err == 'closed' then
		least.over = true
		return hand_over(self, s)
	end
	lost(self, least, s, err)
end

local function watch(self, w)
	local clean, err = w.thread:join()
	w.over = true
	w.control:close()
	worker.take_all(w.control, function(message) -- messages that the thread has not taken
		if message[1] == 'serve' then
			hand_over(self, message[2])
		elseif message[1] == 'listen' then
			message[2]:close()
		end
	end, self.report, self.report)
	self.clean = self.clean and clean
	self.alive = self.alive - 1
	if self.alive == 0 then
		if self.listener then
			self.listener:close()
		end
		self.reports:close()
		self.ended:set()
	end
	if clean == nil then
		self.failure = self.failure or err
		if self.alive == 0 then
			error(err, 0)
		end
		self.report(err) -- the others go on
	end
end

local function read_reports(self)
	worker.take_all(self.reports, function(report)
		local w = self.workers[report[1]]
		w.started, w.ended = report[2], report[3]
	end, self.report, self.report)
end

-- wait([expires]) -> true | nil, err, errcode: waits until the server has been stopped, or all of its threads
-- have failed; then `err` is the text of the first failure.
function server:wait(expires)
	local ok, err, errcode = self.ended:wait(expires)
	if not ok then
		return nil, err, errcode
	elseif self.failure then
		return nil, self.failure
	end
	return true
end

local function tell_to_stop(self, w)
	self.shut:wait()
	w.control:send{'stop'}
end

-- stop([expires]) -> true | nil, err, errcode: accepts no more, and waits until all connections are over.
-- At `expires` the remaining ones are closed and their handlers canceled, and the result is nil, 'timeout'.
function server:stop(expires)
	sched.inside'stop'
	expires = sched.deadline(expires)
	if not self.stopping then
		self.stopping = true
		if self.listener then
			worker.shut(self.listener)
		end
		for _, w in ipairs(self.workers) do
			threads.newthread(tell_to_stop, self, w)
		end
	end
	local ok, err, errcode = self:wait(expires)
	if errcode == ETIMEOUT then
		for _, w in ipairs(self.workers) do
			w.control:close()
		end
		-- A thread that never waits cannot be stopped from outside.
		ok, err, errcode = self:wait(loop.clock() + 2 * worker.GRACE)
	end
	if not ok then
		return nil, err, errcode
	end
	if not self.clean then
		return fail(ETIMEOUT)
	end
	return true
end

-- The listeners: one, or one for each thread on the same port.
local function listen(o, n)
	local ai, err, errcode = addr.lookup(o.host, o.port, 'tcp', o.family)
	local listeners = {}
	while ai and #listeners < n do
		local s
		s, err, errcode = tcp.new(ai:family())
		local ok = s
		if s then
			listeners[#listeners + 1] = s
			if n > 1 then
				ok, err, errcode = s:setopt('reuseport', true)
			end
			if ok then
				ok, err, errcode = s:listen(ai, o.backlog)
			end
			ai = ok and s:localaddr() -- with the port that the system has picked
		end
		if not ok then
			for _, l in ipairs(listeners) do
				l:close()
			end
			return nil, err, errcode
		end
	end
	return ai and listeners, err or ai, errcode
end

local types = {handler = 'function', onerror = 'function', threads = 'number', balance = 'string',
	share_epoll = 'boolean', backlog = 'number', family = 'string', host = 'any', port = 'any'}

local function check(o)
	if type(o) ~= 'table' then
		raise("bad argument #1 to 'serve' (table expected, got %s)", type(o))
	end
	for name, v in pairs(o) do
		local expected, got = types[name], type(v)
		if not expected then
			raise("serve() has no option '%s'", tostring(name))
		elseif expected ~= got and expected ~= 'any' and not (name == 'handler' and got == 'string') then
			raise("bad option '%s' of serve() (%s expected, got %s)", name, expected, got)
		end
	end
	if o.handler == nil then
		raise"serve() needs a handler: a function that is called with each connection, or its module's name"
	end
	local n = o.threads or thread.cpus()
	if n < 1 or n % 1 ~= 0 then
		raise"bad option 'threads' of serve() (a whole number of at least 1 expected)"
	end
	local balance = o.balance or 'handoff'
	if balance ~= 'handoff' and balance ~= 'reuseport' then
		raise"bad option 'balance' of serve() ('handoff' or 'reuseport' expected)"
	end
	if balance == 'reuseport' and C.socket2_option_kind'reuseport' < 0 then
		raise"bad option 'balance' of serve() (the system has no 'reuseport')"
	end
	return n, balance == 'reuseport'
end

-- serve{handler =, ...} -> server | nil, err, errcode: listens, and calls handler(connection) in a socket
-- thread of one of several OS threads; the connection is closed when the handler returns. The handler is
-- copied to the threads with its upvalues, like in thread.new(); the name of a module that is a function
-- works, too. The server ends with this state. Options:
--   host, port   as in socket.addr(); default: all IPv4 interfaces, any free port
--   threads      the number of threads; default: as many as there are processors
--   balance      'handoff', the default: this state accepts and gives each connection to the thread with
--                the fewest; its loop has to run. 'reuseport': every thread has a listener of its own, and
--                the system spreads the connections by their addresses; Windows cannot
--   share_epoll  true: all threads work on this loop's epoll, or completion port
--   backlog, family  as in tcp:listen() and socket.addr()
--   onerror      called with the arguments of socket.onerror: in the thread when a handler raises an error,
--                and in the thread or in this state when the server loses a connection or a thread and goes
--                on; by default errors are written to stderr
return function(o)
	local n, reuseport = check(o)
	local listeners, err, errcode = listen(o, reuseport and n or 1)
	if not listeners then
		return nil, err, errcode
	end
	local poller = o.share_epoll and (loop.epoll_fd() or loop.iocp()) or nil
	local self = setmetatable({ai = listeners[1]:localaddr(), reports = thread.channel(CONNECTIONS),
		workers = {}, alive = n, turn = 0, clean = true, shut = sync.event(), ended = sync.event(),
		report = worker.reporter(o.onerror)}, server)
	for i = 1, n do
		local control = thread.channel(CONNECTIONS)
		channel.own(control) -- otherwise the threads would outlive this state
		local ok, thr, _, code = pcall(thread.new, worker.run, i, control, self.reports, o.handler,
			o.onerror, poller)
		if not ok or not thr then
			for _, w in ipairs(self.workers) do
				w.control:close()
			end
			for _, l in ipairs(listeners) do
				l:close()
			end
			return ok and fail(code) or error(thr, 0)
		end
		self.workers[i] = {thread = thr, control = control, over = false,
			handed = 0, started = 0, ended = 0, turn = 0}
	end
	for _, w in ipairs(self.workers) do
		threads.newthread(watch, self, w)
	end
	threads.newthread(read_reports, self)
	if reuseport then
		for i, w in ipairs(self.workers) do
			if not w.control:send{'listen', listeners[i]} then
				listeners[i]:close()
			end
		end
		self.shut:set()
	else
		self.listener = listeners[1]
		threads.newthread(function()
			worker.accept_all(self.listener, function(s) hand_over(self, s) end, self.report)
			self.shut:set()
		end)
	end
	return self
end
