-- The classic API's lookups. In a thread only that thread waits.

local ffi = require'ffi'
local lib = require'socket2.lib'
local addr = require'socket2.net.addr'
local object = require'socket2.luasocket.object'

local C = lib.C
local fail, string_of = object.fail, object.string

local TEXT_SIZE = 256
local text = ffi.new('char[?]', TEXT_SIZE)

local dns = {}

local function look_up(host, family, flags)
	return object.wait(addr.lookup, host, 0, 'tcp', family, nil, flags)
end

-- getaddrinfo(name) -> {{family = 'inet' | 'inet6', addr = ip} ...} | nil, err
function dns.getaddrinfo(name)
	local ai, err = look_up(string_of(1, name), 'unspec')
	if not ai then
		return fail(err)
	end
	local list = {}
	for a in ai:addrs() do
		list[#list + 1] = {family = a:family(), addr = a:ip()}
	end
	return list
end

local function resolved(ai, name)
	local t = {name = ai:name() or name, alias = {}, ip = {}}
	for a in ai:addrs() do
		t.ip[#t.ip + 1] = a:ip()
	end
	return t
end

local function reverse(ip)
	local ai, err = look_up(ip, 'unspec')
	if not ai then
		return nil, err
	end
	return object.wait(addr.name_of, ai)
end

-- toip(name) -> ip, {name =, alias = {...}, ip = {...}} | nil, err: IPv4 addresses.
function dns.toip(name)
	name = string_of(1, name)
	local ai, err = look_up(name, 'inet', 'canonname')
	if not ai then
		return nil, err == 'unknown_host' and 'host not found' or object.text(err)
	end
	local ip = ai:ip()
	if ip == name then -- its table has the name
		name = reverse(ip) or ip
		return ip, {name = name, alias = {}, ip = {ip}}
	end
	return ip, resolved(ai, name)
end

-- tohostname(ip) -> name, resolved | nil, err
function dns.tohostname(ip)
	ip = string_of(1, ip)
	local name, err = reverse(ip)
	if not name then
		return nil, err == 'unknown_host' and 'host not found' or object.text(err)
	end
	return name, {name = name, alias = {}, ip = {ip}}
end

-- gethostname() -> string
function dns.gethostname()
	local n = C.socket2_hostname(text, TEXT_SIZE)
	return ffi.string(text, n)
end

-- getnameinfo([host], [service]) -> {name ...}, [service] | nil, err: returns the service as given.
function dns.getnameinfo(host, service)
	if host == nil and service == nil then
		error('host and serv cannot be both nil', 2)
	end
	local names = {}
	service = string_of(2, service, '')
	if host then
		local ai, err = look_up(string_of(1, host), 'unspec')
		if not ai then
			return fail(err)
		end
		for a in ai:addrs() do
			names[#names + 1] = object.wait(addr.name_of, a) or a:ip()
		end
	end
	if service == '' then
		return names
	end
	return names, service
end

return dns
