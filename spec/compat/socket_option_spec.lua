-- socket: options.

local C = require'socket2.lib'.C
local oracle = require'oracle'
local spec = require'spec'

local ours, case = oracle.ours, oracle.case

describe('options', function()
	local values = {true, false, 0, 1, 7, 'x', '3', {}, {on = true, timeout = 3}, {on = false, timeout = 0},
		{on = true}, {multiaddr = '239.1.2.3', interface = '*'}, {multiaddr = 'x'},
		{multiaddr = '239.1.2.3', interface = '127.0.0.1'}, {multiaddr = 1},
		{multiaddr = 'ff02::5', interface = 1}, {multiaddr = 'ff02::6'},
		{multiaddr = 'ff02::7', interface = 'x'}}
	local tcp = {'keepalive', 'reuseaddr', 'reuseport', 'tcp-nodelay', 'tcp-keepidle', 'tcp-keepcnt',
		'tcp-keepintvl', 'ipv6-v6only', 'linger', 'recv-buffer-size', 'send-buffer-size', 'error',
		'tcp-defer-accept', 'tcp-fastopen', 'tcp-fastopen-connect', 'nothing', 'dontroute'}
	local udp = {'dontroute', 'broadcast', 'reuseaddr', 'reuseport', 'ip-multicast-if', 'ip-multicast-ttl',
		'ip-multicast-loop', 'ip-add-membership', 'ip-drop-membership', 'ipv6-unicast-hops',
		'ipv6-multicast-hops', 'ipv6-multicast-loop', 'ipv6-add-membership', 'ipv6-drop-membership',
		'ipv6-v6only', 'recv-buffer-size', 'send-buffer-size', 'error', 'nothing', 'keepalive'}
	-- Values of a wrong type raise in ours where LuaSocket takes them for 0: a buffer's size, a limit.
	local numeric = {}
	for name in ([[tcp-keepidle tcp-keepcnt tcp-keepintvl recv-buffer-size send-buffer-size tcp-defer-accept
			tcp-fastopen tcp-fastopen-connect ipv6-unicast-hops ipv6-multicast-hops
			ip-multicast-ttl]]):gmatch'%S+' do
		numeric[name] = true
	end
	local function suits(name, v)
		if numeric[name] then
			return type(v) == 'number' or v == '3'
		elseif name == 'linger' then -- of {on = false} the timeout is lost
			return type(v) ~= 'table' or v.on ~= false
		elseif name == 'ip-multicast-if' then -- 3 is 0.0.0.3 there
			return type(v) ~= 'number' and v ~= '3'
		elseif name:find'membership' then -- a group's address has to be a string; there a number will do
			return type(v) ~= 'table' or type(v.multiaddr) ~= 'number' and v.interface ~= 'x'
		end
		return true
	end
	-- Ours has hops of multicast that are not those of unicast, and groups of the socket's family.
	local ours_alone = {['udp6 ipv6-multicast-hops'] = true, ['udp6 ip-add-membership'] = true}
	-- On Windows a stream's reuseaddr is always on: it would let others take the port. Wine sets options
	-- of sockets that have none, or are none.
	local always_on, refused = {'true, false', 'true, true'}, {'true, 1', 'true, nil, "setsockopt failed"'}
	local apart = {
		['tcp4 reuseaddr'] = always_on, ['tcp6 reuseaddr'] = always_on,
		['tcp4 reuseport'] = always_on, ['tcp6 reuseport'] = always_on,
		['tcp4 ipv6-v6only'] = refused, ['udp4 ipv6-v6only'] = refused, ['udp dontroute'] = refused,
		['udp4 dontroute'] = {'true, 1\n"end"', 'true, nil, "setsockopt failed"\n"end"'},
	}
	apart['udp6 dontroute'] = apart['udp4 dontroute']
	local function each(names, maker)
		for _, name in ipairs(names) do
			local full = maker .. ' ' .. name
			local run = ours_alone[full] and function() end
				or spec.with('an option that qemu does not know', case, spec.qemu and name:find'add%-membership' ~= nil)
			run(full, function(m, log)
				local o = m[maker]()
				log(pcall(o.getoption, o, name))
				if suits(name) then log(pcall(o.setoption, o, name)) end
				for _, v in ipairs(values) do
					if suits(name, v) then
						log(name, v)
						log(pcall(o.setoption, o, name, v))
						log(pcall(o.getoption, o, name))
					end
				end
				o:close()
				log(pcall(o.getoption, o, name))
				if suits(name, true) then log(pcall(o.setoption, o, name, true)) end
			end, apart[full])
		end
		case(maker .. ' wrong names', function(m, log)
			local o = m[maker]()
			log(pcall(o.setoption, o))
			log(pcall(o.setoption, o, {}))
			log(pcall(o.setoption, o, 1, 2))
			log(pcall(o.getoption, o))
			log(pcall(o.getoption, o, {}))
			log(pcall(function() return o:getoption'nothing' end))
			log(pcall(function() return o:setoption('nothing', 1) end))
			log(pcall(function() return o:setoption('reuseaddr', 1) end))
		end)
	end
	each(tcp, 'tcp4')
	each(tcp, 'tcp6')
	each(tcp, 'tcp')
	each(udp, 'udp4')
	each(udp, 'udp6')
	each(udp, 'udp')

	it('hops of multicast are not those of unicast', function()
		local o = ours.udp6()
		local unicast = o:getoption'ipv6-unicast-hops'
		assert.equal(1, o:setoption('ipv6-multicast-hops', 7))
		assert.equal(7, o:getoption'ipv6-multicast-hops')
		assert.equal(unicast, o:getoption'ipv6-unicast-hops')
		o:close()
	end)

	spec.with('the option multicast_if', it)('the interface of multicast can be read back', function()
		local o, other = ours.udp4(), ours.udp4()
		assert.equal('0.0.0.0', o:getoption'ip-multicast-if')
		assert.equal(1, o:setoption('ip-multicast-if', '127.0.0.1'))
		assert.equal('127.0.0.1', o:getoption'ip-multicast-if')
		assert.equal('0.0.0.0', other:getoption'ip-multicast-if')
		o:close()
		other:close()
	end)

	it('groups are of the family of the socket', function()
		local o = ours.udp6()
		assert.same({nil, 'setsockopt failed'},
			{o:setoption('ip-add-membership', {multiaddr = '239.1.2.3', interface = '*'})})
		o:close()
	end)

	-- Those that the system has not are none at all, as in a LuaSocket that was built there.
	it('that only other systems have are none', function()
		local t, u = ours.tcp4(), ours.udp4()
		for name, ours_name in pairs{['tcp-defer-accept'] = 'tcp_defer_accept', ['tcp-fastopen'] = 'tcp_fastopen',
				bindtodevice = 'bindtodevice'} do
			if C.socket2_option_kind(ours_name) < 0 then
				spec.raises("unsupported option `" .. name:gsub('%-', '%%-') .. "'", t.setoption, t, name, 1)
				spec.raises("unsupported option `" .. name:gsub('%-', '%%-') .. "'", t.getoption, t, name)
			end
		end
		-- That one is reuseaddr there.
		assert.equal(1, u:setoption('reuseport', true))
		assert.is_true(u:getoption'reuseport')
		t:close()
		u:close()
	end)
end)
