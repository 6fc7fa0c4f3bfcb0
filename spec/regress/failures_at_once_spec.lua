-- A call that fails at once never let others have a turn: a loop that tries again stopped the process.

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

local buf = spec.buffer(16)

local function closed(s)
	s:close()
	return s
end

local calls = {
	['accept of a closed listener'] = function()
		local s = closed(assert(socket.tcp()))
		return function() return s:accept() end
	end,
	['recv of a closed socket'] = function()
		local s = closed(assert(socket.tcp()))
		return function() return s:recv(buf, 16) end
	end,
	['send of a closed socket'] = function()
		local s = closed(assert(socket.tcp()))
		return function() return s:send'x' end
	end,
	['readline of a closed socket'] = function()
		local s = closed(assert(socket.tcp()))
		return function() return s:readline() end
	end,
	['wait of a closed socket'] = function()
		local s = closed(assert(socket.tcp()))
		return function() return s:wait'r' end
	end,
	['connect of a closed socket'] = function()
		local s = closed(assert(socket.tcp()))
		return function() return s:connect('127.0.0.1', 1) end
	end,
	['connect to a bad port'] = function()
		local s = assert(socket.tcp())
		return function() return s:connect('127.0.0.1', 70000) end
	end,
	['recv of a closed udp socket'] = function()
		local s = closed(assert(socket.udp()))
		return function() return s:recv(buf, 16) end
	end,
	['pop of a closed queue'] = function()
		local q = closed(socket.queue())
		return function() return q:pop() end
	end,
	['push to a closed queue'] = function()
		local q = closed(socket.queue())
		return function() return q:push(1) end
	end,
	['recv of a closed channel'] = function()
		local ch = closed(assert(thread.channel()))
		return function() return ch:recv() end
	end,
	['send to a closed channel'] = function()
		local ch = closed(assert(thread.channel()))
		return function() return ch:send(1) end
	end,
	['sleep until no time'] = function()
		return function() return socket.sleep(0/0) end
	end,
}

describe('a loop that tries again what fails at once', function()
	for name, make in pairs(calls) do
		it('lets others run: ' .. name, spec.threaded(function()
			local call, others = make(), false
			socket.newthread(function()
				spec.turn()
				others = true
			end)
			local limit = socket.clock() + 10
			while not others do
				assert.is_true(socket.clock() < limit)
				assert.is_nil((call()))
			end
		end))
	end
end)
