-- A host and a port as programs give them: turned into what C takes, taken out of 'host:port', and put into
-- sentences.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'

local C, fail, raise = lib.C, sched.fail, lib.raise
local type, tostring, select, floor = type, tostring, select, math.floor

local UNIX, INET6 = C.SOCKET2_UNIX, C.SOCKET2_INET6

local endpoint = {}

-- split(host, port, family) -> host, port, is_inet6: takes apart 'host:port', '[::1]:port' and '[::1]' if
-- there is no separate port. A bare '::1' is an address, because a port would look like a part of it.
local function split(host, port, family)
	if type(host) ~= 'string' or family == UNIX then
		return host, port
	end
	local inside, rest = host:match'^%[([^%[%]]*)%](.*)$'
	if inside and inside:find(':', 1, true) then
		local own_port = rest:match'^:(.*)$'
		if rest == '' or own_port and port == nil then
			return inside, own_port or port, true
		end
	elseif port == nil then
		local name, own_port = host:match'^([^:]*):([^:]*)$'
		if name then
			return name, own_port
		end
	end
	return host, port
end

-- The host for C, or nil and an error code.
local function host_for(host, family)
	if host == nil then
		return '*'
	elseif host == false then
		return nil
	elseif type(host) ~= 'string' then
		raise('bad host (string, false, nil or address expected, got %s)', type(host))
	elseif family ~= UNIX and host:find('\0', 1, true) then -- C would see a shorter name
		return nil, C.SOCKET2_EUNKNOWNHOST
	end
	return host
end

local function service_for(port)
	if port == nil then
		return '0'
	elseif type(port) == 'number' then
		if port >= 0 and port <= 65535 and port == floor(port) then
			return ('%d'):format(port)
		end
		return nil, C.SOCKET2_EPORT
	elseif type(port) ~= 'string' then
		raise('bad port (number or string expected, got %s)', type(port))
	elseif port:find('\0', 1, true) then
		return nil, C.SOCKET2_EUNKNOWNSERVICE
	end
	return port
end

-- for_c(host, port, [family]) -> host, service, family, [error code]. The family of a host in brackets is
-- inet6, unless the caller asks for another.
function endpoint.for_c(host, port, family)
	local is_inet6
	host, port, is_inet6 = split(host, port, family)
	local host_code, service, code
	host, host_code = host_for(host, family)
	service, code = service_for(port)
	return host, service, family or is_inet6 and INET6 or C.SOCKET2_INET, host_code or code
end

-- has_port(host, port, family) -> boolean: is there a port to connect to? A path needs none.
function endpoint.has_port(host, port, family)
	return family == UNIX or select(2, split(host, port)) ~= nil
end

-- text(host, port) -> what the program asked for: 'example.org:80', '[::1]:80'.
local function text(host, port)
	host = host == nil and '*' or host == false and 'loopback' or tostring(host)
	if port == nil then
		return host
	elseif host:find(':', 1, true) and not host:find'^%[.*%]$' then
		host = '[' .. host .. ']'
	end
	return host .. ':' .. tostring(port)
end

-- fail(code, host, [port], [why]) -> nil, err, errcode, detail: detail names the address or what was asked
-- for.
function endpoint.fail(code, host, port, why)
	local _, err, errcode = fail(code)
	return nil, err, errcode, ('%s: %s'):format(text(host, port), why or err:gsub('_', ' '))
end

return endpoint
