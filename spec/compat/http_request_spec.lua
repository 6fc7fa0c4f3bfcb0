-- What socket.http sends, the original as the oracle.

local web = require'servers.web'

local ok, redirect, table_request, get, compares, says, alone, elsewhere, credentials =
	web.ok, web.redirect, web.table_request, web.get, web.compares, web.says, web.alone, web.elsewhere,
	web.credentials

local U, PORT

setup(function()
	local server = web.start()
	U, PORT = server.url, server.port
end)

teardown(web.stop)

describe('socket.http', function()
	compares('has the fields of the original', function(m)
		local t = {}
		for k, v in pairs(m.http) do t[k] = type(v) end
		for name, scheme in pairs(m.http.schemes) do t[name] = {scheme.port, type(scheme.create)} end
		return t, m.http.schemes.http.create{} == m.socket.tcp, m.http.TIMEOUT, m.http.PROXY
	end)

	compares('makes the table for a form', function(m)
		local t, u = m.http.genericform('http://h/', 'body'), m.http.genericform'http://h/'
		return t.url, t.method, t.headers, t.source(), t.source(), t.sink'x', t.target, u.source, u.method,
			u.headers, type(u.sink), u.target
	end)

	describe('sends', function()
		says('a request for a url', function(m) return m.http.request(U .. '/a/b;p?q=1') end, ok'hello')
		says('a form', function(m) return m.http.request(U, 'x=1') end,
			{'[head]', '[body 3]', 'HTTP/1.1 200 OK\r\n\r\nbody'})
		says('a request of parts', function(m)
			return table_request(m, {host = '127.0.0.1', port = PORT, scheme = 'http', path = '/p', query = 'q',
				params = 'a'})
		end, ok'x')
		says('parts over those of the url', function(m)
			return table_request(m, {url = 'http://nowhere:1/x?q', host = '127.0.0.1', port = PORT, path = '/y'})
		end, ok'x')
		says('a uri of its own', function(m)
			return table_request(m, {url = U .. '/x', uri = '*', method = 'options'})
		end, ok'x')
		says('headers, over its own', function(m)
			return table_request(m, {url = U .. '/x', headers = {Foo = 'x', ['USER-AGENT'] = 'me', te = '',
				['content-type'] = 5, Host = 'h', [1] = 'one'}})
		end, ok'x')
		says('who the user is, by the url', function(m)
			return m.http.request('http://user:pa%3ass@127.0.0.1:' .. PORT .. '/')
		end, ok'x')
		says('not without a password', function(m)
			return m.http.request('http://user@127.0.0.1:' .. PORT .. '/')
		end, ok'x')
		says('who the user is, by fields', function(m)
			return table_request(m, {url = U, user = 'a%20b', password = 'c'})
		end, ok'x')
		says('a source in chunks', function(m)
			return table_request(m, {url = U, method = 'PUT', source = m.ltn12.source.string(('x'):rep(5000))})
		end, {'[until 0\r\n\r\n]', 'HTTP/1.1 204 No\r\n\r\n'})
		says('a source as it is, with a length', function(m)
			return table_request(m, {url = U, method = 'PUT', headers = {['Content-Length'] = 5},
				source = m.ltn12.source.string'hello'})
		end, {'[until hello]', 'HTTP/1.1 204 No\r\n\r\n'})
		says('a source under another encoding', function(m)
			return table_request(m, {url = U, method = 'PUT', headers = {['transfer-encoding'] = 'x, chunked'},
				source = m.ltn12.source.string'hello'})
		end, {'[until 0\r\n\r\n]', 'HTTP/1.1 204 No\r\n\r\n'})
		says('by the step that it is given', function(m)
			local n = 0
			local r = table_request(m, {url = U, method = 'PUT', source = m.ltn12.source.string'hello',
				step = function(...) n = n + 1 return m.ltn12.pump.step(...) end})
			return r, n
		end, {'[until 0\r\n\r\n]', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc'})
		says('no fields that are empty', function(m)
			return table_request(m, {url = U, method = ''})
		end, ok'x')
		says('what was asked for, leaving the table as it is', function(m)
			local t = {url = U, headers = {X = 'y'}}
			m.http.request(t)
			return t
		end, ok'x')
		says('nothing when the connection cannot be made', function(m)
			return table_request(m, {url = U, create = function() return nil, 'nope' end})
		end)
		for what, port in pairs{['a port that is the default'] = ':80', ['another port'] = ':81',
				['no port'] = '', ['an empty port'] = ':', ['the port in other digits'] = ':080'} do
			says('a host with ' .. what, function(m)
				return elsewhere(m, {url = 'http://H.x' .. port .. '/y'})
			end, ok'x')
		end
		says('https by another create', function(m)
			return elsewhere(m, {url = 'https://h.x/y'})
		end, ok'x')
	end)

	describe('open', function()
		says('gives an object', function(m)
			local h = m.http.open('127.0.0.1', PORT, m.socket.tcp)
			local names = {}
			for k in pairs(getmetatable(h).__index) do names[k] = true end
			return names, h.c ~= nil, type(h.try), h:sendrequestline('GET', '/'), h:sendheaders{host = 'x', foo = 1},
				{h:receivestatusline()}, h:receiveheaders(), h:receivebody{}, h:close(), h:close()
		end, ok('x', 'a: b'))
		says('sends bodies', function(m)
			local h = m.http.open('127.0.0.1', PORT, m.socket.tcp)
			return h:sendrequestline(nil, '/'), h:sendheaders{['transfer-encoding'] = 'chunked'},
				h:sendbody({}, m.ltn12.source.string'abc'), {h:receivestatusline()}, h:close()
		end, {'[until 0\r\n\r\n]', 'hello'})
		says('sends bodies as they are, and none', function(m)
			local h = m.http.open('127.0.0.1', PORT, m.socket.tcp)
			return h:sendbody({['content-length'] = 3}, m.ltn12.source.string'abc'), h:sendbody{}, h:close()
		end, {'[eof]'})
		says('receives bodies', function(m)
			local h, t = m.http.open('127.0.0.1', PORT, m.socket.tcp), {}
			return h:receivebody({['content-length'] = '2'}, (m.ltn12.sink.table(t))),
				h:receivebody({['transfer-encoding'] = 'chunked'}, (m.ltn12.sink.table(t))),
				h:receive09body('abc', (m.ltn12.sink.table(t))), table.concat(t), h:close()
		end, {'xy2\r\nab\r\n0\r\n\r\nhello'})
		compares('raises what protect() catches', function(m)
			return m.http.open('127.0.0.1', 1, m.socket.tcp)
		end)
		says('gives objects that do so too', function(m)
			local h = m.http.open('127.0.0.1', PORT, m.socket.tcp)
			return {m.socket.protect(function() return h:receiveheaders() end)()}, h:close()
		end, {'x\r\n'})
	end)
end)

-- What is not as the original, and why.
describe('socket.http, unlike the original', function()
	it('sends nothing that begins another request or header', function()
		local requests = {
			['invalid method'] = {{method = 'GET / HTTP/1.1\r\nX: y\r\n\r\nGET'}, {method = 'GET /'},
				{method = 'G\n'}},
			['invalid uri'] = {{uri = '/ HTTP/1.1\r\nX: y'}, {uri = '/\n'}, {path = '/\r\nx'}, {query = '\0'},
				{url = U .. '/a\r\nb'}, {url = U .. '/x HTTP/1.0'}, {uri = '/a b'}, {path = '/a b'}, {query = ' '},
				{url = U .. '/a\tb'}},
			["invalid header 'x'"] = {{headers = {x = 'y\r\nz: a'}}, {headers = {X = 'y\n'}}, {headers = {x = '\0'}}},
			['invalid header name'] = {{headers = {['x\r\ny'] = 'z'}}, {headers = {['x: y\r\n\r\nz'] = 'a'}},
				{headers = {[''] = 'x'}}, {headers = {['a b'] = 'c'}}},
		}
		for err, list in pairs(requests) do
			for _, reqt in ipairs(list) do
				reqt.url = reqt.url or U .. '/'
				local r, log = alone(function(m) return m.http.request(reqt) end)
				assert.same({nil, err, n = 2}, r)
				assert.same({}, log) -- it did not even connect
			end
		end
		local r = alone(function(m) return m.http.request{url = U, host = 'h\r\nx', port = 1} end)
		assert.equal("invalid header 'Host'", r[2])
		r = alone(function(m)
			local h = m.http.open('127.0.0.1', PORT)
			local send = m.socket.protect(function(name, ...) return h[name](h, ...) end)
			return {send('sendheaders', {x = 'y\r\n'})}, {send('sendrequestline', 'GET', '/\n')}
		end, {'[eof]'})
		assert.same({{nil, "invalid header 'x'"}, {nil, 'invalid uri'}, n = 2}, r)
	end)

	it('does not end a body as if it were complete when its source has failed', function()
		local r, log = alone(function(m)
			local sent
			return m.http.request{url = U, method = 'PUT', source = function()
				if sent then return nil, 'boo' end
				sent = true
				return 'half'
			end}
		end, {'[eof]'})
		assert.same({nil, 'boo', n = 2}, r)
		assert.equal('4\r\nhalf\r\n', log[1]:match'\r\n\r\n(.*)$')
	end)

	it('does not end a body by an empty chunk, which filters give', function()
		local _, log = alone(function(m)
			return m.http.request{url = U, method = 'PUT', source = m.ltn12.source.table{'a', '', 'b'}}
		end, {'[until 0\r\n\r\n]', 'HTTP/1.1 204 x\r\n\r\n'})
		assert.equal('1\r\na\r\n1\r\nb\r\n0\r\n\r\n', log[1]:match'\r\n\r\n(.*)$')
	end)

	it('sends no fragment, to a proxy neither', function()
		local _, log = alone(function(m) return get(m), m.http.request(U .. '/x?y#f') end, ok'', ok'')
		assert.matches('^GET /x%?y HTTP', log[2])
		_, log = alone(function(m) return m.http.request{url = U .. '/x', fragment = 'f'} end, ok'')
		assert.matches('^GET /x HTTP', log[1])
		_, log = alone(function(m)
			return elsewhere(m, {url = 'http://u:p@b:1/x;p?q#f', proxy = 'http://prox'})
		end, ok'')
		assert.matches('^GET http://b:1/x;p%?q HTTP', log[1])
		_, log = alone(get, redirect'/y#f', ok'')
		assert.matches('^GET /y HTTP', log[2])
	end)

	it('sends the query of a url without a path', function()
		local _, log = alone(function(m) return m.http.request(U .. '?a=/b@c') end, ok'')
		assert.matches('^GET /%?a=/b@c HTTP', log[1])
	end)

	it('decodes the user that a url names', function()
		local _, log = alone(function(m)
			return m.http.request('http://us%40er:p%3Aw@127.0.0.1:' .. PORT .. '/')
		end, ok'')
		assert.equal('us@er:p:w', credentials(log[1], 'Authorization'))
		_, log = alone(function(m)
			return elsewhere(m, {url = 'http://b/', user = 'a%20b', password = 'c',
				proxy = 'http://p%3Au:p%20p@prox'})
		end, ok'')
		assert.equal('a%20b:c', credentials(log[1], 'Authorization'))
		assert.equal('p:u:p p', credentials(log[1], 'Proxy%-Authorization'))
	end)

	it('takes a scheme in capitals, and http for none', function()
		assert.equal('x', alone(function(m) return m.http.request('HTTP://127.0.0.1:' .. PORT) end, ok'x')[1])
		local r = alone(function(m)
			return m.http.request{host = '127.0.0.1', port = PORT, path = '/'}
		end, ok'x')
		assert.equal(200, r[2])
	end)

	it('puts an IPv6 address into brackets in the header', function()
		for u, host in pairs{['http://[::1]/'] = '[::1]', ['http://[::1]:81/'] = '[::1]:81'} do
			local _, log = alone(function(m) return elsewhere(m, {url = u}) end, ok'x')
			assert.equal(host, log[1]:match'\r\nHost: (%S+)\r\n')
		end
	end)

	it('makes a tcp object where open() was not told how to', function()
		local r = alone(function(m) return m.http.open('127.0.0.1', PORT):close() end, {})
		assert.equal(1, r[1])
	end)
end)
