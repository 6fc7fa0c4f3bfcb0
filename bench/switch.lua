-- Measures the cost of a thread switch: prints nanoseconds of CPU time for each. See bench/switch.
-- usage: switch.lua socket2|cqueues semaphore|event|queue|sleep|spawn pairs switches

local library, case, pairs_, switches = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
local rounds = math.ceil(switches / (2 * pairs_))

-- What both libraries have: threads, a way to run them all, and things that threads wait for.
local kit = {}

function kit.socket2()
	local socket = require'socket2'
	return {spawn = socket.newthread, run = socket.start, sleep = socket.sleep,
		event = socket.event, semaphore = socket.semaphore, queue = socket.queue}
end

-- cqueues has only condition variables. The rest is written with these, in the way that a program would do
-- it.
function kit.cqueues()
	local cqueues = require'cqueues'
	local condition = require'cqueues.condition'
	local controller = cqueues.new()
	local event, semaphore, queue = {}, {}, {}
	event.__index, semaphore.__index, queue.__index = event, semaphore, queue

	function event:wait()
		while not self.is_set do self.changed:wait() end
	end

	function event:set()
		self.is_set = true
		self.changed:signal()
	end

	function event:clear()
		self.is_set = false
	end

	function semaphore:take()
		while self.n == 0 do self.changed:wait() end
		self.n = self.n - 1
	end

	function semaphore:give()
		self.n = self.n + 1
		self.changed:signal(1)
	end

	function queue:push(value)
		self.last = self.last + 1
		self[self.last] = value
		self.changed:signal(1)
	end

	function queue:pop()
		while self.first > self.last do self.changed:wait() end
		local value = self[self.first]
		self[self.first], self.first = nil, self.first + 1
		return value
	end

	return {
		spawn = function(f) controller:wrap(f) end,
		run = function() assert(controller:loop()) end,
		sleep = cqueues.sleep,
		event = function() return setmetatable({changed = condition.new(), is_set = false}, event) end,
		semaphore = function(n) return setmetatable({changed = condition.new(), n = n}, semaphore) end,
		queue = function() return setmetatable({changed = condition.new(), first = 1, last = 0}, queue) end,
	}
end

local k = kit[library]()

-- Two threads that pass control to each other: wait(mine), then wake(the other's).
local function play(new, wait, wake)
	for _ = 1, pairs_ do
		local a, b = new(), new()
		k.spawn(function()
			for _ = 1, rounds do wait(a) wake(b) end
		end)
		k.spawn(function()
			wake(a)
			for i = 1, rounds do
				wait(b)
				if i < rounds then wake(a) end
			end
		end)
	end
	k.run()
end

local cases = {}

function cases.semaphore()
	play(function() return k.semaphore(0) end, function(s) s:take() end, function(s) s:give() end)
end

function cases.event()
	play(k.event, function(e) e:wait() e:clear() end, function(e) e:set() end)
end

function cases.queue()
	play(k.queue, function(q) q:pop() end, function(q) q:push(1) end)
end

function cases.sleep()
	for _ = 1, 2 * pairs_ do
		k.spawn(function()
			for _ = 1, rounds do k.sleep(0) end
		end)
	end
	k.run()
end

-- A thread that waits once.
function cases.spawn()
	k.spawn(function()
		for _ = 1, rounds do
			local over, left = k.event(), 2 * pairs_
			local go = k.event()
			for _ = 1, 2 * pairs_ do
				k.spawn(function()
					go:wait()
					left = left - 1
					if left == 0 then over:set() end
				end)
			end
			k.sleep(0)
			go:set()
			over:wait()
		end
	end)
	k.run()
end

local start = os.clock()
cases[case]()
print((os.clock() - start) * 1e9 / (2 * pairs_ * rounds))
