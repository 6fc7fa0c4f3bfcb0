-- setopt() and getopt(): every option, on the sockets that have it; multicast groups.

local ffi = require'ffi'
local socket = require'socket2'
local C = require'socket2.lib'.C
local spec = require'spec'

local fails = spec.fails

local privileged = spec.privileged()
local LO = spec.loopback_name()

-- qemu passes on the options that it knows.
local unknown = spec.qemu and {mark = true, busy_poll = true, incoming_cpu = true, transparent = true,
	bindtodevice = true, multicast_if = true} or {}

-- What Windows does not have is asserted once, below.
local absent = {}
for option in (spec.windows and [[
	bindtodevice busy_poll freebind incoming_cpu mark mtu_discover priority rcvbufforce rcvlowat reuseport
	sndbufforce tcp_congestion tcp_cork tcp_defer_accept tcp_fastopen tcp_fastopen_connect tcp_linger2
	tcp_maxseg tcp_notsent_lowat tcp_quickack tcp_syncnt tcp_user_timeout tcp_window_clamp transparent
]] or ''):gmatch'%S+' do
	absent[option] = true
end

-- An it() for an option that not every system has.
local function it_has(option)
	if absent[option] then
		return function() end
	end
	local every = ffi.os == 'Linux' or spec.windows
	local lacking = unknown[option] or not every and C.socket2_option_kind(option) < 0
	return spec.with(('the option %q'):format(option), it, lacking)
end

local kinds = {
	tcp = function() return socket.tcp() end,
	tcp6 = function() return socket.tcp'inet6' end,
	udp = function() return socket.udp() end,
	udp6 = function() return socket.udp'inet6' end,
	raw = function() return socket.raw('inet', 'icmp') end,
	unix = function() return socket.tcp'unix' end,
	listener = function() return (spec.listener()) end,
}

-- f(socket) with a new socket of the kind.
local function with(kind, f)
	local s = assert(kinds[kind]())
	f(s)
	s:close()
end

local function error_of(f, ...)
	local ok, err = pcall(f, ...)
	assert.is_false(ok)
	return err
end

-- What Linux gives back is not always what was set.
local function doubled(v) return spec.windows and v or 2 * v end -- the system counts its own needs

-- name, kinds of sockets, values to set, [what is read back], [privilege needed]
local settable = {
	{'broadcast', 'udp udp6 unix', {true, false}},
	{'dontroute', 'tcp udp', spec.windows and {true} or {true, false}}, -- which Wine does not give back
	{'keepalive', 'tcp tcp6 listener unix', {true, false}},
	{'linger', 'tcp tcp6 unix', {0, 5, false}},
	{'oobinline', 'tcp tcp6', {true, false}},
	{'rcvbuf', 'tcp udp udp6 unix', {10000, 50000}, doubled},
	{'rcvlowat', 'tcp', {1, 100}},
	{'reuseaddr', 'tcp tcp6', spec.windows and {true} or {true, false}}, -- streams have it always
	{'reuseaddr', 'udp udp6', {true, false}},
	{'reuseport', 'tcp tcp6 udp udp6', {true, false}},
	{'sndbuf', 'tcp udp udp6 unix', {10000, 50000}, doubled},
	{'tcp_nodelay', 'tcp tcp6 listener', {true, false}},
	{'tcp_keepcnt', 'tcp tcp6', {3}},
	{'tcp_keepintvl', 'tcp tcp6', {7}},
	{'tcp_maxseg', 'listener', {1000}},
	{'v6only', 'tcp6 udp6', {true, false}},
	{'hdrincl', 'raw', {true, false}, nil, true},
	{'ttl', 'tcp udp tcp6 udp6', {1, 64, 255}},
	{'tos', 'tcp udp tcp6 udp6', {0x10, 0}},
	{'multicast_ttl', 'udp udp6', {0, 1, 255}},
	{'multicast_loop', 'udp udp6', {false, true}},
	{'priority', 'tcp udp6', {6, 0}},
	{'mark', 'tcp udp', {42, 0}, nil, true},
	{'busy_poll', 'tcp', {50}, nil, true},
	{'incoming_cpu', 'tcp', {0}},
	{'freebind', 'tcp udp', {true, false}},
	{'transparent', 'tcp udp', {true, false}, nil, true},
	{'mtu_discover', 'tcp udp tcp6 udp6', {0, 1, 2, 3}},
	{'tcp_congestion', 'tcp tcp6', {'reno'}},
	{'tcp_cork', 'tcp tcp6', {true, false}},
	{'tcp_defer_accept', 'listener', {1, 0}},
	{'tcp_fastopen', 'listener', {16}},
	{'tcp_fastopen_connect', 'tcp', {true, false}},
	{'tcp_keepidle', 'tcp tcp6', {30}},
	{'tcp_linger2', 'tcp', {20}},
	{'tcp_notsent_lowat', 'tcp', {16384}},
	{'tcp_quickack', 'tcp', {true, false}},
	{'tcp_syncnt', 'tcp', {2}},
	{'tcp_user_timeout', 'tcp', {5000}},
	{'tcp_window_clamp', 'listener', {65536}},
}

-- Of what Windows has Wine lacks some: that is skipped once.
local function is_refused(kind, name, value)
	local s = spec.windows and not absent[name] and kinds[kind]()
	local err = s and select(2, s:setopt(name, value))
	if s then s:close() end
	return err == 'not_supported'
end

local function is_set_and_read(it, kind, name, values, expected, needs_privilege)
	it(('%s of a %s socket is set and read'):format(name, kind), function()
		if (needs_privilege or kind == 'raw') and not privileged then
			pending'needs a privilege'
		end
		with(kind, function(s)
			for _, value in ipairs(values) do
				assert.is_true(s:setopt(name, value))
				assert.equal(expected and expected(value) or value, s:getopt(name))
			end
		end)
	end)
end

local function are_set_and_read(of_unix)
	for _, t in ipairs(settable) do
		local name, sockets, values = t[1], t[2], t[3]
		local it = it_has(name)
		for kind in sockets:gmatch'%S+' do
			if (kind == 'unix') == of_unix and it then
				local refused = is_refused(kind, name, values[1])
				is_set_and_read(spec.with('the option, which Wine lacks', it, refused), kind, name, values, t[4], t[5])
				it = not refused and it
			end
		end
	end
end

-- setopt and getopt of options that a socket of the kind does not have
local function are_not_supported(kind, options)
	it(('and getopt fail for options that a %s socket does not have'):format(kind), function()
		with(kind, function(s)
			for name, value in pairs(options) do
				if not absent[name] then
					local v, err = s:setopt(name, value)
					assert.equal('nil not_supported ' .. name, ('%s %s %s'):format(tostring(v), tostring(err), name))
					v, err = s:getopt(name)
					assert.equal('nil not_supported ' .. name, ('%s %s %s'):format(tostring(v), tostring(err), name))
				end
			end
		end)
	end)
end

describe('an option', function()

	are_set_and_read(false)

	it_has'rcvbufforce'('rcvbufforce and sndbufforce go beyond the limit of the system', function()
		if not privileged then
			pending'needs a privilege'
		end
		with('udp', function(s)
			local beyond = 64 * 1024 * 1024
			for _, name in ipairs{'rcvbuf', 'sndbuf'} do
				assert.is_true(s:setopt(name, beyond))
				assert.is_true(s:getopt(name) < 2 * beyond)
				assert.is_true(s:setopt(name .. 'force', beyond))
				assert.equal(2 * beyond, s:getopt(name))
				fails('not_supported', s:getopt(name .. 'force'))
			end
		end)
	end)

	it_has'mark'('that needs a privilege fails without it', function()
		if not privileged then
			with('tcp', function(s) fails('not_permitted', s:setopt('mark', 1)) end)
			return
		end
		local output = spec.luajit([[
			local socket = require'socket2'
			local s = assert(socket.tcp())
			print(s:setopt('mark', 1))
			print(s:setopt('rcvbufforce', 1e6))
			print(socket.raw())
		]], 'setpriv --bounding-set=-all --inh-caps=-all')
		if output:find'setpriv' then
			pending('no setpriv: ' .. output)
		end
		assert.equal(('nil\tnot_permitted\t%d\n'):format(C.SOCKET2_EPERM):rep(3), output)
	end)

	it('acceptconn is read only', function()
		with('tcp', function(s)
			assert.is_false(s:getopt'acceptconn')
			fails('not_supported', s:setopt('acceptconn', true))
		end)
		with('listener', function(s)
			assert.is_true(s:getopt'acceptconn')
		end)
	end)

	it_has'bindtodevice'('bindtodevice takes the name of an interface', function()
		with('udp', function(s)
			assert.equal('', s:getopt'bindtodevice')
			assert.is_true(s:setopt('bindtodevice', LO))
			assert.equal(LO, s:getopt'bindtodevice')
			fails('no_such_device', s:setopt('bindtodevice', 'nosuch0'))
			if privileged then
				assert.is_true(s:setopt('bindtodevice', ''))
				assert.equal('', s:getopt'bindtodevice')
			end
		end)
	end)

	it_has'tcp_congestion'('tcp_congestion that the system does not have fails', function()
		with('tcp', function(s)
			local v, err = s:setopt('tcp_congestion', 'nosuch')
			assert.is_nil(v)
			assert.equal('file_not_found', err)
		end)
	end)

	it_has'multicast_if'('multicast_if takes a name, an index, on inet an address too', function()
		with('udp', function(s)
			assert.equal(0, s:getopt'multicast_if')
			assert.is_true(s:setopt('multicast_if', LO))
			local lo = s:getopt'multicast_if'
			assert.is_true(lo > 0)
			for _, value in ipairs{lo, tostring(lo), '127.0.0.1'} do
				assert.is_true(s:setopt('multicast_if', 0))
				assert.equal(0, s:getopt'multicast_if')
				assert.is_true(s:setopt('multicast_if', value))
				assert.equal(lo, s:getopt'multicast_if')
			end
			assert.is_true(s:setopt('multicast_if', '0.0.0.0'))
			assert.equal(0, s:getopt'multicast_if')
		end)
		with('udp6', function(s)
			assert.equal(0, s:getopt'multicast_if')
			assert.is_true(s:setopt('multicast_if', LO))
			local lo = s:getopt'multicast_if'
			assert.is_true(lo > 0)
			assert.is_true(s:setopt('multicast_if', 0))
			assert.equal(0, s:getopt'multicast_if')
			assert.is_true(s:setopt('multicast_if', lo))
			assert.equal(lo, s:getopt'multicast_if')
		end)
	end)

	it_has'multicast_if'('multicast_if with an interface that is not there fails', function()
		for _, kind in ipairs{'udp', 'udp6'} do
			with(kind, function(s)
				for _, value in ipairs{'nosuch0', '203.0.113.1', '', '-1', 2^31 - 1, -1} do
					local v, err = s:setopt('multicast_if', value)
					assert.is_nil(v, tostring(value))
					assert.is_true(err == 'no_such_device' or err == 'address_not_available', err)
				end
			end)
		end
	end)

	it('are set with one result', function()
		for _, s in ipairs{socket.tcp'inet', socket.tcp(), socket.udp()} do
			assert.equal(1, select('#', s:setopt('keepalive', true)))
			s:close()
		end
	end)

	it('error is read only, and false without a failure', function()
		for _, kind in ipairs{'tcp', 'udp', 'listener'} do
			with(kind, function(s)
				fails('invalid_argument', s:setopt('error', 1))
				assert.is_false(s:getopt'error')
			end)
		end
	end)

end)

spec.with('errors that are told once', describe)('the option error', function()

	it('tells of a failure once, in a word', function()
		spec.run(function()
			local c, d = spec.pair()
			assert.is_false(c:getopt'error')
			assert(d:setopt('linger', 0))
			d:close()
			local err
			spec.wait_until(function()
				err = c:getopt'error'
				return err
			end)
			assert.equal('connection_reset', err)
			assert.is_false(c:getopt'error')
			c:close()
		end)
	end)

	it('is clear after a connect that was refused, which told it', function()
		spec.run(function()
			local s, port = spec.listener()
			s:close()
			local c = assert(socket.tcp())
			assert.equal('connection_refused', select(2, c:connect('127.0.0.1', port)))
			assert.is_false(c:getopt'error')
			c:close()
		end)
	end)

end)

describe('setopt', function()

	local function wrong_type(kind, name, values)
		with(kind, function(s)
			for i = 1, values.n or #values do
				local err = error_of(function()
					local r = s:setopt(name, values[i])
					return r
				end)
				assert.matches('^[^:]*option_spec%.lua:%d+: bad value of option ' .. name, err)
			end
		end)
	end

	it('demands booleans for switches', function()
		for _, name in ipairs{'keepalive', 'reuseaddr', 'tcp_nodelay', 'multicast_loop'} do
			wrong_type('tcp', name, {1, 0, 'true', 'on', {}, nil, n = 6})
		end
	end)

	it('demands numbers for numbers', function()
		for _, name in ipairs{'rcvbuf', 'ttl', 'tcp_keepidle'} do
			wrong_type('tcp', name, {true, false, '1', {}, nil, n = 5})
		end
	end)

	it('demands seconds or false for linger', function()
		wrong_type('tcp', 'linger', {true, '1', {}, nil, n = 4})
	end)

	it_has'bindtodevice'('demands strings for text', function()
		wrong_type('tcp', 'tcp_congestion', {true, 1, {}, nil, n = 4})
		wrong_type('udp', 'bindtodevice', {true, 1, {}, nil, n = 4})
	end)

	it('demands a name or number for an interface', function()
		wrong_type('udp', 'multicast_if', {true, false, {}, nil, n = 4})
	end)

	it('demands a group, or a group and interface, for a membership', function()
		for _, name in ipairs{'add_membership', 'drop_membership'} do
			wrong_type('udp', name, {true, 1, {}, {interface = LO}, {group = 1}, nil, n = 6})
			wrong_type('udp', name, {{group = '239.1.1.1', interface = true}})
			wrong_type('udp', name, {{group = '239.1.1.1', interface = {}}})
		end
	end)

	it('fails for numbers that no option can have', function()
		with('tcp', function(s)
			for _, name in ipairs{'rcvbuf', 'ttl', 'tcp_keepidle', 'linger'} do
				local before = s:getopt(name)
				for _, value in ipairs{0/0, 1/0, -1/0, 2^31, 2^32 + 64, 2^53, 64.5} do
					fails('invalid_argument', s:setopt(name, value))
				end
				assert.equal(before, s:getopt(name))
			end
			fails('invalid_argument', s:setopt('linger', -1))
			fails('invalid_argument', s:setopt('ttl', 256))
			local err = select(2, s:setopt('tcp_keepidle', -5))
			assert.is_true(err == 'invalid_argument' or spec.windows and err == 'not_supported', err) -- by Wine
		end)
	end)

	it_has'bindtodevice'('fails for text with a zero in it', function()
		with('udp', function(s)
			local v, err = s:setopt('bindtodevice', LO .. '\0x')
			assert.is_nil(v)
			assert.equal('string', type(err))
			assert.equal('', s:getopt'bindtodevice')
			assert.is_nil((s:setopt('bindtodevice', ('x'):rep(1e5))))
		end)
	end)

	it_has'multicast_if'('fails for the name of an interface with a zero in it', function()
		with('udp', function(s)
			assert.is_nil((s:setopt('multicast_if', LO .. '\0x')))
			assert.equal(0, s:getopt'multicast_if')
		end)
	end)

	it('and getopt raise for unknown names', function()
		local names = {'nosuch', '', 'KEEPALIVE', 'so_keepalive', ('x'):rep(1e5), 'keepalive\0'}
		for name in pairs(absent) do
			names[#names + 1] = name
		end
		with('tcp', function(s)
			for _, name in ipairs(names) do
				for _, method in ipairs{'setopt', 'getopt'} do
					assert.matches('^[^:]*option_spec%.lua:%d+: unknown socket option', error_of(function()
						local r = s[method](s, name, true)
						return r
					end))
				end
			end
			for _, name in ipairs{1, true, {}, print} do
				assert.matches('bad option name', error_of(s.setopt, s, name, true))
				assert.matches('bad option name', error_of(s.getopt, s, name))
			end
			assert.matches('bad option name', error_of(s.setopt, s, nil, true))
			assert.matches('bad option name', error_of(s.getopt, s))
		end)
	end)

	are_not_supported('udp', {tcp_nodelay = true, tcp_keepidle = 5, tcp_congestion = 'reno', v6only = true})
	are_not_supported('tcp', {v6only = true})

end)

spec.with('unix sockets', describe)('setopt of unix sockets', function()
	are_set_and_read(true)
	are_not_supported('unix', {tcp_nodelay = true, ttl = 5, v6only = true, multicast_ttl = 1, multicast_if = LO})
end)

describe('a multicast group', function()
	local it = it_has'multicast_if' -- luacheck: ignore

	local groups = {
		inet = {group = '239.77.1.2', other = '239.77.1.3', own = '127.0.0.1'},
		inet6 = {group = 'ff02::7712', other = 'ff02::7713', own = '::1'},
	}

	-- The names of all: some have no route for multicast, like lo often for IPv6.
	local function interfaces()
		local names = {LO}
		for index = 2, 32 do
			local ai = socket.addr('fe80::1%' .. index, 1, 'udp', 'inet6')
			local name = ai and ai:ip():match'%%(.*)'
			if name and name ~= tostring(index) then
				names[#names + 1] = name
			end
		end
		return names
	end

	-- A socket that sends over the interface to this machine only (ttl 0), or nothing.
	local function sender_on(name, family)
		local s = assert(socket.udp(family))
		assert(s:setopt('multicast_ttl', 0))
		local ok, err = s:setopt('multicast_if', name)
		if ok then
			ok, err = s:send('a try', groups[family].group, 9)
		end
		if ok then
			return s
		end
		assert.is_true(err == 'network_unreachable' or err == 'address_not_available'
			or spec.windows and err == 'no_such_device', err) -- it has no address of the family
		s:close()
	end

	-- A sender, its interface, and a receiver that is bound to any address, with its port.
	local function ends(family, not_lo)
		for _, name in ipairs(interfaces()) do
			local sender = not (not_lo and name == LO) and sender_on(name, family)
			if sender then
				local receiver = assert(socket.udp(family))
				assert(receiver:bind('*', 0))
				return sender, name, receiver, receiver:localaddr():port()
			end
		end
	end

	-- The texts that come when one was sent to the group; one that goes straight to the receiver ends
	-- the wait.
	local function received(sender, receiver, family, port)
		local buf = spec.buffer(100)
		assert(sender:send('to the group', groups[family].group, port))
		assert(sender:send('end', groups[family].own, port))
		local texts = {}
		repeat
			local n = assert(receiver:recv(buf, 100))
			texts[#texts + 1] = ffi.string(buf, n)
		until texts[#texts] == 'end'
		return table.concat(texts, ', ')
	end

	-- f(sender, interface, receiver, port) in a thread
	local function with_ends(family, not_lo, f)
		local pend
		spec.run(function()
			local sender, interface, receiver, port = ends(family, not_lo)
			if not sender then
				pend = true
				return
			end
			f(sender, interface, receiver, port)
			sender:close()
			receiver:close()
		end)
		if pend then
			pending('no interface for multicast over ' .. family)
		end
	end

	for _, family in ipairs{'inet', 'inet6'} do
		local group, other = groups[family].group, groups[family].other

		it(('of %s is joined and left'):format(family), function()
			with_ends(family, false, function(sender, interface, receiver, port)
				local membership = {group = group, interface = interface}
				for _ = 1, 2 do
					assert.is_true(receiver:setopt('add_membership', membership))
					assert.equal('to the group, end', received(sender, receiver, family, port))
					assert.is_true(receiver:setopt('drop_membership', membership))
					assert.equal('address_not_available', select(2, receiver:setopt('drop_membership', membership)))
				end
			end)
		end)

		it(('of %s that was not joined is not heard'):format(family), function()
			with_ends(family, false, function(sender, interface, receiver, port)
				assert(receiver:setopt('add_membership', {group = other, interface = interface}))
				assert.equal('end', received(sender, receiver, family, port))
			end)
		end)

		it(('of %s is joined on an interface, by name or by index'):format(family), function()
			with_ends(family, false, function(sender, interface, receiver, port)
				local index = sender:getopt'multicast_if'
				assert.is_true(index > 0)
				local forms = {interface, index, tostring(index)}
				if interface == LO and family == 'inet' then
					forms[4] = '127.0.0.1'
				end
				for _, form in ipairs(forms) do
					for _, g in ipairs{group, socket.addr(group, 0, 'udp', family)} do
						local membership = {group = g, interface = form}
						assert.is_true(receiver:setopt('add_membership', membership))
						assert.equal('to the group, end', received(sender, receiver, family, port))
						assert.is_true(receiver:setopt('drop_membership', membership))
					end
				end
			end)
		end)

		it(('of %s is not heard on this machine without multicast_loop'):format(family), function()
			-- what is sent over lo comes back by itself
			with_ends(family, true, function(sender, interface, receiver, port)
				assert(receiver:setopt('add_membership', {group = group, interface = interface}))
				assert.equal('to the group, end', received(sender, receiver, family, port))
				assert(sender:setopt('multicast_loop', false))
				assert.equal('end', received(sender, receiver, family, port))
			end)
		end)

		it(('of %s fails in words'):format(family), function()
			local s = assert(socket.udp(family))
			local function set(name, to, interface)
				return s:setopt(name, {group = to, interface = interface})
			end
			fails('no_such_device', set('add_membership', group, 'nosuch0'))
			fails('no_such_device', set('add_membership', group, 2^31 - 1))
			fails('no_such_device', set('add_membership', group, ''))
			fails('address_not_available', set('drop_membership', group, LO))
			fails('invalid_argument', set('add_membership', groups[family].own, LO))
			fails('address_family_not_supported',
				set('add_membership', groups[family == 'inet' and 'inet6' or 'inet'].group, LO))
			assert.is_true(set('add_membership', group, LO))
			fails('address_already_in_use', set('add_membership', group, LO))
			assert.is_true(set('add_membership', other, LO))
			local err = select(2, s:setopt('add_membership', 'nosuch.invalid'))
			assert.is_true(err == 'unknown_host' or err == 'temporary_lookup_failure', err)
			s:close()
			fails('closed', set('add_membership', group, LO))
		end)
	end

	it('may be given as a string alone: the system picks the interface', function()
		local s = assert(socket.udp())
		local ok, err = s:setopt('add_membership', '239.77.1.2')
		if ok then
			assert.is_true(s:setopt('drop_membership', '239.77.1.2'))
		else
			-- no route for it on this machine
			assert.is_true(err == 'no_such_device' or err == 'network_unreachable', err)
		end
		s:close()
	end)

end)
