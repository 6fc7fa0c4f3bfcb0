-- An error of a hook ended a read when its bytes had come already, and the thread caught it: to all others
-- the stream was busy for as long as that thread lived.

local spec = require'spec'

local SCRIPT = [[
jit.off()
local socket = require'socket2'
local spec = require'spec'

-- A read whose n-th instruction fails. Its thread then waits for an event -> was there that instruction?
local function check(n)
	local event, reached, ended = socket.event(), false, false
	local c, d = spec.pair()
	socket.newthread(function()
		local me = coroutine.running()
		local left = n
		local function step()
			left = coroutine.running() == me and left - 1 or left
			if left == 0 then
				debug.sethook()
				reached = true
				error('too many instructions', 0)
			end
		end
		local ok = pcall(function()
			debug.sethook(step, '', 1)
			local line = d:readline()
			debug.sethook()
			return line
		end)
		debug.sethook()
		ended = true
		if not ok then pcall(event.wait, event) end
	end)
	assert(c:send'line 1\nline 2\n')
	spec.wait_until(function() return ended end)
	local line, err
	for _ = 1, 10 do -- a read that is being canceled is busy for a turn
		line, err = d:readline(nil, socket.clock() + 10)
		if err ~= 'busy' then break end
		spec.turn()
	end
	assert(line == 'line 1' or line == 'line 2', err)
	event:set()
	c:close()
	d:close()
	return reached
end

spec.run(function()
	local n = 0
	repeat n = n + 1 until not check(n)
	assert(n > 100)
end, 60)
io.write'well']]

describe('a read that a caught error has ended', function()
	it('does not keep the stream busy', function()
		assert.equal('well', (spec.luajit(SCRIPT)))
	end)
end)
