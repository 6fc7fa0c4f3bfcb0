-- The foreign libraries that are opened when they are first needed.

local socket = require'socket2'
local process = require'process'

describe('features()', function()

	it('tells of zlib what zlib tells of itself', function()
		local zlib = socket.features().zlib
		if not zlib then
			return pending'no zlib here, or the build is without its header'
		end
		assert.matches('^%d+%.%d+', zlib.version)
		assert.matches('z', zlib.library, 1, true)
	end)

	it('opens nothing before it is called', function()
		if not process.read'/proc/self/maps' then
			return pending'no /proc tells what a process has opened'
		end
		local opened = [[
			local socket = require'socket2'
			local function has_zlib()
				for line in io.lines'/proc/self/maps' do
					if line:find'/libz%.so' then return true end
				end
				return false
			end
			local before = has_zlib()
			local zlib = socket.features().zlib
			print(before, has_zlib() == (zlib ~= nil))]]
		assert.equal('false\ttrue\n', process.output(('tools/run -e "%s"'):format(opened)))
	end)

	it('gives a table of its own each time', function()
		socket.features().zlib = 5
		assert.not_equal(5, socket.features().zlib)
	end)
end)
