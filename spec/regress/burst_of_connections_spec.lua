-- An accept loop took all connections of a burst in one turn, because each new one's first read had to wait,
-- which counted as a turn; the old connections waited for as long as that took.
-- Runs alone: it measures time.

local socket = require'socket2'
local spec = require'spec'

local BURST = 64

describe('a burst of connections', function()
	it('does not keep an old one waiting until all are accepted', spec.threaded(function()
		local listener = spec.listener()
		local client, server = spec.pair()
		local burst = {}
		for i = 1, BURST do
			burst[i] = assert(socket.tcp())
			assert(burst[i]:connect(listener:localaddr()))
		end
		local accepted, gone, answered_after = 0, 0, nil
		local buf = spec.buffer(1)
		local reader = spec.go(function()
			assert.equal(1, server:recv(buf, 1))
			answered_after = accepted
		end)
		assert.equal(1, client:send'x')
		local acceptor = spec.go(function()
			local connections = {}
			while accepted < BURST do
				local c = assert(listener:accept())
				accepted = accepted + 1
				connections[accepted] = c
				socket.newthread(function()
					assert.equal(0, c:recv(spec.buffer(1), 1))
					gone = gone + 1
				end)
			end
			for _, s in ipairs(burst) do s:close() end
			return connections
		end)
		reader()
		assert.is_true(answered_after <= BURST / 2, answered_after)
		spec.wait_until(function() return gone == BURST end)
		for _, s in ipairs(acceptor()) do s:close() end
		client:close()
		server:close()
		listener:close()
	end))
end)
