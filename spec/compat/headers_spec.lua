-- socket.headers beside the original.

local both, _, ours = require'both''socket.headers'

describe('socket.headers', function()
	if not both then
		pending'lua-socket is not installed'
		return
	end

	it('has the same spellings', function()
		both(function(m) return m end)
		assert.equal('Content-MD5', ours.canonic['content-md5'])
	end)
end)
