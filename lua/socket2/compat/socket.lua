-- LuaSocket's module socket, on socket2.

local socket = require'socket.core'

local type, error, tostring, ipairs, min, setmetatable = type, error, tostring, ipairs, math.min, setmetatable

socket.BLOCKSIZE = 2048
socket.try = socket.newtry()

-- connect4, connect6, connect(host, port, [laddr], [lport], [family]) -> client | nil, err
local makers = {inet = socket.tcp4, inet6 = socket.tcp6, unspec = socket.tcp}

function socket.connect(host, port, laddr, lport, family)
	local s, err = (makers[family or 'unspec'] or socket.tcp)()
	if not s then
		return nil, err
	end
	local ok
	if laddr then
		ok, err = s:bind(laddr, lport or '0')
		if not ok then
			s:close()
			return nil, err
		end
	end
	ok, err = s:connect(host, port)
	if not ok then
		s:close()
		return nil, err
	end
	return s
end

function socket.connect4(host, port, laddr, lport)
	return socket.connect(host, port, laddr, lport, 'inet')
end

function socket.connect6(host, port, laddr, lport)
	return socket.connect(host, port, laddr, lport, 'inet6')
end

-- bind(host, port, [backlog = 32]) -> server | nil, err
function socket.bind(host, port, backlog)
	if host == '*' then
		host = '0.0.0.0'
	end
	local list, err = socket.dns.getaddrinfo(host)
	if not list then
		return nil, err
	end
	err = 'no info on address'
	for _, t in ipairs(list) do
		local s
		s, err = makers[t.family]()
		if s then
			s:setoption('reuseaddr', true)
			local ok
			ok, err = s:bind(t.addr, port)
			if ok then
				ok, err = s:listen(backlog)
			end
			if ok then
				return s
			end
			s:close()
		end
	end
	return nil, err
end

-- choose(t) -> function(name, a, b): calls the maker that t has under that name with the other arguments.
function socket.choose(t)
	return function(name, a, b)
		if type(name) ~= 'string' then
			name, a, b = 'default', name, a
		end
		local f = t[name or 'nil']
		if not f then
			error('unknown key (' .. tostring(name) .. ')', 3)
		end
		return f(a, b)
	end
end

local function of_socket(s, call)
	return setmetatable({
		getfd = function() return s:getfd() end,
		dirty = function() return s:dirty() end,
	}, {__call = call})
end

-- sink(mode, socket) -> sink: 'close-when-done' or 'keep-open', the default.
socket.sinkt = {
	['close-when-done'] = function(s)
		return of_socket(s, function(_, chunk)
			if chunk then
				return s:send(chunk)
			end
			s:close()
			return 1
		end)
	end,
	['keep-open'] = function(s)
		return of_socket(s, function(_, chunk)
			if chunk then
				return s:send(chunk)
			end
			return 1
		end)
	end,
}
socket.sinkt.default = socket.sinkt['keep-open']
socket.sink = socket.choose(socket.sinkt)

-- What came before a timeout is a chunk; when the source is called again, it goes on.
local function take(s, n)
	local chunk, err, part = s:receive(n)
	if not chunk and err ~= 'closed' and part and part ~= '' then
		return part
	end
	return chunk, err, part
end

-- source(mode, socket, [length]) -> source: 'by-length' or 'until-closed', the default.
socket.sourcet = {
	['by-length'] = function(s, length)
		return of_socket(s, function()
			if length <= 0 then
				return nil
			end
			local chunk, err = take(s, min(socket.BLOCKSIZE, length))
			if not chunk then
				return nil, err
			end
			length = length - #chunk
			return chunk
		end)
	end,
	['until-closed'] = function(s)
		local done
		return of_socket(s, function()
			if done then
				return nil
			end
			local chunk, err, part = take(s, socket.BLOCKSIZE)
			if chunk then
				return chunk
			elseif err == 'closed' then
				s:close()
				done = true
				return part
			end
			return nil, err
		end)
	end,
}
socket.sourcet.default = socket.sourcet['until-closed']
socket.source = socket.choose(socket.sourcet)

return socket
