-- What the specs of socket.http share: the original and the drop-in, over scripted connections.

local assert = require'luassert'
local peers = require'servers.peers'

local getfenv = getfenv

local web = {}

local ours, original = peers.modules('socket', 'ltn12', 'mime', 'socket.url', 'socket.headers', 'socket.http')
web.ours = ours

for _, m in ipairs{ours, original} do
	m.http.USERAGENT = 'spec'
	m.http.TIMEOUT = 10
end

local server, U, PORT

-- start() -> the scripted server, with its `port` and its `url`: for setup().
function web.start()
	server = peers.scripted()
	PORT = server.port
	U = 'http://127.0.0.1:' .. PORT
	server.url = U
	return server
end

-- stop(): for teardown().
function web.stop()
	server:stop()
end

-- answer(status, [headers], [body]) -> connection: an answer to a request without a body.
local function answer(status, headers, body)
	local lines = {'HTTP/1.1 ' .. status}
	for i, line in ipairs(headers or {}) do
		lines[i + 1] = line
	end
	return {'[head]', table.concat(lines, '\r\n') .. '\r\n\r\n' .. (body or '')}
end

web.answer = answer

-- ok(body, header...) -> connection
function web.ok(body, ...)
	return answer('200 OK', {...}, body)
end

-- redirect(location, [status]) -> connection
function web.redirect(location, status)
	return answer(status or '302 Found', {'Location: ' .. location}, 'redirected')
end

-- table_request(m, reqt) -> {results of m.http.request(reqt), body =}
local function table_request(m, reqt)
	local t = {}
	reqt.sink = reqt.sink or (m.ltn12.sink.table(t))
	local r = {m.http.request(reqt)}
	r.body = table.concat(t)
	return r
end

web.table_request = table_request

-- get(m) -> results of a request with nothing but a URL
function web.get(m)
	return m.http.request(U .. '/x')
end

-- compares(what, f, [before], [after]): see peers.comparing.
function web.compares(...)
	return peers.comparing(ours, original, getfenv(2).it)(...)
end

-- says(what, f, connection...): compares f(modules) over scripted connections.
function web.says(what, f, ...)
	local connections = {...}
	return peers.comparing(ours, original, getfenv(2).it)(what, f, function()
		for i, c in ipairs(connections) do
			connections[i] = type(c) == 'function' and c() or c
		end
		server:script(unpack(connections))
	end, function()
		return peers.in_order(server:log())
	end)
end

-- alone(f, connection...) -> results, what was sent: a request of the drop-in over scripted connections.
local function alone(f, ...)
	server:script(...)
	local outcome, err = peers.outcome(f, ours)
	if err then
		error(type(err) == 'table' and err[1] or err, 0)
	end
	return outcome, server:log()
end

web.alone = alone

-- refuses(err, f, connection...): the drop-in fails with err on connections like these.
function web.refuses(err, f, ...)
	local r = alone(f, ...)
	assert.is_nil(r[1])
	assert.equal(err, r[2])
end

-- anywhere(m, asked) -> create= for connections that go to the scripted server for any host; the names of the
-- hosts go to `asked`.
local function anywhere(m, asked)
	return function()
		local c = m.socket.tcp()
		return setmetatable({
			connect = function(_, host, port)
				asked[#asked + 1] = host .. ' ' .. port
				return c:connect('127.0.0.1', PORT)
			end,
		}, {__index = function(_, name)
			return function(_, ...) return c[name](c, ...) end
		end})
	end
end

web.anywhere = anywhere

-- elsewhere(m, reqt) -> results like table_request()'s, and `asked`
function web.elsewhere(m, reqt)
	local asked = {}
	reqt.create = anywhere(m, asked)
	local r = table_request(m, reqt)
	r.asked = asked
	return r
end

-- credentials(head, name) -> user:password from that header of a request
function web.credentials(head, name)
	local b64 = head:match('\r\n' .. name .. ': Basic (%S+)\r\n')
	return b64 and (ours.mime.unb64(b64))
end

-- with_https(create, f): calls f() while `create` makes https connections.
function web.with_https(create, f)
	local scheme = ours.http.schemes.https
	local before = scheme.create
	scheme.create = function() return create end
	local done, err = pcall(f)
	scheme.create = before
	assert(done, err)
end

return web
