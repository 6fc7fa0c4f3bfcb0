-- socket.addr(): its arguments, and what the addresses that it gives can do.

local ffi = require'ffi'
local socket = require'socket2'
local C = require'socket2.lib'.C
local spec = require'spec'

local ABSTRACT = ffi.os == 'Linux' -- which alone has such names of unix sockets

local function shown(...)
	return (tostring(assert(socket.addr(...))))
end

-- A service that this machine's list has; else the spec is pending.
local function need_service(name, port)
	local ai = socket.addr('127.0.0.1', name)
	if not ai or ai:port() ~= port then
		pending('no service ' .. name .. ' in /etc/services')
	end
end

local nan = 0/0

local LOOPBACK_ZONE = spec.loopback_name()

describe('socket.addr: host and port', function()

	local texts = {
		{'0.0.0.0:0', n = 0},
		{'0.0.0.0:0', nil, nil},
		{'0.0.0.0:80', nil, 80},
		{'0.0.0.0:80', '*', 80},
		{'127.0.0.1:80', false, 80},
		{'127.0.0.1:0', false},
		{'[::]:80', nil, 80, 'tcp', 'inet6'},
		{'[::]:80', '*', 80, 'tcp', 'inet6'},
		{'[::1]:80', false, 80, 'tcp', 'inet6'},
		{'0.0.0.0:80', '*', 80, 'tcp', 'unspec'},
		{'127.0.0.1:80', false, 80, 'tcp', 'unspec'},
		{'1.2.3.4:80', '1.2.3.4', 80},
		{'1.2.3.4:80', '1.2.3.4', '80'},
		{'1.2.3.4:80', '1.2.3.4', '00080'},
		{'1.2.3.4:0', '1.2.3.4', 0},
		{'1.2.3.4:65535', '1.2.3.4', 65535},
		{'255.255.255.255:1', '255.255.255.255', 1, 'udp'},
		{'1.2.3.4:80', '1.2.3.4', 80, 'tcp', 'unspec'},
		{'[::1]:80', '::1', 80, 'tcp', 'inet6'},
		{'[::1]:80', '::1', 80, 'tcp', 'unspec'},
		{'[::1]:80', '0:0:0:0:0:0:0:1', 80, 'tcp', 'inet6'},
		{'[2001:db8::a]:80', '2001:DB8::A', 80, 'tcp', 'inet6'},
		{'[::ffff:1.2.3.4]:80', '::ffff:1.2.3.4', 80, 'tcp', 'inet6'},
		{'[::ffff:1.2.3.4]:80', '1.2.3.4', 80, 'tcp', 'inet6', nil, 'v4mapped'},
		{('[fe80::1%%%s]:80'):format(LOOPBACK_ZONE), 'fe80::1%' .. LOOPBACK_ZONE, 80, 'tcp', 'inet6'},
		{'/tmp/sock', '/tmp/sock', nil, 'tcp', 'unix'},
		{'relative', 'relative', nil, 'udp', 'unix'},
		{'@abs', '@abs', nil, 'tcp', 'unix'},
		{'@abs', '\0abs', nil, 'tcp', 'unix'},
		{'./@file', './@file', nil, 'tcp', 'unix'},
	}
	for _, t in ipairs(texts) do
		local args = {n = t.n or 6, unpack(t, 2, 7)}
		it(('(%s, %s, %s, %s, %s, %s) is %s'):format(args[1] == '\0abs' and '\\0abs' or tostring(args[1]),
			tostring(args[2]), tostring(args[3]), tostring(args[4]), tostring(args[5]), tostring(args[6]), t[1]),
		function()
			if t[1]:find'^@' and not ABSTRACT then
				spec.fails('not_supported', socket.addr(unpack(args, 1, args.n)))
			else
				assert.equal(t[1], shown(unpack(args, 1, args.n)))
			end
		end)
	end

	it('knows a zone by its number too', function()
		assert.equal(shown('fe80::1%' .. LOOPBACK_ZONE, 1, 'tcp', 'inet6'), shown('fe80::1%1', 1, 'tcp', 'inet6'))
	end)

	it('looks up service names', function()
		need_service('http', 80)
		assert.equal('127.0.0.1:80', shown('127.0.0.1', 'http'))
		assert.equal('0.0.0.0:80', shown('*', 'http'))
		assert.equal('127.0.0.1:80', shown(false, 'http'))
		assert.equal('[::]:80', shown('*', 'http', 'tcp', 'inet6'))
		assert.equal('[::1]:80', shown(false, 'http', 'tcp', 'inet6'))
		assert.equal('[::1]:80', shown('::1', 'http', 'tcp', 'inet6'))
	end)

	it("looks up 'localhost'", function()
		assert.equal('127.0.0.1:80', shown('localhost', 80))
		assert.equal('127.0.0.1:80', shown('localhost', 80, 'udp'))
		-- Where the hosts file has it for inet6, too, nothing is mapped.
		local mapped = shown('localhost', 80, 'tcp', 'inet6', nil, 'v4mapped')
		assert.is_true(mapped == '[::ffff:127.0.0.1]:80' or mapped == '[::1]:80', mapped)
	end)

	it("looks up 'localhost' for raw sockets", function()
		for _, port in ipairs{false, 0, 7} do
			local ai = assert(socket.addr('localhost', port or nil, 'raw', 'inet', 'icmp'))
			assert.equal('127.0.0.1', ai:ip())
			assert.equal('raw icmp', ai:type() .. ' ' .. ai:protocol())
		end
	end)

	it("looks up 'localhost' for inet6", function()
		local ai, err = socket.addr('localhost', 80, 'tcp', 'inet6')
		if not ai then
			assert.equal('unknown_host', err)
			return pending'this machine has no IPv6 localhost'
		end
		assert.equal('[::1]:80', ai:tostring())
	end)

	local failures = {
		{'invalid_port', '1.2.3.4', -1},
		{'invalid_port', '1.2.3.4', 65536},
		{'invalid_port', '1.2.3.4', 80.5},
		{'invalid_port', '1.2.3.4', nan},
		{'invalid_port', '1.2.3.4', 1/0},
		{'invalid_port', '1.2.3.4', 2^32 + 80},
		{'invalid_port', '1.2.3.4', '65536'},
		{'invalid_port', '1.2.3.4', '99999999999999999999'},
		{'unknown_service', '1.2.3.4', ''},
		{'unknown_service', '1.2.3.4', '-1'},
		{'unknown_service', '1.2.3.4', '80 '},
		{'unknown_service', '1.2.3.4', '+70000'},
		{'unknown_service', '1.2.3.4', ' 70000'},
		{'unknown_service', '1.2.3.4', '80\0'},
		{'unknown_service', '1.2.3.4', 'nosuchservice'},
		{'unknown_service', '*', 'nosuchservice'},
		{'unknown_service', '1.2.3.4', 'http', 'tcp', 'inet', nil, 'numericserv'},
		{'unknown_service', 'localhost', 'http', 'tcp', 'inet', nil, 'numericserv'},
		{'unknown_host', '', 80},
		{'unknown_host', '1.2.3.4.5', 80},
		{'unknown_host', '256.1.1.1', 80},
		{'unknown_host', '[::1', 80},
		{'unknown_host', '[1.2.3.4]', 80},
		{'unknown_host', ':::', 80, 'tcp', 'inet6'},
		{'unknown_host', 'local\0host', 80},
		{'unknown_host', ('a'):rep(254), 80},
		{'unknown_host', ('a'):rep(1e5), 80},
		{'unknown_host', 'localhost', 80, 'tcp', 'inet', nil, 'numerichost'},
		{'address_family_not_supported', '::1', 80},
		{'address_family_not_supported', '1.2.3.4', 80, 'tcp', 'inet6'},
		{'no_such_device', 'fe80::1%nosuch0', 80, 'tcp', 'inet6'},
		{'no_such_device', 'fe80::1%', 80, 'tcp', 'inet6'},
		{'path_too_long', ('p'):rep(108), nil, 'tcp', 'unix'},
		{ABSTRACT and 'path_too_long' or 'not_supported', '@' .. ('p'):rep(108), nil, 'tcp', 'unix'},
		{'path_too_long', ('p'):rep(1e5), nil, 'tcp', 'unix'},
		{'invalid_argument', nil, nil, 'tcp', 'unix'},
		{'invalid_argument', '*', nil, 'tcp', 'unix'},
		{'invalid_argument', false, nil, 'tcp', 'unix'},
		{'invalid_argument', '', nil, 'tcp', 'unix'},
		{'invalid_argument', '@', nil, 'tcp', 'unix'},
		{'invalid_argument', '\0', nil, 'tcp', 'unix'},
		{'invalid_argument', '/tmp/a\0b', nil, 'tcp', 'unix'},
		{'socket_type_not_supported', '1.2.3.4', 80, 'sctp'},
		{'socket_type_not_supported', '1.2.3.4', 80, ''},
		{'address_family_not_supported', '1.2.3.4', 80, 'tcp', 'ipx'},
		{'protocol_not_supported', '1.2.3.4', 80, 'tcp', 'inet', 'ospf'},
		{'protocol_not_supported', '1.2.3.4', 80, 'raw', 'inet', -1},
		{'protocol_not_supported', '1.2.3.4', 80, 'raw', 'inet', 256},
		{'protocol_not_supported', '1.2.3.4', 80, 'raw', 'inet', 1.5},
		{'protocol_not_supported', '1.2.3.4', 80, 'raw', 'inet', nan},
		{'invalid_argument', '1.2.3.4', 80, 'tcp', 'inet', nil, 256},
		{'invalid_argument', '1.2.3.4', 80, 'tcp', 'inet', nil, -1},
		{'invalid_argument', '1.2.3.4', 80, 'tcp', 'inet', nil, 1.5},
		{'invalid_argument', '1.2.3.4', 80, 'tcp', 'inet', nil, nan},
		{'invalid_argument', '1.2.3.4', 80, 'tcp', 'inet', nil, 2^32},
	}
	for _, t in ipairs(failures) do
		local named = {}
		for i = 2, 7 do
			local v = tostring(t[i]):gsub('%z', '\\0')
			named[i - 1] = #v > 20 and v:sub(1, 8) .. '... ' .. #v or v
		end
		it(('(%s) fails: %s'):format(table.concat(named, ', '), t[1]), function()
			local ai, err, errcode = socket.addr(unpack(t, 2, 7))
			assert.is_nil(ai)
			assert.equal(t[1], err)
			assert.is_true(errcode < 0)
		end)
	end

	it('says in words that a host is not known', function()
		local ai, err, errcode = socket.addr('nosuch.invalid', 80)
		assert.is_nil(ai)
		-- the latter without any name server
		assert.is_true(err == 'unknown_host' or err == 'temporary_lookup_failure', err)
		assert.is_true(errcode < 0)
	end)

	it('takes unix paths up to the limit of the system', function()
		for _, path in ipairs{('p'):rep(107), not spec.windows and '@' .. ('p'):rep(107) or nil} do
			assert.equal(path, shown(path, nil, 'tcp', 'unix'))
		end
	end)

	it('raises for arguments of a wrong type, at the place of the call', function()
		local wrong = {
			host = {{n = 1, 5}, {n = 1, {}}, {n = 1, true}, {n = 1, print}, {n = 1, ffi.new'int'}},
			port = {{'x', {}}, {'x', true}, {'x', false}, {'x', print}},
			['socket type'] = {{'x', 1, 1}, {'x', 1, {}}, {'x', 1, false}},
			family = {{'x', 1, 'tcp', 2}, {'x', 1, 'tcp', {}}, {'x', 1, 'tcp', false}},
			protocol = {{'x', 1, 'tcp', 'inet', {}}, {'x', 1, 'tcp', 'inet', true}},
			flag = {
				{'x', 1, 'tcp', 'inet', 6, true}, {'x', 1, 'tcp', 'inet', 6, print},
				{'x', 1, 'tcp', 'inet', 6, {5}}, {'x', 1, 'tcp', 'inet', 6, {{}}},
			},
		}
		for what, calls in pairs(wrong) do
			for i, args in ipairs(calls) do
				local function call()
					local ai = socket.addr(unpack(args, 1, args.n or #args))
					return ai
				end
				local ok, err = pcall(call)
				assert.is_false(ok, what .. ' ' .. i)
				assert.matches(what, err, 1, true)
				assert.matches('^[^:]*addr_spec%.lua:%d+: ', err)
			end
		end
	end)

end)

describe('socket.addr: flags', function()

	local function name(flags, host)
		return assert(socket.addr(host or 'localhost', 80, 'tcp', 'inet', nil, flags)):name()
	end

	it('are a number, words, or a table of words', function()
		local mapped = '[::ffff:1.2.3.4]:80'
		for _, flags in ipairs{
			C.SOCKET2_V4MAPPED, C.SOCKET2_V4MAPPED + C.SOCKET2_PASSIVE,
			'v4mapped', 'passive v4mapped', 'passive,v4mapped', ' passive ,\tv4mapped ',
			{'v4mapped'}, {'passive', 'v4mapped'}, {v4mapped = true, passive = true},
		} do
			assert.equal(mapped, shown('1.2.3.4', 80, 'tcp', 'inet6', nil, flags))
		end
		for _, none in ipairs{0, '', ' ', {}, {v4mapped = false}} do
			assert.is_nil((socket.addr('1.2.3.4', 80, 'tcp', 'inet6', nil, none)))
		end
	end)

	it('canonname and cannonname ask for the canonical name', function()
		assert.is_nil((name(nil)))
		assert.equal('localhost', name'canonname')
		assert.equal('localhost', name'cannonname')
		assert.equal('localhost', name{'cannonname'})
		assert.equal('localhost', name(C.SOCKET2_CANONNAME))
		assert.equal('1.2.3.4', name('canonname', '1.2.3.4'))
	end)

	it('have all the words of the system', function()
		for _, word in ipairs{'passive', 'canonname', 'cannonname', 'numerichost', 'numericserv', 'all',
			'v4mapped', 'addrconfig'}
		do
			assert.equal('1.2.3.4:80', shown('1.2.3.4', 80, 'tcp', 'inet', nil, word))
		end
		assert.equal('127.0.0.1:80', shown('localhost', 80, 'tcp', 'inet', nil, 'numericserv passive all'))
	end)

	it('raise for an unknown word', function()
		for _, flags in ipairs{'nosuch', 'passive nosuch', {'nosuch'}, {nosuch = true}, 'PASSIVE'} do
			assert.error_matches(function()
				socket.addr('1.2.3.4', 80, 'tcp', 'inet', nil, flags)
			end, 'unknown flag')
		end
	end)

end)

describe('an address', function()

	it('tells its parts', function()
		local function parts(...)
			local ai = assert(socket.addr(...))
			return {ai:type(), ai:family(), ai:protocol(), ai:ip(), ai:port(), ai:tostring(), ai:name()}
		end
		assert.same({'tcp', 'inet', 'tcp', '0.0.0.0', 0, '0.0.0.0:0'}, parts())
		assert.same({'udp', 'inet', 'udp', '1.2.3.4', 53, '1.2.3.4:53'}, parts('1.2.3.4', 53, 'udp'))
		assert.same({'raw', 'inet', 'raw', '1.2.3.4', 0, '1.2.3.4:0'}, parts('1.2.3.4', nil, 'raw'))
		local host = 'fe80::1%' .. LOOPBACK_ZONE
		assert.same({'tcp', 'inet6', 'tcp', host, 80, '[' .. host .. ']:80'}, parts(host, 80, 'tcp', 'inet6'))
		assert.same({'tcp', 'unix', 'ip', '/tmp/x', 0, '/tmp/x'}, parts('/tmp/x', 80, 'tcp', 'unix'))
	end)

	it('has the protocol that was asked for, by name or number', function()
		local protocols = {ip = 0, icmp = 1, igmp = 2, tcp = 6, udp = 17, ipv6 = 41, icmpv6 = 58, raw = 255}
		for name, number in pairs(protocols) do
			local expected = number == 0 and 'raw' or name -- 0: the default of the type
			assert.equal(expected, socket.addr('1.2.3.4', 0, 'raw', 'inet', name):protocol())
			assert.equal(expected, socket.addr('1.2.3.4', 0, 'raw', 'inet', number):protocol())
		end
		assert.equal('132', socket.addr('1.2.3.4', 0, 'raw', 'inet', 132):protocol())
	end)

	it('is what tostring() shows', function()
		local ai = socket.addr('1.2.3.4', 80)
		assert.equal('1.2.3.4:80', tostring(ai))
		assert.equal('to 1.2.3.4:80', ('to %s'):format(tostring(ai)))
	end)

	it('passes through', function()
		local ai = socket.addr('1.2.3.4', 80)
		assert.equal(ai, (socket.addr(ai)))
		assert.equal(ai, (socket.addr(ai, 99, 'udp')))
	end)

	it('is the first of a list of one', function()
		local ai = socket.addr('1.2.3.4', 80)
		assert.is_nil((ai:next()))
		local n = 0
		for each in ai:addrs() do
			n = n + 1
			assert.equal(ai, each)
		end
		assert.equal(1, n)
	end)

	it('that was freed gives errors', function()
		local ai = socket.addr('1.2.3.4', 80, 'tcp', 'inet', nil, 'canonname')
		ai:free()
		for _, method in ipairs{'next', 'type', 'family', 'protocol', 'port', 'name', 'ip', 'tostring'} do
			local v, err, errcode = ai[method](ai)
			assert.is_nil(v, method)
			assert.equal('closed', err, method)
			assert.equal(C.SOCKET2_ECLOSED, errcode)
		end
		assert.equal('addr (freed)', tostring(ai))
		ai:free() -- harmless
		local s = assert(socket.tcp())
		assert.equal('closed', select(2, s:bind(ai)))
		s:close()
	end)

	it('is freed by the collector', function()
		local function resident()
			for line in io.lines'/proc/self/status' do
				local kb = line:match'^VmRSS:%s*(%d+)'
				if kb then return tonumber(kb) end
			end
		end
		local function look_up(n)
			for i = 1, n do
				assert(socket.addr('1.2.3.4', i % 65536))
			end
			collectgarbage()
			collectgarbage()
			return collectgarbage'count', resident()
		end
		local heap, memory = look_up(1e4)
		local heap1, memory1 = look_up(1e5)
		assert.is_true(heap1 - heap < 64, heap1 - heap .. ' KB of Lua heap more')
		-- the address sanitizer keeps what is freed for a while
		if not (os.getenv'LD_PRELOAD' or ''):find'asan' then
			assert.is_true(memory1 - memory < 8192, memory1 - memory .. ' KB of memory more')
		end
	end)

end)

-- A host with several addresses: in a process that has its own /etc/hosts.
describe('a list of addresses', function()

	local function with_hosts(code)
		local hosts = os.tmpname()
		local f = assert(io.open(hosts, 'w'))
		f:write('10.1.2.3 several.test\n10.1.2.4 several.test\nfd00::5 several.test\n',
			'127.0.0.2 loop.test\n127.0.0.3 loop.test\n127.0.0.4 loop.test\n')
		f:close()
		-- an ordinary user becomes root of a namespace by -r
		local output = spec.luajit("local socket = require'socket2'\n" .. code,
			([[unshare -rm sh -c 'mount --bind %s /etc/hosts && echo mounted && exec "$@"' -]]):format(hosts))
		os.remove(hosts)
		local result = output:match'^mounted\n(.*)'
		if not result then
			pending('no mount namespace: ' .. output)
		end
		return result
	end

	local function lines(...)
		return table.concat({...}, '\n') .. '\n'
	end

	it('is walked by addrs() and next()', function()
		assert.equal(lines('10.1.2.3:80', '10.1.2.4:80', '--', '10.1.2.4:80', '--', '10.1.2.4:80', 'nil'),
			with_hosts[[
				local ai = assert(socket.addr('several.test', 80))
				for a in ai:addrs() do print(a) end
				print'--'
				local second = ai:next()
				for a in second:addrs() do print(a) end
				print'--'
				print(second)
				print((second:next()))
			]])
	end)

	it('has the addresses of both families if asked for', function()
		assert.equal(lines('10.1.2.3:80', '10.1.2.4:80', '[fd00::5]:80'), with_hosts[[
			local t = {}
			for a in assert(socket.addr('several.test', 80, 'tcp', 'unspec')):addrs() do
				t[#t + 1] = tostring(a)
			end
			table.sort(t)
			print(table.concat(t, '\n'))
		]])
	end)

	it('has one canonical name', function()
		assert.equal(lines('several.test', 'several.test'), with_hosts[[
			local ai = assert(socket.addr('several.test', 80, 'tcp', 'inet', nil, 'canonname'))
			for a in ai:addrs() do print(a:name()) end
		]])
	end)

	it('is freed as a whole, by any of its addresses', function()
		assert.equal(lines('nil\tclosed\t-2', 'nil\tclosed\t-2', 'addr (freed)', 'nil\tclosed\t-2'), with_hosts[[
			local ai = assert(socket.addr('several.test', 80))
			local second = ai:next()
			second:free()
			print(ai:tostring())
			print(second:ip())
			print(second)
			print(ai:next())
		]])
	end)

	it('stays as long as one of its addresses is known', function()
		assert.equal(lines'10.1.2.4:80', with_hosts[[
			local second = assert(socket.addr('several.test', 80)):next()
			for i = 1, 100 do
				collectgarbage()
				assert(socket.addr('1.2.3.4', i))
			end
			print(second)
		]])
	end)

	it('is tried one after the other by connect()', function()
		assert.equal(lines('true', '127.0.0.3', 'connection_refused'), with_hosts[[
			local spec = require'spec'
			local listener, port = spec.listener'127.0.0.3'
			spec.run(function()
				local s = assert(socket.tcp())
				print(s:connect('loop.test', port))
				print(s:remoteaddr():ip())
				listener:close()
				print((select(2, assert(socket.tcp()):connect('loop.test', port))))
			end)
		]])
	end)

end)
