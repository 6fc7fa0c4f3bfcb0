-- When a finalizer made a thread ready just before the loop polled, or took what the poll would have brought,
-- that poll waited until its deadline, without one forever. A hook stands for the finalizer, at each
-- instruction once.

local socket = require'socket2'
local object = require'socket2.luasocket.object'

local LONG = 2 -- seconds
local BEGUN = 12 -- instructions of the scheduler, after which a poll has begun

describe('just before a poll', function()
	local hook, mask, count

	before_each(function()
		hook, mask, count = debug.gethook()
		jit.off()
	end)

	after_each(function()
		debug.sethook(hook, mask, count)
		jit.on()
	end)

	local function is_scheduler(source)
		return source:find'run[/\\]sched%.lua$' or source:find'run[/\\]turn%.lua$'
	end

	-- polls(at, f) -> boolean: polls, while something ends that at half time; f() runs before the instruction of
	-- the scheduler of that number, unless the poll is over before.
	local function polls(at, f)
		local n, called, half = 0, false, socket.clock() + LONG / 2
		local timer = socket.runat(half, function() end)
		debug.sethook(function()
			if is_scheduler(debug.getinfo(2, 'S').source) then
				n = n + 1
				if n == at and socket.clock() < half then
					called = true
					f()
				end
			end
		end, '', 1)
		local ok = socket.poll(LONG)
		debug.sethook()
		assert.is_true(ok)
		assert(not called or timer:cancel(), ('after instruction %d it waited'):format(at))
		return called
	end

	for what, takes in pairs{['a thread that is made ready'] = false, ['an event that is taken'] = true} do
		it(what .. ' ends the poll', function()
			local at = BEGUN
			repeat
				local event, over = socket.event(), false
				socket.newthread(function()
					if takes then
						socket.sleep(0.0005)
					end
					event:wait()
					over = true
				end)
				local called = polls(at, function()
					if takes then
						object.sleep(0.001)
					else
						event:set()
					end
				end)
				event:set()
				while not over do
					assert(socket.poll(LONG))
				end
				at = at + 1
			until not called
			assert.is_true(at > 30)
		end)
	end
end)
