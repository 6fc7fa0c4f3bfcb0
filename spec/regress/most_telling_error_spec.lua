-- Of a host with several addresses the last failure was told, "network_unreachable" of an IPv6 route though
-- the IPv4 address had refused, and no error said which address it was about.

local socket = require'socket2'
local spec = require'spec'
local namespace = require'namespace'

local PORT = 7777
local FILES = {
	['/etc/hosts'] = '127.0.0.2 half.test\n10.1.1.1 half.test\n10.1.1.1 far.test\n127.0.0.2 slow.test\n'
		.. '127.0.0.3 slow.test\n',
	['/etc/nsswitch.conf'] = 'hosts: files\n',
}

local function alone(what, f)
	it(what, function()
		local ok, reason = namespace.run(FILES, function() spec.run(f, 30) end)
		if not ok then pending(reason) end
	end)
end

local function fails(err, detail, ...)
	spec.fails(err, ...)
	assert.equal(detail, (select(4, ...)))
end

describe('an error of several addresses', function()

	alone('is a refusal before a missing route, whichever came last', function()
		local ai = assert(socket.addr('half.test', PORT))
		local refused = '127.0.0.2:7777: connection refused'
		fails('connection_refused', refused, socket.connect('half.test', PORT))
		fails('connection_refused', refused, socket.connect(ai))
		local s = assert(socket.tcp'inet')
		assert(s:bind('*', 0))
		fails('connection_refused', refused, s:connect('half.test', PORT))
		s:close()
		fails('network_unreachable', '10.1.1.1:7777: network unreachable', socket.connect('far.test', PORT))
	end)

	alone('is a refusal before a timeout', function()
		local hole = namespace.black_hole('127.0.0.3', PORT, 'inet')
		fails('connection_refused', '127.0.0.2:7777: connection refused',
			socket.connect('slow.test', PORT, socket.clock() + 0.6))
		fails('timeout', '127.0.0.3:7777: timeout',
			socket.connect('127.0.0.3', PORT, socket.clock() + 0.05))
		assert(hole)
	end)
end)

describe('the detail of an error', function()

	it('has the address', spec.threaded(function()
		local taken, port = spec.listener()
		local s = assert(socket.tcp())
		local word = spec.windows and {'access_denied', 'access denied'}
			or {'address_already_in_use', 'address already in use'}
		local err, _, detail = select(2, s:listen('127.0.0.1', port))
		if err == word[1] then
			assert.equal(('127.0.0.1:%d: %s'):format(port, word[2]), detail)
		end
		taken:close()
		fails('connection_refused', ('127.0.0.1:%d: connection refused'):format(port),
			socket.connect('127.0.0.1', port))
		fails('address_not_available', '192.0.2.1:0: address not available', s:bind('192.0.2.1', 0))
		fails('address_not_available', '192.0.2.1:0: address not available', s:listen('192.0.2.1', 0))
		fails('address_family_not_supported', '[::1]:80: address family not supported', s:bind('::1', 80))
		s:close()
	end))

	it('has what was asked for, of a lookup', spec.threaded(function()
		fails('invalid_port', '127.0.0.1:70000: invalid port', socket.addr('127.0.0.1', 70000))
		fails('unknown_host', 'a:b:c: unknown host', socket.addr'a:b:c')
		fails('unknown_host', ':80: unknown host', socket.connect('', 80))
		local u = assert(socket.udp())
		fails('invalid_port', '127.0.0.1:-1: invalid port', u:connect('127.0.0.1', -1))
		u:close()
	end))
end)
