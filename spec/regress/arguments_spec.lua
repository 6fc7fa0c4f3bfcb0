-- Pointers of some kinds were taken for arrays, and the size of a pointer for that of the data.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

describe('send without a length', function()

	it('refuses pointers of every kind', spec.threaded(function()
		local a, b = spec.pair()
		local array = ffi.new'char[10]'
		for _, ctype in ipairs{'char *', 'char *const', 'char (*)[10]', 'void (*)()', 'const void *'} do
			local ok, err = pcall(a.send, a, ffi.cast(ctype, array))
			assert.is_false(ok, ctype)
			assert.matches('a pointer needs its length', err, 1, true)
		end
		assert.equal(10, a:send(array))
		a:close()
		assert.equal(10, #spec.recv_all(b))
		b:close()
	end))
end)

describe('listen', function()

	it('refuses a backlog that is no number, before it binds', function()
		local s = assert(socket.tcp())
		local ok, err = pcall(s.listen, s, '127.0.0.1', 0, 'x')
		assert.is_false(ok)
		assert.matches('bad backlog', err, 1, true)
		assert.equal(0, s:localaddr():port())
		s:close()
	end)
end)

describe('a raw address', function()

	it('has no port, so that it can be compared with a sender', function()
		assert.equal(0, socket.addr('127.0.0.1', 80, 'raw', 'inet', 'icmp'):port())
		assert.equal(0, socket.addr('localhost', 80, 'raw', 'inet', 'icmp'):port())
	end)
end)
