-- A udp:recv() that had to wait in a plain coroutine raised, and left the library with a place for the
-- sender's address that the collector took: what came later was written into somebody else's memory.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

describe('udp:recv() in a plain coroutine', function()

	it('keeps the memory for the sender too', function()
		spec.run(function()
			local s = assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			local co = coroutine.create(function() s:recv(ffi.new('char[?]', 16), 16) end)
			assert.is_false(coroutine.resume(co))

			-- The same size, so that one of these gets the place of what was freed.
			co = nil -- luacheck: ignore
			collectgarbage() collectgarbage()
			local t = {}
			for i = 1, 20000 do
				t[i] = ffi.new'socket2_addr[1]'
			end
			assert(s:send('x', s:localaddr()))
			for _ = 1, 3 do spec.turn() end
			for i = 1, #t do
				for j = 0, 15 do
					assert(t[i][0].content[j] == 0, 'written to')
				end
			end
			s:close()
		end)
	end)
end)
