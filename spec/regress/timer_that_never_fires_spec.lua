-- runat(1/0), runafter(1/0) and runevery(1/0) were 'invalid_argument', where sleep(1/0) is forever.

local socket = require'socket2'
local spec = require'spec'

describe('a timer of 1/0', function()
	it('never fires, keeps nothing going, and can be canceled', function()
		for _, name in ipairs{'runat', 'runafter', 'runevery'} do
			local timer = assert(socket[name](1/0, error))
			assert.is_false(socket.poll(0.01))
			assert.is_true(socket.start(5))
			assert.is_true(timer:cancel())
			assert.is_false(timer:cancel())
		end
	end)

	it('is not NaN, which is no time', function()
		for _, name in ipairs{'runat', 'runafter', 'runevery'} do
			spec.fails('invalid_argument', socket[name](0/0, error))
		end
	end)
end)
