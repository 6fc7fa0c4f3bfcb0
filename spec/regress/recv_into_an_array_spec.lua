-- An array or struct to receive into knows its length, like one to send; a pointer does not.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

local POINTER = 'bad buffer %(a pointer needs its length%)'

describe('recv() into an array', function()

	it('fills it, from a stream', spec.threaded(function()
		local a, b = spec.pair()
		assert(a:send'12345678abcdefgh')
		assert.equal('12', b:read(2)) -- what is left is in the buffer
		local four, two, whole = ffi.new'char[4]', ffi.new'struct { char c[2]; }', ffi.new('char[?]', 3)
		assert.equal(4, b:recv(four))
		assert.equal('3456', ffi.string(four, 4))
		assert.equal(2, b:recvn(two))
		assert.equal('78', ffi.string(two.c, 2))
		assert.equal(3, b:recv(whole, nil, socket.clock() + 10))
		assert.equal('abc', ffi.string(whole, 3))
		assert.equal(5, #b:read(5))
		assert(a:send'xyz123')
		assert.equal(3, b:recv(whole)) -- not through the buffer
		assert.equal('xyz', ffi.string(whole, 3))
		assert.equal(3, b:recvn(whole))
		assert.equal('123', ffi.string(whole, 3))
		for _, method in ipairs{b.recv, b.recvn} do
			spec.raises(POINTER, method, b, ffi.cast('char *', whole))
			spec.raises('bad buffer', method, b, 'text')
		end
		spec.fails('timeout', b:recv(whole, nil, 0))
		a:close()
		b:close()
	end))

	it('fills it, from a datagram', spec.threaded(function()
		local u = assert(socket.udp())
		assert(u:bind('127.0.0.1', 0))
		assert(u:send('12345', u:localaddr()))
		local buf = ffi.new'char[3]'
		local n, ai, truncated = u:recv(buf)
		assert.same({3, u:localaddr():port(), true}, {n, ai:port(), truncated})
		spec.raises(POINTER, u.recv, u, ffi.cast('char *', buf))
		u:close()
	end))
end)
