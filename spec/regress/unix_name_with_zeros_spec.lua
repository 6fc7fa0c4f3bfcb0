-- An abstract unix name with a zero byte could not be made: not even of what localaddr() gave.

local socket = require'socket2'
local spec = require'spec'

local fails = spec.fails

describe('a unix name with zero bytes', function()
	local lacking = not socket.addr('@x', nil, 'tcp', 'unix')

	spec.with('abstract names', it, lacking)('is one that abstract sockets can have', spec.threaded(function()
		local tail = ('zeros-%d-\0\0b'):format(spec.pid())
		for _, first in ipairs{'@', '\0'} do
			local ai = assert(socket.addr(first .. tail, nil, 'tcp', 'unix'))
			assert.equal('@' .. tail, ai:ip())
			assert.equal('@' .. tail, ai:tostring())
			assert.equal('@' .. tail, tostring(ai))
			assert.equal('unix', ai:family())
			assert.equal('@' .. tail, assert(socket.addr(ai:ip(), nil, 'tcp', 'unix', nil, 'canonname')):name())
		end

		local server = assert(socket.tcp'unix')
		assert(server:listen('@' .. tail))
		assert.equal('@' .. tail, server:localaddr():ip())
		local c = assert(socket.tcp'unix')
		assert(c:connect(server:localaddr():ip()))
		local peer = assert(server:accept())
		assert(c:send'hi')
		assert.equal('hi', spec.recv_all(peer, 2))
		-- another name, though C's text of both is the same
		local other = assert(socket.tcp'unix')
		assert(other:listen('@' .. tail .. '\0'))
		fails('address_already_in_use', assert(socket.tcp'unix'):bind('\0' .. tail))
		for _, s in ipairs{server, c, peer, other} do s:close() end
	end))

	spec.with('abstract names', it, lacking)('has the room of one without', function()
		local longest = '@' .. ('\0'):rep(107)
		assert.equal(longest, assert(socket.addr(longest, nil, 'tcp', 'unix')):ip())
		fails('path_too_long', socket.addr(longest .. '\0', nil, 'tcp', 'unix'))
	end)

	it('is no path and no name of a host', function()
		fails('invalid_argument', socket.addr('/tmp/a\0b', nil, 'tcp', 'unix'))
		fails('invalid_argument', socket.addr('\0', nil, 'tcp', 'unix'))
		fails('unknown_host', socket.addr('a\0b', 1))
	end)
end)
