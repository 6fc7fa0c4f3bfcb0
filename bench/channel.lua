-- Measures messages from one thread to another: throughput and latency.
-- usage: channel.lua throughput threads|state|queue kind capacity n
--        channel.lua latency threads|state|queue kind n
--        channel.lua size kind
--
-- threads: a channel between OS threads; state: a channel between socket threads of one state; queue: a
-- socket.queue between these, which copies nothing. Prints what bench/channel reads: messages per second
-- and nanoseconds of CPU time per message; round trips per second, the median and the 99 % time of one
-- in microseconds; the bytes of a message.

local ffi = require'ffi'
local socket = require'socket2'
local thread = require'socket2.thread'
local message = require'socket2.thread.message'

-- These two run in the other thread, so they can use nothing of this one's.

local function produce(ch, put, value, n)
	for _ = 1, n do
		assert(ch[put](ch, value))
	end
end

local function echo(from, to, take, put, n)
	for _ = 1, n do
		assert(to[put](to, assert(from[take](from))))
	end
end

local what, where, kind, capacity, n = arg[1], arg[2], arg[3], tonumber(arg[4]), tonumber(arg[#arg])
local clock, cpu_time = socket.clock, os.clock

local values = {
	number = 1.5,
	string = ('x'):rep(64),
	table = {id = 1, name = 'x', list = {1, 2, 3}},
	long_string = ('x'):rep(4096),
}

if what == 'size' then
	print(message.write(values[where]).pos)
	return
end

local places = {
	threads = {start = thread.new, new = thread.channel, put = 'send', take = 'recv'},
	state = {start = socket.newthread, new = thread.channel, put = 'send', take = 'recv'},
	queue = {start = socket.newthread, new = socket.queue, put = 'push', take = 'pop'},
}
local place = places[where]
local put, take, value = place.put, place.take, values[kind]
local warm_up = math.max(math.floor(n / 5), 1000)

local tests = {}

function tests.throughput()
	local ch = place.new(capacity)
	place.start(produce, ch, put, value, warm_up + n)
	local function consume(count)
		for _ = 1, count do
			assert(ch[take](ch))
		end
	end
	consume(warm_up)
	local start, cpu = clock(), cpu_time()
	consume(n)
	cpu = cpu_time() - cpu
	print(('%g %g'):format(n / (clock() - start), cpu / n * 1e9))
end

function tests.latency()
	local to, from = place.new(), place.new()
	place.start(echo, to, from, take, put, warm_up + n)
	local times = ffi.new('double[?]', n)
	local function ask(count)
		for i = 0, count - 1 do
			local start = clock()
			assert(to[put](to, value))
			assert(from[take](from))
			times[i % n] = clock() - start
		end
	end
	ask(warm_up)
	local start = clock()
	ask(n)
	local rate = n / (clock() - start)
	local sorted = {}
	for i = 1, n do
		sorted[i] = times[i - 1] * 1e6
	end
	table.sort(sorted)
	print(('%g %g %g'):format(rate, sorted[math.ceil(n / 2)], sorted[math.ceil(n * 0.99)]))
end

socket.newthread(tests[what])
assert(socket.start())
