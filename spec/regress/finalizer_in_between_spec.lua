-- A finalizer runs wherever memory is allocated, and where compiled code is left. What it did there to
-- queues, semaphores and events came between a look and the change that followed: values came twice or never,
-- permits were lost, threads slept on. When it waited itself, other threads ran meanwhile, between two waits
-- of the one that was interrupted; and a wait that was refused changed that of its thread.

local socket = require'socket2'
local thread = require'socket2.thread'
local object = require'socket2.luasocket.object'
local udp = require'socket2.luasocket.udp'.udp
local spec = require'spec'

local STRESS = [[
local ffi = require'ffi'
local socket = require'socket2'
local object = require'socket2.luasocket.object'
local seed, what, seconds = %d, '%s', 0.7
math.randomseed(seed)
jit.opt.start('hotloop=' .. math.random(2, 10), 'hotexit=' .. math.random(1, 4), 'maxtrace=4000')

local queue, semaphore, event = socket.queue(), socket.semaphore(3), socket.event()
local pushed, popped, given, seen, twice = 0, 0, 0, {}, 0
local ending = socket.clock() + seconds

local function push() -- values of all types: compiled code is left where there was another one
	local n = pushed + 1
	pushed = n
	queue:push(n %% 3 == 0 and tostring(n) or n %% 3 == 1 and n or {n})
end

local function pop(expires)
	local v = queue:pop(expires)
	if v then
		local n = type(v) == 'table' and v[1] or tonumber(v)
		popped, twice, seen[n] = popped + 1, twice + (seen[n] and 1 or 0), true
	end
	return v
end

local finalizers = {
	function() object.sleep(1e-5) end,
	push,
	function() given = given + 1 semaphore:give() end,
	function() event:set() end,
	function() assert(not pcall(socket.sleep, 1e-4)) end,
}
if what ~= 'all' then
	finalizers = what == 'waits' and {finalizers[1], finalizers[5]} or {unpack(finalizers, 2, 4)}
end

local nfinalized, enough = 0, 0
local function finalize()
	nfinalized = nfinalized + 1
	finalizers[nfinalized %% #finalizers + 1]()
end

-- Much to finalize, and the collector at it: one each time that some memory is allocated.
local function litter()
	for _ = 1, 300 do ffi.gc(ffi.new'int[1]', finalize) end
	collectgarbage('setpause', 0)
	collectgarbage('setstepmul', 1000)
	local before, n = nfinalized, 0
	while nfinalized == before and n < 1000 do
		n = n + 1
		collectgarbage('step', 1)
	end
	collectgarbage('setstepmul', 1)
end

local nthreads, ended = 0, 0
local function thread(f)
	nthreads = nthreads + 1
	socket.newthread(function()
		local i = 0
		while socket.clock() < ending do
			i = i + 1
			f(i)
			if nfinalized >= enough then
				enough = nfinalized + 290
				litter()
			end
		end
		ended = ended + 1
	end)
end

-- Of other layouts: the same code for them is left, too.
local queues, semaphores = {}, {}
for i = 1, 3 do
	queues[i], semaphores[i] = socket.queue(i == 2 and 4 or nil), socket.semaphore(0)
	for j = 1, i * 5 do
		queues[i]['x' .. j], semaphores[i]['x' .. j] = j, j
	end
end

for _ = 1, 5 do
	thread(function(i)
		push()
		if i %% 5 == 0 then socket.sleep(0) end
	end)
	thread(function(i)
		for _ = 1, i %% 3 + 1 do pop(ending) end
	end)
	thread(function(i)
		if semaphore:take(ending) then
			if i %% 3 == 0 then socket.sleep(0) end
			semaphore:give()
		end
	end)
	thread(function()
		event:wait(ending)
		event:clear()
		socket.sleep(0)
	end)
	thread(function(i)
		for j = 1, 3 do
			local q, s = queues[(i + j) %% 3 + 1], semaphores[(i + j) %% 3 + 1]
			if q:count() > 3 then q:pop() else q:push(i %% 2 == 0 and 'x' or i) end
			s:give()
			s:take(ending)
		end
	end)
	thread(function()
		event:set()
		socket.sleep(1e-5)
	end)
end
assert(socket.start(seconds + 5))
collectgarbage()
collectgarbage()
socket.newthread(function()
	while queue:count() > 0 do pop() end
end)
assert(socket.start(5))
assert(ended == nthreads, nthreads - ended .. ' threads did not end')
assert(twice == 0, twice .. ' values came twice')
assert(popped == pushed, pushed - popped .. ' values were lost')
assert(semaphore.n == 3 + given, 'permits: ' .. semaphore.n .. ', not ' .. 3 + given)
assert(nfinalized > 300)
io.write'ok']]

-- finalize(f): f in a finalizer, until that is over.
local function finalize(f)
	local ok, err
	getmetatable(newproxy(true)).__gc = function()
		ok, err = pcall(f)
	end
	collectgarbage()
	collectgarbage()
	assert(ok, err)
end

local INSTRUCTIONS = 250 -- of a wait and of the turn that follows

-- A thread calls call(), and interrupt() runs, as if in a finalizer, before the instruction n that follows,
-- or else soon; check(result of call) after that. For each n, by what make() gives.
local function at_each_instruction(make)
	local hook, mask, count = debug.gethook()
	jit.off()
	local ok, err, n = true, nil, 0
	while ok and n < INSTRUCTIONS do
		n = n + 1
		local call, interrupt, check = make()
		local done, result = false, nil
		local function once()
			debug.sethook()
			if not done then
				done = true
				interrupt()
			end
		end
		ok, err = pcall(function()
			socket.newthread(function()
				debug.sethook(once, '', n)
				result = call()
				debug.sethook()
			end)
			local timer = socket.runafter(0.005, once)
			while not (result and done) do
				assert(socket.poll(5))
			end
			timer:cancel()
			check(result)
		end)
		debug.sethook(hook, mask, count)
	end
	jit.on()
	if not ok then
		error(('at instruction %d: %s'):format(n, tostring(err)), 0)
	end
end

describe('a finalizer in the middle of something', function()
	after_each(function()
		spec.tidy()
	end)

	for _, what in ipairs{'all', 'waits', 'wakes'} do
		it('loses nothing, with the compiler on: ' .. what, function()
			local running = {}
			for seed = 1, 4 do
				running[seed] = spec.luajit_start(STRESS:format(seed, what), 'timeout 60')
			end
			for seed = 1, 4 do
				local output, code = spec.luajit_end(running[seed])
				assert.equal('ok', output, 'seed ' .. seed)
				assert.equal(0, code)
			end
		end)
	end

	it('runs no other thread while it waits, and what has come for others comes afterwards', function()
		local steps, a, b = {}, udp'inet', udp'inet'
		assert(a:setsockname('127.0.0.1', 0))
		b:settimeout(10)
		local to = {a:getsockname()}
		spec.go(function()
			socket.sleep(0.001)
			steps[#steps + 1] = 'slept'
		end)
		spec.go(function()
			local data = a:receive()
			steps[#steps + 1] = data
		end)
		spec.run(function()
			finalize(function()
				assert(b:sendto('received', to[1], to[2]))
				object.sleep(0.02)
				steps[#steps + 1] = 'finalized'
			end)
			assert.same({'finalized'}, steps)
		end)
		spec.finish()
		table.sort(steps, function(x, y) return x < y end)
		assert.same({'finalized', 'received', 'slept'}, steps)
		a:close()
		b:close()
	end)

	it('blocks until its own operation is over', function()
		local a = udp'inet'
		assert(a:setsockname('127.0.0.1', 0))
		a:settimeout(10)
		local sender = assert(thread.new(function(host, port)
			local s = require'socket2'
			s.sleep(0.05)
			local from = assert(s.udp())
			assert(from:send('data', host, tonumber(port)))
		end, a:getsockname()))
		local data
		finalize(function() data = a:receive() end)
		assert.equal('data', data)
		a:settimeout(0.01)
		local err
		finalize(function() err = select(2, a:receive()) end)
		assert.equal('timeout', err)
		spec.run(function() assert(sender:join()) end)
		a:close()
	end)

	it('cannot turn the loop', function()
		local errors = {}
		spec.run(function()
			finalize(function()
				errors[1] = select(2, pcall(socket.poll, 0))
			end)
		end)
		assert.matches('inside a socket thread', errors[1], 1, true)
	end)

	local function is(expected)
		return function(result)
			assert.equal(expected, result)
		end
	end

	local function later()
		return socket.clock() + 5
	end

	-- what -> a function that makes: what a thread calls, what the finalizer does, and what checks the result
	local calls = {
		['a pop, a push'] = function()
			local q = socket.queue()
			return function() return q:pop(later()) end, function() q:push'x' end, is'x'
		end,
		['a take, a give'] = function()
			local s = socket.semaphore(0)
			return function() return s:take(later()) end, function() s:give() end, is(true)
		end,
		['a wait, a set'] = function()
			local e = socket.event()
			return function() return e:wait(later()) end, function() e:set() end, is(true)
		end,
		['a pop, a close'] = function()
			local q = socket.queue()
			return function() return select(2, q:pop(later())) end, function() q:close() end, is'closed'
		end,
		['a pop, waits that are refused'] = function()
			local q = socket.queue()
			return function()
				return select(2, q:pop(socket.clock() + 0.0002))
			end, function()
				assert(not pcall(socket.sleep, 1))
				assert(not pcall(q.pop, q))
			end, function(result)
				assert.equal('timeout', result)
				q:push'y'
				assert.equal(1, q:count()) -- the thread is in its list no more
			end
		end,
	}

	for what, make in pairs(calls) do
		it('misses nothing at any instruction: ' .. what, function()
			at_each_instruction(make)
		end)
	end
end)
