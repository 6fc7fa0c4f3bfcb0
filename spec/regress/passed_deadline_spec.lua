-- An operation with a passed deadline was ended before the loop asked the system once more, so that a socket
-- that was drained before gave a timeout although it had data.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

describe('recv() with a deadline that has passed', function()

	it('gets what came since the last one', function()
		spec.run(function()
			local s = assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			local buf = spec.buffer(9)
			for i = 1, 5 do
				spec.fails('timeout', s:recv(buf, 9, 0))
				assert(s:send('n' .. i, s:localaddr()))
				local n = assert(s:recv(buf, 9, 0))
				assert.equal('n' .. i, ffi.string(buf, n))
			end
			s:close()
		end)
	end)
end)
