-- What runs in the Lua state of a new thread: see thread.lua.

local socket = require'socket2'
local failure = require'socket2.failure'
local channel = require'socket2.channel'
local message = require'socket2.message'

local select, unpack, error, assert, xpcall = select, unpack, error, assert, xpcall

local function send_results(box, ...)
	assert(box:send_written(message.write_all(...)))
end

local function work(box)
	local job = box:recv()
	if not job then -- who started it took it back
		return
	end
	local f = job.f
	job.f = nil
	send_results(box, f(unpack(job, 1, job.n)))
end

-- Runs the thread whose box has this number. What it raises is the thread's error.
return function(id)
	local over, trace
	socket.newthread(function()
		local ok, caught = xpcall(work, failure.catch, assert(channel.open(id)))
		over = true
		if not ok then
			trace = select(2, failure.parts(caught))
			socket.stop()
		end
	end)
	assert(socket.start())
	if trace then
		error(trace, 0)
	elseif not over then
		error('socket.stop() was called before the thread was over', 0)
	end
end
