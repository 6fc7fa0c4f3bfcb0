-- A service by name needed a host beside it: without one the library read from address 0.

local socket = require'socket2'
local spec = require'spec'

describe('a service by name', function()

	for name, host in pairs{loopback = false, ['all interfaces'] = '*'} do
		it('is looked up for ' .. name, spec.threaded(function()
			local ai, err = socket.addr(host, 'no-service-of-that-name')
			assert.is_nil(ai)
			assert.equal('unknown_service', err)
		end))
	end
end)
