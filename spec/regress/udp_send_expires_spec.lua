-- udp:send() without a length took nothing for `expires` that was in the place which it has with one:
-- send(data, host, port, nil, expires) waited for as long as it took.

local socket = require'socket2'
local spec = require'spec'

describe('udp:send() without a length', function()
	it('takes expires behind the address, or where it is with a length', spec.threaded(function()
		local s = assert(socket.udp())
		local ai = assert(socket.addr('127.0.0.1', 9, 'udp'))
		local soon = socket.clock() + 10
		local function expires_is_seen(...)
			spec.raises('bad expires', s.send, s, 'x', ...)
		end
		expires_is_seen(ai, 'soon')
		expires_is_seen(ai, nil, 'soon')
		expires_is_seen(ai, nil, nil, 'soon')
		expires_is_seen('127.0.0.1', 9, 'soon')
		expires_is_seen('127.0.0.1', 9, nil, 'soon')
		assert.equal(1, s:send('x', ai, nil, nil, soon))
		assert.equal(1, s:send('x', '127.0.0.1', 9, nil, soon))
		spec.raises('too many arguments', s.send, s, 'x', '127.0.0.1', 9, soon, soon)
		s:close()
	end))
end)
