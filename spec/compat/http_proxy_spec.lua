-- socket.http over a proxy.

local web = require'servers.web'

local ours, ok, redirect, table_request, says, alone, anywhere, elsewhere, credentials, with_https =
	web.ours, web.ok, web.redirect, web.table_request, web.says, web.alone, web.anywhere, web.elsewhere,
	web.credentials, web.with_https

local PORT

setup(function()
	PORT = web.start().port
end)

teardown(web.stop)

describe('socket.http', function()
	describe('over a proxy', function()
		for what, proxy in pairs{['with a port'] = 'http://prox:8/zz', ['without one'] = 'http://prox',
				['that asks who is there'] = 'http://pu:pp@prox:8'} do
			says(what, function(m) return elsewhere(m, {url = 'http://b/x;p?q', proxy = proxy}) end, ok'x')
		end
		says('sends where to', function(m)
			return elsewhere(m, {url = 'http://b:1/x', proxy = 'http://prox'})
		end, ok'x')
		says('sends a uri of its own', function(m)
			return elsewhere(m, {url = 'http://b/x', uri = 'foo', proxy = 'http://prox'})
		end, ok'x')
		says('follows redirects', function(m)
			local asked = {}
			local scheme, create = m.http.schemes.http, anywhere(m, asked)
			local before = scheme.create
			scheme.create = function() return create end
			local r = table_request(m, {url = 'http://b/x', proxy = 'http://prox:1'})
			scheme.create = before
			return r, asked
		end, redirect'/y', ok'x')
		says('of all requests', function(m)
			m.http.PROXY = 'http://all:99'
			local r = elsewhere(m, {url = 'http://b/x'})
			m.http.PROXY = nil
			return r
		end, ok'x')
	end)
end)

-- What is not as the original, and why.
describe('socket.http, unlike the original', function()
	describe('over a proxy to https', function()
		local function https(reqt)
			return function(m)
				reqt.url, reqt.proxy = reqt.url or 'https://u:p@h.x/y#f', 'http://p%40:q@127.0.0.1:' .. PORT
				return table_request(m, reqt)
			end
		end
		local ESTABLISHED = 'HTTP/1.1 200 Established\r\nContent-Length: 5\r\n\r\n'

		it('asks for a tunnel, and sends its request through that', function()
			local places = {}
			local function create()
				local c = {sock = assert(ours.socket.tcp())}
				function c:connect(host, port)
					places[#places + 1] = host .. ' ' .. port
					return self.sock:connect(host, port)
				end
				return setmetatable(c, {__index = function(_, name)
					return function(_, ...) return c.sock[name](c.sock, ...) end
				end})
			end
			for _, how in ipairs{create, function() return ours.socket.tcp() end} do
				with_https(how, function()
					local r, log = alone(https{headers = {Secret = 's'}}, {'[head]', ESTABLISHED, '[head]',
						'HTTP/1.1 200 OK\r\n\r\nhello'})
					assert.same({'hello', 1, 200}, {r[1].body, r[1][1], r[1][2]})
					local connect, request = log[1]:match'^(.-\r\n\r\n)(.*)$'
					assert.matches('^CONNECT h.x:443 HTTP/1.1\r\n', connect)
					assert.equal('h.x:443', connect:match'\r\nHost: (%S+)')
					assert.equal('p@:q', credentials(connect, 'Proxy%-Authorization'))
					assert.is_nil(credentials(connect, 'Authorization') or connect:match'[Ss]ecret')
					assert.matches('^GET /y HTTP/1.1\r\n', request)
					assert.equal('u:p', credentials(request, 'Authorization'))
					assert.is_nil(credentials(request, 'Proxy%-Authorization'))
				end)
			end
			assert.same({'h.x 443'}, places)
		end)

		it('fails when it gets none, and closes the connection', function()
			with_https(function() return ours.socket.tcp() end, function()
				for err, answered in pairs{
					['refused by the proxy: HTTP/1.1 407 Who?'] = 'HTTP/1.1 407 Who?\r\n\r\n',
					['refused by the proxy: hello'] = 'hello',
					['malformed response of the proxy'] = ESTABLISHED .. 'early',
					['malformed reponse headers'] = 'HTTP/1.1 200 OK\r\nx\r\n\r\n',
					['closed'] = '',
				} do
					local r, log = alone(https{}, {'[head]', answered})
					assert.same({nil, err}, {r[1][1], r[1][2]})
					assert.is_nil(log[1]:find('GET', 1, true))
				end
				local r, log = alone(https{url = 'https://a b/x'}, {'[eof]'})
				assert.same({nil, 'invalid uri', '', n = 2}, {r[1][1], r[1][2], log[1], n = 2})
			end)
		end)

		it('sends nothing over a connection that it cannot begin', function()
			local r, log = alone(function(m)
				return elsewhere(m, {url = 'https://b/x', proxy = 'http://prox'})
			end)
			assert.same({nil, 'cannot connect through a proxy', {}}, {r[1][1], r[1][2], log})
		end)
	end)
end)
