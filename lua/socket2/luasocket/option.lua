-- The classic API's socket options, by means of the library's own.

local lib = require'socket2.lib'
local addr = require'socket2.net.addr'
local object = require'socket2.luasocket.object'

local bad_argument, number = object.bad_argument, object.number
local C = lib.C
local type = type

local option = {}

local function boolean(v)
	if type(v) ~= 'boolean' then
		bad_argument(3, ('boolean expected, got %s'):format(v == nil and 'no value' or type(v)))
	end
	return v
end

local function whole(v)
	return number(3, v)
end

local function text(v)
	return object.string(3, v)
end

local function ip(v)
	local ai = addr.lookup(text(v), 0, 'udp', 'inet', nil, 'numerichost')
	return ai and ai:ip() or bad_argument(3, 'ip expected')
end

local function linger(v)
	if type(v) ~= 'table' then
		bad_argument(3, ('table expected, got %s'):format(v == nil and 'no value' or type(v)))
	elseif type(v.on) ~= 'boolean' then
		bad_argument(3, "boolean 'on' field expected")
	elseif type(v.timeout) ~= 'number' then
		bad_argument(3, "number 'timeout' field expected")
	end
	return v.on and v.timeout
end

local function literal(v, family)
	return type(v) == 'string' and addr.lookup(v, 0, 'udp', family, nil, 'numerichost')
end

local function group_of(family)
	return function(v)
		if type(v) ~= 'table' then
			bad_argument(3, ('table expected, got %s'):format(v == nil and 'no value' or type(v)))
		elseif type(v.multiaddr) ~= 'string' then
			bad_argument(3, "string 'multiaddr' field expected")
		elseif not literal(v.multiaddr, family) then
			bad_argument(3, "invalid 'multiaddr' ip address")
		end
		local interface = v.interface
		return {group = v.multiaddr, interface = interface ~= '*' and interface or nil}
	end
end
local group4, group6 = group_of'inet', group_of'inet6'

-- name -> {the library's own name, how its value is read}
local tcp = {
	bindtodevice = {'bindtodevice', text},
	keepalive = {'keepalive', boolean}, reuseaddr = {'reuseaddr', boolean},
	reuseport = {'reuseport', boolean}, ['tcp-nodelay'] = {'tcp_nodelay', boolean},
	['tcp-keepidle'] = {'tcp_keepidle', whole}, ['tcp-keepcnt'] = {'tcp_keepcnt', whole},
	['tcp-keepintvl'] = {'tcp_keepintvl', whole}, ['ipv6-v6only'] = {'v6only', boolean},
	linger = {'linger', linger}, ['recv-buffer-size'] = {'rcvbuf', whole},
	['send-buffer-size'] = {'sndbuf', whole}, ['tcp-defer-accept'] = {'tcp_defer_accept', whole},
	['tcp-fastopen'] = {'tcp_fastopen', whole},
	['tcp-fastopen-connect'] = {'tcp_fastopen_connect', whole},
}
local udp = {
	dontroute = {'dontroute', boolean}, broadcast = {'broadcast', boolean},
	reuseaddr = {'reuseaddr', boolean}, reuseport = {'reuseport', boolean},
	bindtodevice = {'bindtodevice', text},
	['ip-multicast-if'] = {'multicast_if', ip}, ['ip-multicast-ttl'] = {'multicast_ttl', whole},
	['ip-multicast-loop'] = {'multicast_loop', boolean},
	['ip-add-membership'] = {'add_membership', group4},
	['ip-drop-membership'] = {'drop_membership', group4},
	['ipv6-unicast-hops'] = {'ttl', whole}, ['ipv6-multicast-hops'] = {'multicast_ttl', whole},
	['ipv6-multicast-loop'] = {'multicast_loop', boolean},
	['ipv6-add-membership'] = {'add_membership', group6},
	['ipv6-drop-membership'] = {'drop_membership', group6},
	['ipv6-v6only'] = {'v6only', boolean},
	['recv-buffer-size'] = {'rcvbuf', whole}, ['send-buffer-size'] = {'sndbuf', whole},
}
local stream = {keepalive = tcp.keepalive, reuseaddr = tcp.reuseaddr, linger = tcp.linger}
local dgram = {reuseaddr = udp.reuseaddr}
local known = {tcp = tcp, udp = udp, unixstream = stream, unixdgram = dgram}

-- Options that cannot be read. Reading one fails like reading an unknown name.
local write_only = {
	['ipv6-v6only'] = {tcp = true}, ['tcp-defer-accept'] = {tcp = true}, ['tcp-fastopen'] = {tcp = true},
	['tcp-fastopen-connect'] = {tcp = true}, ['ip-multicast-ttl'] = {udp = true},
	['ip-add-membership'] = {udp = true}, ['ip-drop-membership'] = {udp = true},
	['ipv6-add-membership'] = {udp = true}, ['ipv6-drop-membership'] = {udp = true},
}

-- C has no options for memberships.
local function is_here(ours)
	return ours:sub(-10) == 'membership' or C.socket2_option_kind(ours) >= 0
end

if not is_here'reuseport' then -- LuaSocket does the same
	tcp.reuseport, udp.reuseport = tcp.reuseaddr, udp.reuseaddr
end

local function find(self, name, reading)
	local t = known[self.kind][name]
	if not t or not is_here(t[1]) or reading and write_only[name] and write_only[name][self.kind] then
		bad_argument(2, ("unsupported option `%s'"):format(name))
	end
	return t
end

-- The library's options are of the socket's own family, while LuaSocket's ipv6- names are of one family.
local function applies(self, name)
	return self.s and (name:sub(1, 5) ~= 'ipv6-' or self.s:family() == 'inet6')
end

-- set(object, name, value) -> 1 | nil, err
local function set(self, name, value)
	local t = find(self, name)
	value = t[2](value)
	if t[1] == 'tcp_fastopen_connect' and (value == 0 or value == 1) then
		value = value == 1
	elseif t[1] == 'tcp_fastopen_connect' then
		return nil, 'setsockopt failed'
	end
	if not (applies(self, name) and self.s:setopt(t[1], value)) then
		return nil, 'setsockopt failed'
	elseif t[2] == ip then
		self.multicast_if = value -- the system tells only its number
	end
	return 1
end

-- get(object, name) -> value | nil, err
local function get(self, name)
	if name == 'error' and self.kind:sub(1, 4) ~= 'unix' then
		local err
		if self.s then
			err = self.s:getopt'error'
		end
		if err == nil then
			return nil, 'getsockopt failed'
		end
		return err and object.text(err) or nil
	end
	local t = find(self, name, true)
	local value
	if applies(self, name) then
		value = self.s:getopt(t[1])
	end
	if value == nil then
		return nil, 'getsockopt failed'
	elseif t[2] == ip then
		return self.multicast_if or '0.0.0.0'
	elseif t[2] == linger then
		return {on = value ~= false, timeout = value or 0}
	end
	return value
end

-- add_methods(methods, kind): setoption() and getoption()
function option.add_methods(methods, kind)
	function methods:setoption(name, value)
		self = object.check(self, kind)
		return set(self, object.string(2, name), value)
	end

	function methods:getoption(name)
		self = object.check(self, kind)
		return get(self, object.string(2, name))
	end
end

return option
