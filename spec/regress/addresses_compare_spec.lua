-- Two addresses of one place were neither equal nor keys of a table, and 'host:port' was an unknown host.

local socket = require'socket2'
local spec = require'spec'

local fails = spec.fails

local function addr(...)
	return (assert(socket.addr(...)))
end

describe('addresses', function()

	it('are equal when they are of one place', function()
		local a = addr('192.0.2.7', 53, 'udp')
		assert.is_true(a == addr('192.0.2.7', 53, 'udp'))
		assert.is_true(a == addr('192.0.2.7', 53)) -- whatever they are for
		assert.is_false(a == addr('192.0.2.7', 54, 'udp'))
		assert.is_false(a == addr('192.0.2.8', 53, 'udp'))
		assert.is_false(a == addr('::ffff:192.0.2.7', 53, 'udp', 'inet6'))
		assert.is_true(addr('::1', 1, 'tcp', 'inet6') == addr('0:0::1', 1, 'tcp', 'inet6'))
		assert.is_false(a == '192.0.2.7:53')
	end)

	it('have keys that are equal when they are', function()
		local peers = {}
		peers[addr('192.0.2.7', 53):key()] = 'a'
		peers[addr('::1', 53, nil, 'inet6'):key()] = 'b'
		assert.equal('a', peers[addr('192.0.2.7', 53, 'udp'):key()])
		assert.equal('b', peers[addr('0::1', 53, 'udp', 'inet6'):key()])
		local path = socket.addr('192.0.2.7:53', nil, 'tcp', 'unix') -- a file of that name
		assert.is_nil(peers[path:key()])
		assert.is_false(path == addr('192.0.2.7', 53))
	end)

	it('are nothing after free()', function()
		local a, b = addr('192.0.2.7', 53), addr('192.0.2.7', 53)
		a:free()
		fails('closed', a:key())
		assert.is_false(a == b)
		assert.is_false(b == a)
		b:free()
		assert.is_false(a == b)
		assert.is_true(rawequal(a, a) and a == a)
	end)

	it('of datagrams are those that they came from', spec.threaded(function()
		local a, b = assert(socket.udp()), assert(socket.udp())
		assert(a:bind('127.0.0.1', 0))
		assert(b:bind('127.0.0.1', 0))
		assert(a:send('x', b:localaddr()))
		local _, from = assert(b:recv(spec.buffer(1), 1))
		assert.is_true(from == a:localaddr())
		assert.equal(a:localaddr():key(), from:key())
		a:close()
		b:close()
	end))
end)

describe('a host with its port', function()

	it('is understood', function()
		for text, want in pairs{
			['1.2.3.4:80'] = '1.2.3.4:80', ['[::1]:80'] = '[::1]:80', ['[::1]'] = '[::1]:0',
			['*:8080'] = '0.0.0.0:8080', ['1.2.3.4'] = '1.2.3.4:0', ['1.2.3.4:http'] = '1.2.3.4:80',
		} do
			assert.equal(want, tostring(addr(text)))
		end
		assert.equal('[::1]:80', tostring(addr('[::1]', 80)))
		assert.equal('[::1]:80', tostring(addr('[::1]:80', nil, 'udp', 'inet6')))
		assert.equal('[2001:db8::1:80]:0', tostring(addr('2001:db8::1:80', nil, nil, 'inet6'))) -- no port in it
	end)

	it('gives errors that tell what is wrong', function()
		local function wrong(err, detail, ...)
			fails(err, socket.addr(...))
			assert.equal(detail, select(4, socket.addr(...)))
		end
		wrong('invalid_port', '1.2.3.4:70000: invalid port', '1.2.3.4:70000')
		wrong('unknown_service', '1.2.3.4:: unknown service', '1.2.3.4:')
		wrong('unknown_service', '[::1]:: unknown service', '[::1]:')
		wrong('unknown_host', ':80: unknown host', ':80')
		wrong('unknown_service', '1.2.3.4:-1: unknown service', '1.2.3.4:-1')
		wrong('unknown_host', '1.2.3.4:80:90: unknown host', '1.2.3.4:80:90')
		wrong('unknown_host', '[::1: unknown host', '[::1')
		wrong('unknown_host', '[1.2.3.4:80]:80: unknown host', '1.2.3.4:80', 80)
		wrong('address_family_not_supported', '[::1]:http: address family not supported', '::1', 'http')
		wrong('unknown_host', '[::1]80: unknown host', '[::1]80')
		wrong('address_family_not_supported', '[::1]:80: address family not supported',
			'[::1]:80', nil, nil, 'inet')
	end)

	it('is one argument of listen, bind, connect, send', spec.threaded(function()
		local listener = assert(socket.tcp())
		assert(listener:listen'127.0.0.1:0')
		local there = listener:localaddr():tostring()
		local c = assert(socket.connect(there))
		assert.equal(there, tostring(c:remoteaddr()))
		assert((listener:accept())):close()
		c:close()
		listener:close()
		local a, b = assert(socket.udp()), assert(socket.udp())
		assert(a:bind'127.0.0.1:0')
		assert(b:send('x', a:localaddr():tostring()))
		assert.equal(1, (a:recv(spec.buffer(1), 1)))
		assert(b:connect(tostring(a:localaddr())))
		a:close()
		b:close()
	end))

	it('has to have one for connect()', spec.threaded(function()
		for _, host in ipairs{'127.0.0.1', '::1', '[::1]', 'localhost', '*'} do
			fails('invalid_port', socket.connect(host))
			assert.matches('^' .. host:gsub('%p', '%%%0') .. ': no port', select(4, socket.connect(host)))
		end
	end))
end)
