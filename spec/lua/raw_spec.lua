-- Raw sockets, against the ICMP of this machine. They need a privilege.

local ffi = require'ffi'
local bit = require'bit'
local socket = require'socket2'
local spec = require'spec'

local threaded, fails = spec.threaded, spec.fails

local it = it
do
	local probe, err = socket.raw('inet', 'icmp')
	if probe then
		probe:close()
	elseif err == 'not_permitted' then
		it = function(name) pending(name .. ' (needs root)') end -- luacheck: ignore
	end
end

-- the Internet checksum (RFC 1071), as two bytes
local function checksum(s)
	local sum = 0
	for i = 1, #s, 2 do
		local high, low = s:byte(i, i + 1)
		sum = sum + high * 256 + (low or 0)
	end
	while sum > 0xffff do
		sum = bit.rshift(sum, 16) + bit.band(sum, 0xffff)
	end
	sum = bit.bxor(sum, 0xffff)
	return string.char(bit.rshift(sum, 8), bit.band(sum, 0xff))
end

-- an identifier that other pings on this machine are unlikely to have
local ID = string.char(0x73, spec.pid() % 256)

local function echo_request(type, sequence, payload)
	local head, rest = string.char(type, 0), ID .. string.char(0, sequence) .. payload
	return head .. checksum(head .. '\0\0' .. rest) .. rest
end

local buf = ffi.new'uint8_t[2048]'

-- The next message of that ICMP type with our identifier, without the IP header of `header` bytes.
local function answer(s, type, header, ...)
	while true do
		local n, from, cut = assert(s:recv(buf, 2048, ...))
		local message = ffi.string(buf + header, n - header)
		if message:byte() == type and message:sub(5, 6) == ID then
			return message, from, cut, ffi.string(buf, header)
		end
	end
end

describe('a raw inet socket', function()
	local s

	before_each(function()
		s = socket.raw('inet', 'icmp')
	end)

	after_each(function()
		if s then s:close() end
	end)

	it('pings: the reply comes with its IP header', threaded(function()
		local request = echo_request(8, 1, 'payload')
		assert.equal(#request, s:send(request, '127.0.0.1'))
		local reply, from, cut, header = answer(s, 0, 20)
		assert.equal('payload', reply:sub(9))
		assert.equal('\0\0', checksum(reply))
		assert.equal('127.0.0.1', from:ip())
		assert.equal('raw', from:type())
		assert.equal('icmp', from:protocol())
		assert.is_nil(cut)
		assert.equal(0x45, header:byte()) -- IPv4, 5 words
		assert.equal(1, header:byte(10)) -- ICMP
		assert.equal('\127\0\0\1', header:sub(13, 16))
		assert.equal('\0\0', checksum(header))
	end))

	it('takes an ai to send to, and a C array to send', threaded(function()
		local request = echo_request(8, 2, '')
		local data = ffi.new('char[64]', request)
		local to = assert(socket.addr('127.0.0.1', 0, 'raw', 'inet', 'icmp'))
		assert.equal(#request, s:send(data, #request, to))
		assert.equal(2, answer(s, 0, 20):byte(8))
	end))

	it('wakes a thread that waits', threaded(function()
		local reply
		socket.newthread(function() reply = answer(s, 0, 20) end)
		assert.is_nil(reply)
		s:send(echo_request(8, 3, ''), '127.0.0.1')
		spec.wait_until(function() return reply end)
		assert.equal(3, reply:byte(8))
	end))

	it('drops what others send when an address is given', threaded(function()
		s:send(echo_request(8, 4, ''), '127.0.0.2')
		s:send(echo_request(8, 5, ''), '127.0.0.3')
		local reply, from = answer(s, 0, 20, '127.0.0.3')
		assert.equal(5, reply:byte(8))
		assert.equal('127.0.0.3', from:ip())
	end))

	it('hears only the address that it is connected to', threaded(function()
		assert(s:connect'127.0.0.3')
		local other = assert(socket.raw('inet', 'icmp'))
		other:send(echo_request(8, 6, ''), '127.0.0.2')
		s:send(echo_request(8, 7, ''))
		assert.equal(7, answer(s, 0, 20):byte(8))
		other:close()
	end))

	it('knows whom it is connected to', threaded(function()
		fails('not_connected', s:remoteaddr())
		assert(s:connect'127.0.0.3')
		assert.equal('127.0.0.3', assert(s:remoteaddr()):ip())
		assert.matches('^raw connected .* %-> 127%.0%.0%.3', tostring(s))
	end))

	it('tells when a packet was cut', threaded(function()
		s:send(echo_request(8, 8, ''), '127.0.0.1')
		local n, _, cut = s:recv(buf, 10)
		assert.equal(10, n)
		assert.is_true(cut)
	end))

	it('sends whole IP packets with the option hdrincl', threaded(function()
		assert.is_false(s:getopt'hdrincl')
		assert.is_true(s:setopt('hdrincl', true))
		assert.is_true(s:getopt'hdrincl')
		local message = echo_request(8, 9, 'own header')
		-- version, length, id, fragments, TTL 64, ICMP; the system fills in the checksum
		local header = '\69\0\0' .. string.char(20 + #message) .. '\1\2\0\0\64\1\0\0' ..
			'\127\0\0\9' .. '\127\0\0\1'
		assert.equal(20 + #message, s:send(header .. message, '127.0.0.1'))
		local request, from, _, got = answer(s, 8, 20)
		assert.equal(message, request)
		assert.equal('127.0.0.9', from:ip())
		assert.equal('\1\2', got:sub(5, 6))
	end))

	it('needs an address when not connected', threaded(function()
		fails('destination_address_required', s:send(echo_request(8, 1, '')))
	end))

	it('reports wrong arguments', threaded(function()
		fails('address_family_not_supported', s:send('x', '::1'))
		fails('invalid_argument', s:send('x', -1, '127.0.0.1'))
		fails('invalid_argument', s:recv(nil, 8))
		fails('invalid_argument', s:recv(buf, -1))
		fails('message_too_long', s:send(('x'):rep(70000), '127.0.0.1'))
		assert.has_error(function() s:send('x', {}) end)
		assert.has_error(function() s:recv(buf, 8, {}) end)
	end))

	local it_any = spec.with('raw sockets of any protocol', it)

	it_any('makes a second reader wait; close wakes both', threaded(function()
		-- a protocol that nobody uses
		local quiet, result = assert(socket.raw('inet', 253)), nil
		socket.newthread(function() result = {quiet:recv(buf, 8)} end)
		fails('timeout', quiet:recv(buf, 8, socket.clock()))
		quiet:close()
		spec.wait_until(function() return result end)
		fails('closed', unpack(result))
		fails('closed', quiet:send('x', '127.0.0.1'))
		fails('closed', quiet:recv(buf, 8))
		assert.equal('raw closed', tostring(quiet))
	end))
end)

describe('a raw inet6 socket', function()
	local it_inet6 = spec.with('raw sockets of IPv6', it)

	it_inet6('pings; there is no IP header, and the system makes the checksum', threaded(function()
		local s = assert(socket.raw('inet6', 'icmpv6'))
		assert.equal(12, s:send('\128\0\0\0' .. ID .. '\0\1ping', '::1'))
		local reply, from = answer(s, 129, 0)
		assert.equal('ping', reply:sub(9))
		assert.equal('::1', from:ip())
		assert.equal('icmpv6', from:protocol())
		s:send('\128\0\0\0' .. ID .. '\0\2ping', '::1')
		assert.equal(2, answer(s, 129, 0, '::1'):byte(8))
		s:close()
	end))
end)

describe('socket.raw', function()
	it('has the protocol raw unless told', function()
		for _, family in ipairs{'inet', 'inet6'} do
			local s = assert(socket.raw(family))
			assert.equal('raw', s:type())
			assert.equal('raw', s:protocol())
			assert.equal(family, s:family())
			s:close()
		end
		local s = assert(socket.raw())
		assert.equal('inet', s:family())
		s:close()
	end)

	spec.with('raw sockets of any protocol', it)('takes a protocol by name or number', function()
		for protocol, expected in pairs{
			icmp = 'icmp', igmp = 'igmp', tcp = 'tcp', udp = 'udp', raw = 'raw', [1] = 'icmp', [253] = '253',
		} do
			local s = assert(socket.raw('inet', protocol))
			assert.equal(expected, s:protocol())
			s:close()
		end
		fails('protocol_not_supported', socket.raw('inet', 'nope'))
		fails('protocol_not_supported', socket.raw('inet', 256))
		fails('protocol_not_supported', socket.raw('inet', -1))
	end)

	it('needs a family', function()
		fails('address_family_not_supported', socket.raw'nope')
		assert.has_error(function() socket.raw(1) end)
		assert.has_error(function() socket.raw({}) end)
	end)

	spec.with('raw sockets of IPv6', it)('tells its kind and state', threaded(function()
		for _, family in ipairs{'inet', 'inet6'} do
			local s = assert(socket.raw(family, family == 'inet' and 'icmp' or 'icmpv6'))
			assert.equal('raw new ' .. family, tostring(s))
			assert(s:bind(false))
			assert.matches('^raw bound ', tostring(s))
			s:close()
			assert.equal('raw closed', tostring(s))
		end
	end))

	spec.with('a privilege to drop', it)('says so when the privilege is missing', function()
		local output, code = spec.luajit([[
			local socket = require'socket2'
			print(socket.raw('inet', 'icmp'))
			print(socket.raw('inet6'))
		]], 'setpriv --bounding-set=-net_raw --inh-caps=-net_raw')
		assert.matches('^nil\tnot_permitted\t%-%d+\nnil\tnot_permitted\t%-%d+\n$', output)
		assert.equal(0, code)
	end)
end)
