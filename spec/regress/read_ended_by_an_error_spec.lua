-- Outside of threads a blocking call of the classic API waits in a thread of its own, and raises the error
-- of whichever thread fails meanwhile. Its operation went on, and took what came next with it.

local api = require'socket2'
local tcp = require'socket2.luasocket.tcp'.tcp

describe('a blocking receive that the error of a thread ends', function()

	it('leaves what comes later for the next one', function()
		local server = assert(tcp())
		assert(server:bind('127.0.0.1', 0))
		assert(server:listen())
		local c = assert(tcp())
		assert(c:connect(server:getsockname()))
		local d = assert(server:accept())
		d:settimeout(10)

		assert(c:send'a')
		api.newthread(function()
			api.sleep(0.001)
			error'oops'
		end)
		local ok, err = pcall(d.receive, d, 5)
		assert.is_false(ok)
		assert.matches('oops', err, 1, true)
		api.poll(0) -- ends the operation

		assert(c:send'bcde')
		assert.equal('abcde', d:receive(5))
		for _, o in ipairs{c, d, server} do
			o:close()
		end
		assert.is_true(api.start(10))
	end)
end)
