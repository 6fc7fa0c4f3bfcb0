-- The HTTP client of LuaSocket: request(), the connection behind it, and the chunked encoding as a source
-- and a sink. What a server says is limited: see the numbers below.
--
-- It differs from the original to be safe: an answer that is malformed or beyond the limits is an error; a
-- method, uri or header that would begin another one is refused; a redirect to another host, port or scheme
-- does not take along the user's credentials; a body is not ended as if it were complete when its source
-- failed or gave an empty chunk; a proxy is asked for a tunnel to an https server. Like the original it
-- follows neither 300, 305 nor 308.

local socket = require'socket'
local url = require'socket.url'
local ltn12 = require'ltn12'
local mime = require'mime'
local canonic = require'socket.headers'.canonic
local read_line = require'socket2.luasocket.line'
local limit = require'socket2.luasocket.limit'
local head = require'socket2.luasocket.head'
local states = require'socket2.luasocket.object'.states

local type, tonumber, tostring, pairs, setmetatable = type, tonumber, tostring, pairs, setmetatable
local concat, min = table.concat, math.min
local read_headers, request_line = head.read_headers, head.request_line
local try = socket.try

local http = {
	TIMEOUT = 60,
	USERAGENT = socket._VERSION,
	-- PROXY: the url of a proxy, for requests that do not name one.
	-- MAXBODY: the most bytes that a body may have. Without it request(url), which returns a string, takes
	-- limit.STRING bytes, and a sink gets all that comes.
}
socket.http = http

local MAX_INTERIM = 32 -- 1xx answers before the one that counts
local PIECE = 65536 -- a longer chunk comes in pieces
local DIGITS = 13 -- the hexadecimal digits of a number that is still exact

local function header_lines(headers)
	return head.header_lines(headers, canonic)
end

local function chunk_size(line)
	local digits = line:gsub(';.*', ''):match'^%s*(%x+)%s*$'
	digits = digits and digits:gsub('^0+(%x)', '%1')
	return digits and #digits <= DIGITS and tonumber(digits, 16)
end

local function callable(c, call)
	return setmetatable({
		getfd = function() return c:getfd() end,
		dirty = function() return c:dirty() end,
	}, {__call = call})
end

-- The source that takes a body out of its chunks. The headers that follow the last chunk go to `headers`.
socket.sourcet['http-chunked'] = function(c, headers)
	local left, over = 0, false -- left: bytes of a chunk that are still to come
	return callable(c, function()
		if over then
			return nil
		elseif left == 0 then
			local line, err = read_line(c, 'chunk size line')
			if not line then
				return nil, err
			end
			left = chunk_size(line)
			if not left then
				left = 0
				return nil, 'invalid chunk size'
			elseif left == 0 then
				over = true
				local ok
				ok, err = read_headers(c, headers or {})
				return nil, not ok and err or nil
			end
		end
		local piece, err = c:receive(min(left, PIECE))
		if not piece then
			return nil, err
		end
		left = left - #piece
		if left == 0 then
			local rest
			rest, err = read_line(c, 'chunk')
			if rest ~= '' then
				return nil, rest and 'invalid chunk' or err
			end
		end
		return piece
	end)
end

-- The sink that sends what it gets as chunks.
socket.sinkt['http-chunked'] = function(c)
	return callable(c, function(_, chunk, err)
		if chunk == '' then
			return 1 -- on the wire an empty chunk would be the end
		elseif chunk then
			return c:send(('%X\r\n%s\r\n'):format(#chunk, chunk))
		elseif err then
			return nil, err
		end
		return c:send'0\r\n\r\n'
	end)
end

-- The length of a body by its content-length, which may have come more than once: number or nil | nil, err.
local function content_length(headers)
	local text = headers['content-length']
	if not text then
		return nil
	end
	local length
	for part in (text .. ','):gmatch'([^,]*),' do
		local digits = part:match'^%s*(%d+)%s*$'
		local n = digits and tonumber(digits)
		if not n or n >= 2^53 or length and n ~= length then
			return nil, 'invalid content-length'
		end
		length = n
	end
	return length
end

-- A connection: open() -> object with the socket `c` and with `try`, which closes the connection on an error.
-- The methods raise what socket.protect() catches.

local methods = {}
local class = {__index = methods}

function http.open(host, port, create)
	local c = try((create or socket.tcp)())
	local h = setmetatable({c = c}, class)
	h.try = socket.newtry(function() h:close() end)
	h.try(c:settimeout(http.TIMEOUT))
	h.try(c:connect(host, port))
	return h
end

function methods:sendrequestline(method, uri)
	return self.try(self.c:send(self.try(request_line(method, uri))))
end

function methods:sendheaders(headers)
	self.try(self.c:send(self.try(header_lines(headers))))
	return 1
end

function methods:sendbody(headers, source, step)
	local mode = headers['content-length'] and 'keep-open' or 'http-chunked'
	return self.try(ltn12.pump.all(source or ltn12.source.empty(), socket.sink(mode, self.c),
		step or ltn12.pump.step))
end

-- receivestatusline() -> code, line | nil, the first five bytes, if the server has no status line (HTTP/0.9)
function methods:receivestatusline()
	local status = self.try(self.c:receive(5))
	if status ~= 'HTTP/' then
		return nil, status
	end
	status = status .. self.try(read_line(self.c, 'status line'))
	return self.try(tonumber(status:match'^HTTP/%d*%.%d* (%d%d%d)'), status), status
end

function methods:receiveheaders()
	return self.try(read_headers(self.c, {}))
end

local function pump(self, source, sink, step, most)
	return self.try(ltn12.pump.all(source, limit.sink(sink or ltn12.sink.null(), most), step or ltn12.pump.step))
end

local function receive_body(self, headers, sink, step, most)
	local encoding = headers['transfer-encoding']
	if encoding and encoding:lower() ~= 'identity' then
		return pump(self, socket.source('http-chunked', self.c), sink, step, most)
	end
	local length, err = content_length(headers)
	if err then
		self.try(nil, err)
	elseif length and most and length > most then
		self.try(nil, 'body too long')
	end
	return pump(self, socket.source(length and 'by-length' or 'default', self.c, length), sink, step, most)
end

local function receive_09_body(self, status, sink, step, most)
	local source = ltn12.source.rewind(socket.source('until-closed', self.c))
	source(status)
	return pump(self, source, sink, step, most)
end

function methods:receivebody(headers, sink, step)
	return receive_body(self, headers, sink, step, http.MAXBODY)
end

function methods:receive09body(status, sink, step)
	return receive_09_body(self, status, sink, step, http.MAXBODY)
end

function methods:close()
	return self.c:close()
end

-- Requests.

local schemes = {
	http = {port = 80, create = function() return socket.tcp end},
	https = {port = 443, create = function(reqt) return require'ssl.https'.tcp(reqt) end},
}
http.schemes = schemes

local function given(v)
	return v and v ~= '' and v or nil
end

local function basic(user, password)
	return 'Basic ' .. (mime.b64(user .. ':' .. password))
end

-- The host as a url has it: an IPv6 address is in brackets.
local function host_in_url(host)
	return host:find(':', 1, true) and not host:find'^%[' and '[' .. host .. ']' or host
end

local function all_headers(r, proxy)
	local host, port = host_in_url(r.host), tostring(r.port)
	local headers = {
		['user-agent'] = http.USERAGENT,
		host = port == tostring(schemes[r.scheme].port) and host or host .. ':' .. port,
		connection = 'close, TE',
		te = 'trailers',
	}
	if r.user and r.password then
		headers.authorization = basic(r.user, url.unescape(r.password)) -- a field's, too, like the original
	end
	if proxy and proxy.user and proxy.password then
		headers['proxy-authorization'] = basic(url.unescape(proxy.user), url.unescape(proxy.password))
	end
	for name, value in pairs(r.headers or {}) do
		headers[tostring(name):lower()] = value
	end
	if r.source and not headers['content-length'] and not headers['transfer-encoding'] then
		headers['transfer-encoding'] = 'chunked'
	end
	return headers
end

-- The request's target; a proxy gets the whole url. A fragment is private to the program, and the user is in
-- a header.
local function request_uri(r, proxy)
	local uri = url.build{path = proxy and r.path or try(r.path, "invalid path 'nil'"), params = r.params,
		query = r.query}
	return proxy and url.build{scheme = r.scheme, host = r.host, port = r.port, path = uri} or uri
end

-- Everything that a request is made of: its fields override those of its url. Raises on an error.
local function complete(reqt)
	local r = reqt.url and try(url.parse(reqt.url, {path = '/', scheme = 'http'})) or {scheme = 'http'}
	r.user = r.user and url.unescape(r.user)
	for k, v in pairs(reqt) do
		r[k] = v
	end
	r.scheme = tostring(r.scheme):lower()
	local scheme = try(schemes[r.scheme], ("unknown scheme '%s'"):format(r.scheme))
	r.create = r.create or scheme.create(r)
	r.port = given(r.port) or scheme.port
	r.method = given(r.method) or 'GET'
	try(given(r.host), ("invalid host '%s'"):format(tostring(r.host)))
	local address = r.proxy or http.PROXY
	local proxy = address and try(url.parse(address))
	if proxy then
		try(given(proxy.host), ("invalid proxy '%s'"):format(address))
		proxy.port = given(proxy.port) or 3128
	end
	r.uri = reqt.uri or request_uri(r, r.scheme ~= 'https' and proxy)
	r.headers = all_headers(r, proxy)
	return r, proxy
end

local REDIRECTS = {[301] = true, [302] = true, [303] = true, [307] = true}

-- The location that an answer redirects to, when the request follows it by itself.
local function redirection(reqt, r, code, headers, redirects)
	local location = (headers.location or ''):match'^%s*(.-)%s*$':gsub(' ', '%%20')
	if location == '' or not REDIRECTS[code] or reqt.redirect == false or r.source
		or r.method ~= 'GET' and r.method ~= 'HEAD'
		or reqt.maxredirects ~= false and redirects >= (reqt.maxredirects or 5) then
		return nil
	end
	local parsed = url.parse(location)
	local scheme = parsed and (parsed.scheme or r.scheme):lower()
	if not schemes[scheme] or r.scheme == 'https' and scheme ~= 'https' then
		return nil
	end
	return location
end

-- Headers that only the server that was asked may see; the name of the host is wrong for any other.
local PRIVATE = {authorization = true, cookie = true, host = true}

local function without_private(headers, proxy)
	local kept = {}
	for name, value in pairs(headers) do
		local lower = tostring(name):lower()
		if not PRIVATE[lower] and (proxy or lower ~= 'proxy-authorization') then
			kept[name] = value
		end
	end
	return kept
end

-- The request that follows a redirect. Its method is GET.
local function redirected(reqt, r, proxy, location)
	local who = reqt.url and url.parse(reqt.url) or {}
	local to = url.absolute(url.build{scheme = r.scheme, user = who.user, password = who.password, host = r.host,
		port = r.port, path = r.path, params = r.params, query = r.query}, location)
	local parsed = try(url.parse(to))
	local scheme = (parsed.scheme or r.scheme):lower()
	local port = given(parsed.port) or schemes[scheme].port
	local headers = reqt.headers
	if headers and (scheme ~= r.scheme or tonumber(port) ~= tonumber(r.port)
			or tostring(parsed.host):lower() ~= r.host:lower()) then
		headers = without_private(headers, proxy)
	end
	return {
		url = to, sink = reqt.sink, headers = headers, proxy = reqt.proxy, maxredirects = reqt.maxredirects,
		create = scheme == r.scheme and reqt.create or nil,
	}
end

-- The status of the answer that counts: code, line | nil, the first bytes of HTTP/0.9
local function receive_status(h)
	local code, status = h:receivestatusline()
	local interim = 0
	while code and code >= 100 and code < 200 and code ~= 101 do
		interim = interim + 1
		if interim > MAX_INTERIM then
			h.try(nil, 'too many interim responses')
		end
		h:receiveheaders()
		code, status = h:receivestatusline()
		h.try(code, status)
	end
	return code, status
end

-- A connect() for a socket that reaches its host through a proxy: what is sent afterwards is between program
-- and host.
local function connect_through(proxy, headers)
	return function(c, host, port)
		local h = setmetatable({c = c, try = socket.newtry(function() c:close() end)}, class)
		h.try(c:connect(proxy.host, proxy.port))
		headers.host = host_in_url(host) .. ':' .. port
		h.try(c:send(h.try(request_line('CONNECT', headers.host)) .. h.try(header_lines(headers))))
		local code, status = receive_status(h)
		h.try(code and code >= 200 and code < 300, 'refused by the proxy: ' .. status)
		h:receiveheaders()
		h.try(not c:dirty(), 'malformed response of the proxy')
		return 1
	end
end

-- A create() that makes an object which connects through a proxy: the object itself, or, like LuaSec's, the
-- socket in it.
local function tunnel(r, proxy)
	local headers = {['user-agent'] = http.USERAGENT, ['proxy-authorization'] = r.headers['proxy-authorization']}
	r.headers['proxy-authorization'] = nil
	return function()
		local c, err = r.create()
		local state = states[type(c) == 'table' and c.sock or c]
		if not c then
			return nil, err
		elseif not state or state.class ~= 'tcp{master}' then
			return nil, 'cannot connect through a proxy'
		end
		state.through = connect_through(proxy, headers)
		return c
	end
end

-- Makes one request: 1, code, headers, status, [the request that is to follow, its location].
local function exchange(reqt, redirects, most)
	local r, proxy = complete(reqt)
	local to, create = r, r.create
	if proxy and r.scheme == 'https' then
		create = tunnel(r, proxy)
	elseif proxy then
		to = proxy
	end
	local lines = try(request_line(r.method, r.uri)) .. try(header_lines(r.headers))
	local h = http.open(to.host, to.port, create)
	h.try(h.c:send(lines))
	if r.source then
		h:sendbody(r.headers, r.source, r.step)
	end
	local code, status = receive_status(h)
	if not code then
		receive_09_body(h, status, r.sink, r.step, most)
		h:close()
		return 1, 200
	elseif code == 408 then
		h:close()
		return 1, code
	end
	local headers = h:receiveheaders()
	local location = redirection(reqt, r, code, headers, redirects)
	if location then
		h:close()
		return 1, code, headers, status, redirected(reqt, r, proxy, location), location
	end
	if r.method ~= 'HEAD' and code ~= 204 and code ~= 304 and code >= 200 then
		receive_body(h, headers, r.sink, r.step, most)
	end
	h:close()
	return 1, code, headers, status
end

local function perform(reqt, most)
	local redirects, location = 0, nil
	while true do
		local ok, code, headers, status, following, to = exchange(reqt, redirects, most)
		if not following then
			if location then
				headers = headers or {}
				headers.location = headers.location or location
			elseif not headers then
				return ok, code
			end
			return ok, code, headers, status
		end
		reqt, location, redirects = following, to, redirects + 1
	end
end

-- genericform(url, [body]) -> the table for request() that request(url, [body]) stands for. Its target is an
-- array that gets the pieces of the body.
function http.genericform(u, body)
	local sink, target = ltn12.sink.table()
	local reqt = {url = u, sink = sink, target = target}
	if body then
		body = tostring(body)
		reqt.source = ltn12.source.string(body)
		reqt.headers = {['content-length'] = #body, ['content-type'] = 'application/x-www-form-urlencoded'}
		reqt.method = 'POST'
	end
	return reqt
end

-- request(url, [body]) -> body, code, headers, status | nil, err
-- request(reqt) -> 1, code, headers, status | nil, err
http.request = socket.protect(function(reqt, body)
	if type(reqt) ~= 'string' then
		return perform(reqt, http.MAXBODY)
	end
	local form = http.genericform(reqt, body)
	local _, code, headers, status = perform(form, http.MAXBODY or limit.STRING)
	return concat(form.target), code, headers, status
end)

return http
