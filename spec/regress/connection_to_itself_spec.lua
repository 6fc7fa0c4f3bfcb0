-- A connect to a port where no one listens succeeded when the system had picked that very port for this side:
-- the socket then read what it had sent.

local socket = require'socket2'
local spec = require'spec'

describe('a connection of a socket to itself', function()

	for family, loopback in pairs{inet = '127.0.0.1', inet6 = '::1'} do
		it('is refused: ' .. family, spec.threaded(function()
			local s = assert(socket.tcp(family))
			assert(s:bind(loopback, 0))
			local here = s:localaddr()
			spec.fails('connection_refused', s:connect(here))
			if not spec.windows then -- which cannot undo it
				assert.is_nil((s:remoteaddr()))
				spec.fails('not_connected', s:recv(spec.buffer(1), 1))
			end
			s:close()
		end))
	end

	it('leaves a socket that can connect elsewhere, where systems allow that', spec.threaded(function()
		local listener = spec.listener()
		local s = assert(socket.tcp())
		assert(s:bind('127.0.0.1', 0))
		spec.fails('connection_refused', s:connect(s:localaddr()))
		if jit.os == 'Linux' then
			assert.is_true(s:connect(listener:localaddr()))
			assert.equal(s:localaddr():tostring(), tostring(select(2, assert(listener:accept()))))
		end
		s:close()
		listener:close()
	end))
end)
