-- What the specs of the scheduler share: threads that wait, and sockets that they wait on.

local ffi = require'ffi'
local assert = require'luassert'
local socket = require'socket2'
local spec = require'spec'

local threads = {}

-- timed_out(ok, err, errcode): checks that these results of a poll or start mean that the time was over.
function threads.timed_out(ok, err, errcode)
	assert.is_false(ok)
	assert.equal('timeout', err)
	assert.is_number(errcode)
end

local open = {}
threads.open = open -- sockets, which tidy() closes

-- bound() -> udp; tidy() closes it.
function threads.bound()
	local s = assert(socket.udp())
	assert(s:bind('127.0.0.1', 0))
	open[#open + 1] = s
	return s
end

-- recv(s) -> the next datagram
function threads.recv(s)
	local b = spec.buffer(16)
	local n = assert(s:recv(b, 16))
	return ffi.string(b, n)
end

-- waiting(f, ...) -> go: starts a thread that waits until go(), and then calls f(...).
function threads.waiting(f, ...)
	local s, n, args = threads.bound(), select('#', ...), {...}
	socket.newthread(function()
		threads.recv(s)
		f(unpack(args, 1, n))
	end)
	local function go()
		assert(s:send('x', s:localaddr()))
	end
	return go
end

-- batch(fs): starts one thread for each function; the next poll resumes all of them, from one batch of
-- events.
function threads.batch(fs)
	local gos = {}
	for i, f in ipairs(fs) do
		gos[i] = threads.waiting(f, i)
	end
	socket.newthread(function()
		for i = 1, #fs do
			gos[i]()
		end
	end)
end

-- check_usable(): checks that the loop works: a new thread gets its datagram.
function threads.check_usable()
	local got
	threads.batch{function() got = true end}
	assert.is_true(socket.poll(5))
	assert.is_true(got)
	threads.timed_out(socket.poll(0))
end

-- elapsed(f, ...) -> seconds that f(...) took
function threads.elapsed(f, ...)
	local t = socket.clock()
	f(...)
	return socket.clock() - t
end

-- tidy(): for after_each().
function threads.tidy()
	socket.onerror = nil
	for i = #open, 1, -1 do
		table.remove(open, i):close()
	end
	-- the threads that waited on those end, most of them in an error
	for _ = 1, 1000 do
		local ok, more = pcall(socket.poll, 0)
		if ok and not more then break end
	end
end

return threads
