-- The finalizers of forgotten objects closed handles of the loop that the modules had when they were loaded
-- first. busted loads modules again for each file, but its ffi.metatype() then gives the type of the first
-- time, so that they closed nothing, or what somebody still had.

require'socket2.thread'
local spec = require'spec'

-- -> socket2 and socket2.thread once more, in the same state
local function load_again()
	local first = {}
	for name, module in pairs(package.loaded) do
		if name:find'^socket2' then
			first[name], package.loaded[name] = module, nil
		end
	end
	local again, thread = require'socket2', require'socket2.thread'
	for name in pairs(package.loaded) do
		if name:find'^socket2' then
			package.loaded[name] = first[name]
		end
	end
	return again, thread
end

local N = 20

local function make(new)
	local made = {}
	for i = 1, N do
		made[i] = assert(new())
	end
	return made
end

-- Asserts that what N calls of new() make is closed when it is forgotten.
local function closes(new)
	collectgarbage()
	local before = spec.fds()
	local made = make(new)
	assert.equal(before + N, spec.fds())
	assert.equal(N, #made)
	made = nil -- luacheck: ignore 311
	collectgarbage()
	assert.equal(before, spec.fds())
end

describe('what is forgotten after the modules were loaded a second time', function()
	local again, thread = load_again()

	it('is closed: sockets', function()
		closes(again.udp)
	end)

	it('is closed: channels, with what is in them', function()
		closes(function()
			local ch = thread.channel()
			assert(ch:send{assert(again.udp())})
			return ch
		end)
	end)
end)
