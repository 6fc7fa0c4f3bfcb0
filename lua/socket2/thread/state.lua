-- What runs in the Lua state of a new thread: see thread.lua.

local failure = require'socket2.run.failure'
local loop = require'socket2.run.loop'
local threads = require'socket2.run.threads'
local channel = require'socket2.thread.channel'
local message = require'socket2.thread.message'

local select, unpack, error, assert, xpcall = select, unpack, error, assert, xpcall

local function nothing() end

-- Runs the thread that has the box with this number. What this function raises is the thread's error.
return function(id)
	local returned, over, stopped, trace

	-- If the box has no room, the message of a thread that joins is in it. That thread may have gone since, so
	-- this side makes the room.
	local function send_results(box, ...)
		returned = true
		local ok, err
		repeat
			box:receive(nothing, 0)
			ok, err = box:send_written(message.write_all(...), 0)
		until err ~= 'timeout'
		assert(ok, err)
	end

	local function work(box)
		local job = box:recv()
		if not job then -- the code that started the thread took the job back
			return
		end
		local f = job.f
		job.f = nil
		send_results(box, f(unpack(job, 1, job.n)))
	end

	threads.newthread(function()
		local ok, caught = xpcall(work, failure.catch, assert(channel.open(id)))
		over = true
		if not ok then
			trace = select(2, failure.parts(caught))
		end
		if not ok or stopped then
			loop.stop()
		end
	end)
	assert(loop.start())
	if returned and not over then -- f has stopped the loop, but the box had no room for the results yet
		stopped = true
		assert(loop.start())
	end
	if trace then
		error(trace, 0)
	elseif not over then
		error('socket.stop() was called before the thread was over', 0)
	end
end
