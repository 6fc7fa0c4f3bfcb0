-- Sets of threads, which are started, waited for and canceled together.

local lib = require'socket2.lib'
local failure = require'socket2.run.failure'
local sched = require'socket2.run.sched'
local sync = require'socket2.run.sync'
local threads = require'socket2.run.threads'

local C, fail, raise = lib.C, sched.fail, lib.raise
local type, select, pairs, ipairs, xpcall, setmetatable = type, select, pairs, ipairs, xpcall, setmetatable

local NEVER = 1/0

local threadset = {}
threadset.__index = threadset

-- threadset() -> ts: threads that are started, waited for and canceled together.
local function new()
	return setmetatable({started = 0, running = 0, results = {}, waiters = sync.list(),
		ended = {}, first_ended = 1, last_ended = 0}, threadset)
end

local function over(self, number, ok, ...)
	local result = self.results[number]
	result.ok = ok
	if ok then
		result.n = select('#', ...)
		for i = 1, result.n do
			result[i] = select(i, ...)
		end
	else
		result.n, result[1], result.traceback = 1, failure.parts(...)
	end
	self.running = self.running - 1
	self.last_ended = self.last_ended + 1
	self.ended[self.last_ended] = number
	self.waiters:wake_all(true)
end

-- thread(f, ...) -> thread: like newthread(), but an error is kept as the thread's result, and the deadline
-- that the caller runs under holds for it, too.
function threadset:thread(f, ...)
	if type(f) ~= 'function' then
		raise("bad argument #1 to 'thread' (function expected, got %s)", type(f))
	end
	local number, result = self.started + 1, {}
	self.started, self.results[number] = number, result
	self.running = self.running + 1
	local limit = sched.this() and sched.deadline() or NEVER
	result.thread = sched.start_thread(limit, function(...)
		result.thread = sched.this()
		over(self, number, xpcall(f, failure.catch, ...))
	end, ...)
	return result.thread
end

local function wait(self, done, expires)
	if done(self) then
		sched.spend() -- before the result is taken, because another thread may take it in that turn
	end
	while not done(self) do
		sched.inside'wait'
		local r = self.waiters:wait('threadset', sched.deadline(expires))
		if r ~= true then
			return fail(r)
		end
	end
	return true
end

local function all_over(self)
	return self.running == 0
end

-- The results in the order in which the threads were started, without those that first() has given.
local function ordered(self)
	local list = {}
	for number in pairs(self.results) do
		list[#list + 1] = number
	end
	table.sort(list)
	for i, number in ipairs(list) do
		list[i] = self.results[number]
	end
	return list
end

-- wait([expires]) -> results | nil, err, errcode: waits until all threads are over. There is one result for
-- each thread that first() has not given, in the order in which they were started: {thread =, ok = true, n =,
-- ...what it returned} or {thread =, ok = false, err, traceback =}. After an error the threads go on, and can
-- be waited for again.
function threadset:wait(expires)
	local ok, err, errcode = wait(self, all_over, expires)
	if not ok then
		return nil, err, errcode
	end
	return ordered(self)
end

local function any_ended(self)
	return self.first_ended <= self.last_ended
end

local function any_over(self)
	return any_ended(self) or self.running == 0
end

-- first([expires]) -> result | nil, err, errcode: the result of the thread that ended first, and, when called
-- again, of the next one; nil, 'closed' when all were given. The set forgets the result.
function threadset:first(expires)
	local ok, err, errcode = wait(self, any_over, expires)
	if not ok then
		return nil, err, errcode
	elseif not any_ended(self) then
		return fail(C.SOCKET2_ECLOSED)
	end
	local at = self.first_ended
	local number = self.ended[at]
	local result = self.results[number]
	self.ended[at], self.results[number], self.first_ended = nil, nil, at + 1
	return result
end

-- cancel() -> true: cancels all threads that are not over.
function threadset:cancel()
	for _, result in ipairs(ordered(self)) do
		if result.ok == nil and result.thread then
			threads.cancel(result.thread)
		end
	end
	return true
end

return {new = new, class = threadset}
