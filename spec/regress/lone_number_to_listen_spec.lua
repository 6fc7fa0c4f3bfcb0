-- listen(8080), meant as a port, was taken as a backlog: it listened on whatever port the system picked.

local socket = require'socket2'
local spec = require'spec'

describe('tcp:listen with a number alone', function()

	it("raises, and shows listen('*', port)", function()
		local s = assert(socket.tcp())
		spec.raises("listen%('%*', 8080%)", s.listen, s, 8080)
		spec.raises("listen%('%*', 8080%)", s.listen, s, 8080, nil, nil)
		assert.is_true(s:listen(8080, '127.0.0.1', 0)) -- nothing has happened to it
		s:close()
	end)

	it('is the backlog of a socket that is bound', function()
		local s = assert(socket.tcp())
		assert(s:bind('127.0.0.1', 0))
		local port = s:localaddr():port()
		assert.is_true(s:listen(5))
		assert.equal(port, s:localaddr():port())
		s:close()
	end)

	it('is the third argument, or the first of several, as ever', function()
		for _, args in ipairs{{nil, nil, 5}, {5, '127.0.0.1', 0}, {5, nil, 0}, {5, socket.addr'127.0.0.1:0'}} do
			local s = assert(socket.tcp())
			assert.is_true(s:listen(unpack(args, 1, 3)))
			s:close()
		end
	end)
end)
