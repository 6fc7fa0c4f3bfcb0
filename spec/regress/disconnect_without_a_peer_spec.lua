-- On Windows connect('*') of a UDP socket that had no peer failed, and bound it to the loopback.

local socket = require'socket2'

describe('a UDP socket without a peer', function()
	it('can be disconnected, which leaves it unbound', function()
		for _, family in ipairs{'inet', 'inet6'} do
			local s = assert(socket.udp(family))
			assert.is_true(s:connect'*')
			assert.equal(0, s:localaddr():port())
			assert.is_true(s:connect(family == 'inet' and '127.0.0.1' or '::1', 9))
			local port = s:localaddr():port()
			assert.is_true(s:connect'*')
			assert.is_true(s:connect'*')
			assert.equal(port, s:localaddr():port())
			s:close()
		end
	end)
end)
