-- Reading the option `error` clears it, and a connect that was under way then never learned its end.

local socket = require'socket2'
local spec = require'spec'

describe('the option error', function()

	it('is not to be read while a connect is under way', function()
		local refusing = assert(socket.tcp())
		assert(refusing:bind('127.0.0.1', 0)) -- and does not listen
		local s = assert(socket.tcp())
		local results
		socket.newthread(function()
			results = {s:connect(refusing:localaddr())}
		end)
		spec.fails('busy', s:getopt'error')
		spec.poll_until(function() return results end)
		spec.fails('connection_refused', unpack(results, 1, 3))
		if not spec.lacks'errors that are told once' then
			assert.is_false(s:getopt'error')
		end
	end)
end)
