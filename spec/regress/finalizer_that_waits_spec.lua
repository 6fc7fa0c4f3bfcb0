-- A finalizer that waits turns the loop, wherever it runs. In the middle of a batch its turn took the next
-- batch into the same place, and in the middle of the beginning of a wait it ended that: threads got errors,
-- or never what they waited for.

local ffi = require'ffi'
local socket = require'socket2'
local object = require'socket2.luasocket.object'
local spec = require'spec'

local SOCKETS, ROUNDS, LITTER = 60, 20, 400

local function bound()
	local s = assert(socket.udp())
	assert(s:bind('127.0.0.1', 0))
	return s
end

describe('a finalizer that waits', function()
	local begun, over

	-- Leaves much to finalize, and the collector at it: one each time that some memory is allocated.
	local function litter()
		collectgarbage()
		for _ = 1, LITTER do
			getmetatable(newproxy(true)).__gc = function()
				begun = begun + 1
				object.sleep(0.0001)
				over = over + 1
			end
		end
		collectgarbage('setpause', 0)
		collectgarbage('setstepmul', 1000)
		local before = begun
		while begun == before do
			collectgarbage('step', 1)
		end
		collectgarbage('setstepmul', 1)
	end

	-- echoes(): each of many sockets gets a datagram a round, all at once; returns how many came.
	local function echoes()
		local got, sender, ended = 0, bound(), 0
		for _ = 1, SOCKETS do
			local s = bound()
			local to = s:localaddr()
			socket.newthread(function()
				local buf = ffi.new'char[8]'
				for _ = 1, ROUNDS do
					if not s:recv(buf, 8, socket.clock() + 5) then
						break
					end
					got = got + 1
				end
				ended = ended + 1
				s:close()
			end)
			socket.newthread(function()
				for _ = 1, ROUNDS do
					assert(sender:send('x', to))
					assert(socket.sleep(0.001))
				end
			end)
		end
		while ended < SOCKETS do
			assert(socket.poll(10))
		end
		sender:close()
		return got
	end

	before_each(function()
		begun, over = 0, 0
	end)

	after_each(function()
		jit.on()
		collectgarbage('setpause', 200)
		collectgarbage('setstepmul', 200)
		spec.finish()
		collectgarbage()
	end)

	for _, mode in ipairs{'off', 'on'} do
		it('takes no event from others, with the compiler ' .. mode, function()
			jit[mode]()
			for _ = 1, 3 do
				litter()
				assert.equal(SOCKETS * ROUNDS, echoes())
				collectgarbage()
				collectgarbage()
				assert.equal(begun, over)
			end
		end)
	end
end)
