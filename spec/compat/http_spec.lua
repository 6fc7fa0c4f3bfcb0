-- socket.http, the original as the oracle: over a scripted server, nginx and a proxy.

local process = require'process'
local spec = require'spec'
local peers = require'servers.peers'

local ours, original = peers.modules('socket', 'ltn12', 'mime', 'socket.url', 'socket.headers', 'socket.http')

for _, m in ipairs{ours, original} do
	m.http.USERAGENT = 'spec'
	m.http.TIMEOUT = 10
end

local server, U, PORT
local compares = peers.comparing(ours, original, it)

-- An answer to a request without a body.
local function answer(status, headers, body)
	local lines = {'HTTP/1.1 ' .. status}
	for i, line in ipairs(headers or {}) do
		lines[i + 1] = line
	end
	return {'[head]', table.concat(lines, '\r\n') .. '\r\n\r\n' .. (body or '')}
end

local function ok(body, ...)
	return answer('200 OK', {...}, body)
end

local function redirect(location, status)
	return answer(status or '302 Found', {'Location: ' .. location}, 'redirected')
end

local function table_request(m, reqt)
	local t = {}
	reqt.sink = reqt.sink or (m.ltn12.sink.table(t))
	local r = {m.http.request(reqt)}
	r.body = table.concat(t)
	return r
end

-- says(what, f, connection...): f(modules) over connections that were scripted.
local function says(what, f, ...)
	local connections = {...}
	compares(what, f, function()
		for i, c in ipairs(connections) do
			connections[i] = type(c) == 'function' and c() or c
		end
		server:script(unpack(connections))
	end, function()
		return peers.in_order(server:log())
	end)
end

-- A request of ours over scripted connections: its results; then what was sent.
local function alone(f, ...)
	server:script(...)
	local outcome, err = peers.outcome(f, ours)
	if err then
		error(type(err) == 'table' and err[1] or err, 0)
	end
	return outcome, server:log()
end

local function get(m)
	return m.http.request(U .. '/x')
end

-- Ours fails with err on connections like these.
local function refuses(err, f, ...)
	local r = alone(f, ...)
	assert.is_nil(r[1])
	assert.equal(err, r[2])
end

-- create= for connections that look for hosts at the scripted server, whose names go to `asked`.
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

local function elsewhere(m, reqt)
	local asked = {}
	reqt.create = anywhere(m, asked)
	local r = table_request(m, reqt)
	r.asked = asked
	return r
end

setup(function()
	server = peers.scripted()
	PORT = server.port
	U = 'http://127.0.0.1:' .. PORT
end)

teardown(function()
	server:stop()
end)

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

	describe('receives', function()
		local answers = {
			['headers that come twice, and folded ones'] = answer('200 OK',
				{'X: 1', 'x: 2', ' folded', 'y:  z  ', 'Empty:', ': none', 'a : b', 'c: d', '\te', ' '}, 'x'),
			['a header that begins with white space'] = answer('200 OK', {' x: y', 'a:b'}),
			['ends of lines without CR'] = {'[head]', 'HTTP/1.0 200\nA: b\n\nx'},
			['a body until the end'] = ok'hello\nworld',
			['a body by its length'] = ok('hello world', 'Content-Length: 5'),
			['a body by its length, which ends too soon'] = ok('hello', 'Content-Length: 6'),
			['an empty body'] = ok('', 'Content-Length: 0'),
			['chunks'] = ok('5;x=y\r\nhello\r\n1 \r\n \r\n0a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n',
				'Transfer-Encoding: chunked'),
			['the encoding identity'] = ok('hello', 'Transfer-Encoding: identity'),
			['an encoding that is not chunks'] = ok('hello', 'Transfer-Encoding: gzip'),
			['no body with 204'] = answer('204 No', {'a: b'}, 'body'),
			['no body with 304'] = answer('304 No', {'a: b'}, 'body'),
			['no body with 101'] = answer('101 Switch', {'a: b'}, 'body'),
			['a body with 205'] = answer('205 x', {'a: b'}, 'body'),
			['a body with 404'] = answer('404 x', {'a: b'}, 'body'),
			['what comes after 100'] = {'[head]', 'HTTP/1.1 100 Go\r\na: b\r\n\r\nHTTP/1.1 100 C\r\n\r\n' ..
				'HTTP/1.1 200 OK\r\n\r\nbody'},
			['408, without its headers'] = answer('408 x', {'a: b'}, 'body'),
			['HTTP/0.9'] = {'[head]', 'hello\nworld'},
			['too little for HTTP/0.9'] = {'[head]', 'hel'},
			['nothing'] = {'[head]'},
			['a status that is cut off'] = {'[head]', 'HTTP/1.0 20'},
			['a status without a code'] = {'[head]', 'HTTP/1.0 2\r\n\r\n'},
			['a status without a version'] = {'[head]', 'HTTP/ 200 OK\r\n\r\n'},
			['a status with a strange version'] = {'[head]', 'HTTP/abc\r\n\r\n'},
			['a status with a version of dots'] = {'[head]', 'HTTP/. 2001 OK\r\n\r\nx'},
			['a strange code'] = {'[head]', 'HTTP/1.0 999  hi \r\n\r\nx'},
			['a header without a colon'] = answer('200 OK', {'abc'}),
			['headers that are cut off'] = {'[head]', 'HTTP/1.0 200 OK\r\nabc: d\r\n'},
			['byte by byte'] = {'[head]', '[drip HTTP/1.1 200 OK\r\nA: b\r\nTransfer-encoding: chunked\r\n\r\n' ..
				'3\r\nabc\r\n0\r\n\r\n]'},
			['a reset'] = {'[head]', '[reset]'},
		}
		for what, connection in pairs(answers) do
			says(what, get, connection)
			if what ~= 'HTTP/0.9' then -- the original raises without a sink
				says(what .. ', without a sink', function(m) return m.http.request{url = U} end, connection)
			end
			says(what .. ', to HEAD', function(m)
				return table_request(m, {url = U, method = 'HEAD'})
			end, connection)
		end
		for what, body in pairs{['strange'] = 'zz\r\nhello\r\n0\r\n\r\n', ['empty'] = '\r\nhello\r\n0\r\n\r\n',
				['two'] = '5 5\r\nhello\r\n0\r\n\r\n', ['spaced'] = ' 5 ;a\r\nhello\r\n0\r\n\r\n',
				['missing'] = '5\r\nhello\r\n', ['missing at the end'] = '5\r\nhello\r\n0\r\n'} do
			says('a size of a chunk that is ' .. what, get, ok(body, 'Transfer-Encoding: chunked'))
		end
		for _, body in ipairs{'5\r\nhel', '5\r\nhello'} do
			says('a chunk that is cut off after ' .. #body, get, ok(body, 'Transfer-Encoding: chunked'))
		end
		says('nothing in time', function(m)
			m.http.TIMEOUT = 0.05
			local r = {get(m)}
			m.http.TIMEOUT = 10
			return r
		end, {'[head]', '[hold]'})
		says('half of it in time', function(m)
			m.http.TIMEOUT = 0.2
			local r = {get(m)}
			m.http.TIMEOUT = 10
			return r
		end, {'[head]', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc', '[hold]'})
		says('an error of the sink', function(m)
			return m.http.request{url = U, sink = m.ltn12.sink.error'boo'}
		end, ok'hello')
	end)

	describe('redirected', function()
		for _, code in ipairs{201, 300, 301, 302, 303, 304, 305, 307, 308} do
			says('by ' .. code, function(m) return m.http.request(U .. '/a/b?c') end,
				redirect('../x?y', code .. ' x'), ok'hello')
		end
		local function chain(n)
			local t = {}
			for i = 1, n do t[i] = redirect('/' .. i) end
			t[n + 1] = ok'hello'
			return unpack(t)
		end
		says('five times', get, chain(5))
		says('six times', get, chain(6))
		for _, n in ipairs{0, 1, false} do
			says('at most ' .. tostring(n) .. ' times', function(m)
				return table_request(m, {url = U .. '/0', maxredirects = n})
			end, chain(8))
		end
		says('against the will', function(m)
			return table_request(m, {url = U .. '/0', redirect = false})
		end, chain(1))
		says('to nowhere', get, redirect'')
		says('without a place', get, answer'302 x')
		says('to a scheme that is not known', get, redirect'ftp://x/y')
		says('from HEAD', function(m)
			return table_request(m, {url = U, method = 'HEAD'})
		end, redirect'/y', ok'x')
		says('from POST', function(m) return m.http.request(U, 'body') end,
			{'[until body]', 'HTTP/1.1 302 x\r\nlocation: /y\r\n\r\nmoved'})
		says('from get', function(m)
			return table_request(m, {url = U, method = 'get'})
		end, redirect'/y', ok'x')
		says('with a source', function(m)
			return table_request(m, {url = U, source = m.ltn12.source.string'x'})
		end, {'[until 0\r\n\r\n]', 'HTTP/1.1 302 x\r\nlocation: /y\r\n\r\nmoved'})
		says('to the same server', function(m)
			return table_request(m, {url = U, headers = {a = 'b', Cookie = 'c', Authorization = 'd'},
				user = 'u', password = 'p'})
		end, function() return redirect(U .. '/y') end, ok'x')
		says('to the same server, with the user in the url', function(m)
			return table_request(m, {url = 'http://u:p@127.0.0.1:' .. PORT .. '/0'})
		end, redirect'/y', ok'x')
		says('to an answer with a location', get, redirect'/1', ok('x', 'Location: mine'))
		says('to 408', get, redirect'/1', answer'408 x')
		says('to nobody', get, redirect'http://127.0.0.1:1/')
		says('by a request of parts', function(m)
			return table_request(m, {host = '127.0.0.1', port = PORT, scheme = 'http', path = '/x'})
		end, function() return redirect(U .. '/y') end, ok'x')
		says('from https to http', function(m) return elsewhere(m, {url = 'https://h/x'}) end,
			redirect'http://h/y')
		says('without the step', function(m)
			local n = 0
			local r = table_request(m, {url = U, step = function(...) n = n + 1 return m.ltn12.pump.step(...) end})
			return r, n
		end, redirect'/1', ok'x')
	end)

	describe('fails like the original', function()
		for _, u in ipairs{'http:///b', '/b', 'http://127.0.0.1:1/'} do
			compares('for ' .. u, function(m) return m.http.request(u) end)
		end
		compares('without a path', function(m) return m.http.request{scheme = 'http', host = 'h'} end)
		compares('with the error of the source', function(m)
			server:script{'[head]', '[eof]'}
			return m.http.request{url = U, source = m.ltn12.source.error'boo'}
		end)
		compares('by raising, for no request', function(m) return m.http.request() end)
		compares('by raising, for headers that are no text', function(m)
			server:script{'[hold]'}
			return m.http.request{url = U, headers = {a = false}}
		end)
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

	describe('http-chunked', function()
		says('is a source', function(m)
			local c, h = m.socket.connect('127.0.0.1', PORT), {tr = 'x'}
			local s = m.socket.source('http-chunked', c, h)
			local r = {s(), s:getfd() == c:getfd(), s:dirty(), s(), s(), h}
			c:close()
			return r
		end, {'3\r\nabc\r\n2;x\r\nde\r\n0\r\nTr: a\r\nTr: b\r\n\r\n'})
		says('is a sink', function(m)
			local c = m.socket.connect('127.0.0.1', PORT)
			local s = m.socket.sink('http-chunked', c)
			return s'abc', s(('y'):rep(300)), s:getfd() == c:getfd(), s:dirty(), s(nil), c:close(), {s'x'}
		end, {'[eof]'})
	end)
end)

-- What is not as the original, and why.
describe('socket.http, unlike the original', function()
	local KB = 1024

	it('bounds the status line, for a server may send without end', function()
		refuses('status line too long', get, {'[head]', 'HTTP/1.1 200 ', '[flood x]'})
		local r = alone(get, {'[head]', 'HTTP/1.1 200 ' .. ('x'):rep(64 * KB - 13 - 2 + 5) .. '\r\n\r\nbody'})
		assert.equal('body', r[1])
	end)

	it('bounds a header', function()
		refuses('header line too long', get, {'[head]', 'HTTP/1.1 200 OK\r\nx: ', '[flood x]'})
	end)

	it('bounds the headers', function()
		local line = 'x: ' .. ('x'):rep(30 * KB) .. '\r\n'
		refuses('headers too long', get, {'[head]', 'HTTP/1.1 200 OK\r\n', '[flood ' .. line .. ']'})
	end)

	it('bounds their number, folded ones too', function()
		refuses('too many headers', get, {'[head]', 'HTTP/1.1 200 OK\r\n', '[flood x: y\r\n]'})
		refuses('too many headers', get, {'[head]', 'HTTP/1.1 200 OK\r\nx: y\r\n', '[flood  z\r\n]'})
	end)

	it('bounds the answers of 1xx', function()
		refuses('too many interim responses', get, {'[head]', '[flood HTTP/1.1 100 x\r\n\r\n]'})
	end)

	it('skips 102 and 103 as it does 100: the answer comes after them', function()
		local r = alone(get, {'[head]', 'HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 102 x\r\n\r\n' ..
			'HTTP/1.1 200 OK\r\na: b\r\n\r\nbody'})
		assert.same({'body', 200, {a = 'b'}, 'HTTP/1.1 200 OK', n = 4}, r)
	end)

	it('bounds the line of a size', function()
		refuses('chunk size line too long', get,
			{'[head]', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;', '[flood x]'})
	end)

	it('takes sizes for what they are: hexadecimal digits, and not too many', function()
		for _, size in ipairs{'-5', '+5', '0x5', 'FFFFFFFFFFFFFFFFF', '20000000000000', '5.', '5g'} do
			refuses('invalid chunk size', get, ok(size .. '\r\nhello\r\n0\r\n\r\n', 'Transfer-Encoding: chunked'))
		end
		local zeros = ('0'):rep(100)
		local r = alone(get, ok(zeros .. '5\r\nhello\r\n' .. zeros .. '\r\n\r\n', 'Transfer-Encoding: chunked'))
		assert.equal('hello', r[1])
	end)

	it('says that a size is none again and again', function()
		local results = alone(function(m)
			local c = m.socket.tcp()
			c:settimeout(10)
			assert(c:connect('127.0.0.1', PORT))
			local source = m.socket.source('http-chunked', c)
			local list = {}
			for i = 1, 2 do list[i] = {pcall(source)} end
			c:close()
			return unpack(list)
		end, {'none\r\nneither\r\n'})
		for i = 1, 2 do assert.same({true, nil, 'invalid chunk size'}, results[i]) end
	end)

	it('wants an end of a line after a chunk', function()
		refuses('invalid chunk', get, ok('5\r\nhelloXXX\r\n0\r\n\r\n', 'Transfer-Encoding: chunked'))
	end)

	it('does not hold a chunk in memory, however long it says it is', function()
		local pieces = {}
		local r = alone(function(m)
			return m.http.request{url = U, sink = function(chunk)
				pieces[#pieces + 1] = chunk and #chunk
				return #pieces < 3 and 1 or nil, 'enough'
			end}
		end, {'[head]', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n', '[flood x]'})
		assert.equal('enough', r[2])
		assert.same({64 * KB, 64 * KB, 64 * KB}, pieces)
	end)

	it('takes trailers also where there is a content-length, on which the original raises', function()
		local r = alone(get, ok('5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n', 'Content-Length: 3',
			'Transfer-Encoding: chunked'))
		assert.equal('hello', r[1])
	end)

	it('takes the encoding Identity for identity', function()
		assert.equal('hello', alone(get, ok('hello', 'Transfer-Encoding: Identity'))[1])
	end)

	it('takes only a content-length that is one number', function()
		for _, length in ipairs{'-1', '+5', '0x5', '1e1', '3.5', 'abc', '', '5 5', '5, 6', '5,',
				'5\r\ncontent-length: 6', '9007199254740993', ('9'):rep(400)} do
			refuses('invalid content-length', get, ok('hello world', 'Content-Length: ' .. length))
		end
		for _, length in ipairs{'5', ' 5 ', '05', '5, 5', '5\r\ncontent-length: 5'} do
			assert.equal('hello', alone(get, ok('hello world', 'Content-Length: ' .. length))[1])
		end
	end)

	it('does not look at the content-length where there is no body', function()
		assert.equal(304, alone(get, answer('304 x', {'Content-Length: x'}))[2])
	end)

	it('closes its connections itself, whatever they come to', function()
		local function left(f)
			return function(m)
				collectgarbage()
				collectgarbage()
				collectgarbage'stop'
				local before = spec.fds()
				f(m)
				local n = spec.fds() - before
				collectgarbage'restart'
				return n
			end
		end
		local chunked = 'Transfer-Encoding: chunked'
		for what, connections in pairs{
			['an answer'] = {ok'body'},
			['an answer without a body'] = {answer'204 No Content'},
			['an answer of HTTP/0.9'] = {{'[head]', 'body'}},
			['a timeout of the server'] = {answer'408 Request Timeout'},
			['a redirect'] = {redirect'/y', redirect'/z', ok'body'},
			['a redirect that is refused'] = {redirect'ftp://127.0.0.1/'},
			['no answer'] = {{'[head]'}},
			['an error in the headers'] = {{'[head]', 'HTTP/1.1 200 OK\r\nnone\r\n\r\n'}},
			['an error in the body'] = {ok('x\r\n', chunked)},
			['an error after a redirect'] = {redirect'/y', ok('x\r\n', chunked)},
		} do
			assert.equal(0, alone(left(get), unpack(connections))[1], what)
		end
		assert.equal(0, alone(left(function(m)
			m.http.request{url = U, sink = function() return nil, 'enough' end}
		end), ok'body')[1])
	end)

	it('bounds a body when asked to', function()
		local http = ours.http
		local function cases(fails)
			for _, connection in ipairs{ok('hello', 'Content-Length: 5'), ok'hello', {'[head]', 'hello'},
					ok('3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n', 'Transfer-Encoding: chunked')} do
				for _, f in ipairs{get, function(m) return m.http.request{url = U, sink = m.ltn12.sink.null()} end} do
					local r = alone(f, connection)
					if fails then
						assert.same({n = 2, nil, 'body too long'}, r)
					else
						assert.equal(200, r[2])
					end
				end
			end
		end
		http.MAXBODY = 4
		cases(true)
		http.MAXBODY = 5
		cases(false)
		http.MAXBODY = nil
		cases(false)
	end)

	it('bounds a body that becomes a string, at 256 MB', function()
		refuses('body too long', get, ok('', 'Content-Length: 268435457'))
		local r = alone(function(m) -- not what goes to a sink
			return m.http.request{url = U, sink = m.ltn12.sink.null()}
		end, ok('', 'Content-Length: 268435457'))
		assert.equal('closed', r[2])
	end)

	it('takes HTTP/0.9 without a sink, on which the original raises', function()
		local r = alone(function(m) return m.http.request{url = U} end, {'[head]', 'hello world'})
		assert.same({1, 200, n = 2}, r)
	end)

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

	it('does not go to another host than the url seems to name', function()
		refuses('invalid url', function(m) return m.http.request('http://evil\\@127.0.0.1:' .. PORT) end)
		local r = alone(function(m) return elsewhere(m, {url = 'http://good?@evil/'}) end, ok'')
		assert.same({'good 80'}, r[1].asked)
		r = alone(get, redirect'http://evil\\@good/')
		assert.equal(302, r[2])
	end)

	local function credentials(head, name)
		local b64 = head:match('\r\n' .. name .. ': Basic (%S+)\r\n')
		return b64 and (ours.mime.unb64(b64))
	end

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

	-- f() with https made by `create`.
	local function with_https(create, f)
		local scheme = ours.http.schemes.https
		local before = scheme.create
		scheme.create = function() return create end
		local done, err = pcall(f)
		scheme.create = before
		assert(done, err)
	end

	describe('redirected', function()
		it('goes from https to a place without a scheme, which is https, too', function()
			for location, to in pairs{['/y'] = '/y', ['y?z'] = '/a/y?z', ['?z'] = '/a/x?z', ['../y'] = '/y',
					['//127.0.0.1:' .. PORT .. '/y'] = '/y'} do
				local https, http = 0, ours.http.schemes.http.create
				ours.http.schemes.http.create = function() error'not https' end
				with_https(function()
					https = https + 1
					return ours.socket.tcp()
				end, function()
					local r, log = alone(function(m)
						return m.http.request('https://127.0.0.1:' .. PORT .. '/a/x')
					end, redirect(location), ok'there')
					assert.same({'there', 200}, {r[1], r[2]})
					assert.equal(to, log[2]:match'^GET (%S+)')
					r = alone(function(m)
						return table_request(m, {url = '//127.0.0.1:' .. PORT .. '/a/x', scheme = 'https'})
					end, redirect(location), ok'there')
					assert.equal('there', r[1].body)
				end)
				ours.http.schemes.http.create = http
				assert.equal(4, https)
			end
		end)

		it('writes the spaces of a place as they have to be, and no other line', function()
			local r, log = alone(get, redirect' /a b ', ok'x')
			assert.equal('/a%20b', r[3].location)
			assert.matches('^GET /a%%20b HTTP', log[2])
			refuses('invalid uri', get, redirect'/a\tb')
		end)
	end)

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

	describe('tells nobody else who the user is: a redirect', function()
		local secret = {Authorization = 'a', Cookie = 'b', ['Proxy-Authorization'] = 'c', Host = 'd', Other = 'e'}

		local function last(location, reqt, ...)
			local scheme, asked = ours.http.schemes.http, {}
			local create = anywhere(ours, asked)
			local before = scheme.create
			scheme.create = function() return create end
			reqt.headers = secret
			local r, log = alone(function(m) return table_request(m, reqt) end, redirect(location), ...)
			scheme.create = before
			assert.equal(200, r[1][2])
			return log[#log]:lower(), asked
		end

		local function knows(what, head)
			return head:find('\r\n' .. what .. ':', 1, true) ~= nil
		end

		for what, location in pairs{['another host'] = 'http://other/y', ['another port'] = 'http://h:81/y',
				['a subdomain'] = 'http://x.h/y', ['another host, without a scheme'] = '//other/y'} do
			it('to ' .. what, function()
				local head = last(location, {url = 'http://u:p@h/x'}, ok'')
				for _, name in ipairs{'authorization', 'cookie', 'proxy-authorization'} do
					assert.is_false(knows(name, head))
				end
				assert.is_true(knows('other', head))
				assert.is_nil(head:find('host: d', 1, true))
			end)
			it('to ' .. what .. ' and back', function()
				local head = last(location, {url = 'http://u:p@h/x'}, redirect'http://h/z', ok'')
				assert.is_false(knows('authorization', head))
				assert.is_false(knows('cookie', head))
			end)
		end

		it('to the same one, in other words, but that one', function()
			for _, location in ipairs{'/y', 'http://H:80/y', '//h/y', 'http://h/y'} do
				local head = last(location, {url = 'http://h/x'}, ok'')
				assert.is_true(knows('authorization', head))
				assert.is_true(knows('cookie', head))
			end
		end)

		it('and the proxy, but that one', function()
			local head, asked = last('http://other/y', {url = 'http://h/x', proxy = 'http://prox:5'}, ok'')
			assert.is_true(knows('proxy-authorization', head))
			assert.is_false(knows('cookie', head))
			assert.same({'prox 5', 'prox 5'}, asked)
		end)
	end)

	it('does not raise for what came from outside: a scheme, a proxy, a url', function()
		for u, err in pairs{['foo://x/'] = "unknown scheme 'foo'", [''] = 'invalid url',
				['127.0.0.1:80/x'] = "unknown scheme '127.0.0.1'"} do
			refuses(err, function(m) return m.http.request(u) end)
		end
		refuses("invalid proxy 'prox:1'", function(m) return m.http.request{url = U, proxy = 'prox:1'} end)
	end)

	it('takes a scheme in capitals, and http for none', function()
		assert.equal('x', alone(function(m) return m.http.request('HTTP://127.0.0.1:' .. PORT) end, ok'x')[1])
		local r = alone(function(m)
			return m.http.request{host = '127.0.0.1', port = PORT, path = '/'}
		end, ok'x')
		assert.equal(200, r[2])
	end)

	it('follows a redirect of a request of parts to a relative place', function()
		local r, log = alone(function(m)
			return table_request(m, {host = '127.0.0.1', port = PORT, scheme = 'http', path = '/a/b'})
		end, redirect'c', ok'x')
		assert.equal(200, r[1][2])
		assert.matches('^GET /a/c ', log[2])
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

	it('lets everything yield: sockets, sources, sinks and steps', function()
		-- The parts of `socket` that are C in the original, in Lua.
		local mark = {}
		local function newtry(finalizer)
			return function(...)
				if ... then return ... end
				if finalizer then pcall(finalizer) end
				error({[mark] = select(2, ...)}, 0)
			end
		end
		local sock = setmetatable({newtry = newtry, try = newtry(), sourcet = {}, sinkt = {},
			protect = function(f)
				return function(...)
					local r = {pcall(f, ...)}
					if r[1] then return unpack(r, 2, table.maxn(r)) end
					if type(r[2]) == 'table' and r[2][mark] then return nil, r[2][mark] end
					error(r[2], 0)
				end
			end,
		}, {__index = ours.socket})
		for k, v in pairs(ours.socket.sourcet) do sock.sourcet[k] = v end
		for k, v in pairs(ours.socket.sinkt) do sock.sinkt[k] = v end
		sock.source = function(mode, c, n) return sock.sourcet[mode](c, n) end
		sock.sink = function(mode, c) return sock.sinkt[mode](c) end

		local loaded = {}
		for name, module in pairs{socket = sock, ltn12 = ours.ltn12, mime = ours.mime, ['socket.url'] = ours.url,
				['socket.headers'] = ours.headers} do
			loaded[name] = package.loaded[name]
			package.loaded[name] = module
		end
		local http = dofile'lua/socket2/compat/socket/http.lua'
		for name in pairs{socket = 1, ltn12 = 1, mime = 1, ['socket.url'] = 1, ['socket.headers'] = 1} do
			package.loaded[name] = loaded[name]
		end

		local yields = 0
		local function yielding(f)
			return function(...)
				yields = yields + 1
				coroutine.yield'waiting'
				return f(...)
			end
		end
		local function create()
			local c = ours.socket.tcp()
			return setmetatable({}, {__index = function(_, name)
				return yielding(function(_, ...) return c[name](c, ...) end)
			end})
		end
		server:script(redirect'/y', ok('3\r\nabc\r\n0\r\n\r\n', 'Transfer-Encoding: chunked'),
			{'[until 0\r\n\r\n]', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc'},
			ok('zz\r\n', 'transfer-encoding: x'))
		local results
		local co = coroutine.create(function()
			local t = {}
			local function request(reqt)
				reqt.url, reqt.create = U, create
				reqt.sink = yielding((ours.ltn12.sink.table(t)))
				return {http.request(reqt)}
			end
			results = {request{}[2], request{source = yielding(ours.ltn12.source.string'hello'),
				step = yielding(ours.ltn12.pump.step)}[2], request{}[2], table.concat(t)}
		end)
		while coroutine.status(co) ~= 'dead' do
			local done, what = coroutine.resume(co)
			assert(done, what)
			assert.is_true(what == nil or what == 'waiting')
		end
		assert.same({200, 200, 'invalid chunk size', 'abcabc'}, results)
		assert.is_true(yields > 100)
	end)
end)

describe('socket.http and nginx', function()
	local dir, nginx, N, HTTPS, proxy, PROXY, locked, LOCKED
	local BIG = 20 * 1000 * 1000

	local CONF = [[
daemon off;
pid DIR/pid;
error_log DIR/error.log;
worker_processes 1;
events {}
http {
	access_log off;
	keepalive_timeout 0;
	client_max_body_size 0;
	client_body_temp_path DIR/t1; proxy_temp_path DIR/t2; fastcgi_temp_path DIR/t3;
	uwsgi_temp_path DIR/t4; scgi_temp_path DIR/t5;
	server {
		listen 127.0.0.1:PORT;
		TLS
		root DIR/www;
		location /ssi/ { alias DIR/www/; ssi on; ssi_types *; }
		location /put/ { dav_methods PUT DELETE; create_full_put_path on; client_body_in_file_only clean; }
		location /private/ { alias DIR/www/; auth_basic who; auth_basic_user_file DIR/users; }
		location /r301 { return 301 /hello.txt; }
		location /r302 { return 302 http://127.0.0.1:PORT/hello.txt?x; }
		location /r303 { return 303 /ssi/hello.txt; }
		location /r307 { return 307 /hello.txt; }
		location /r308 { return 308 /hello.txt; }
		location /loop { return 302 /loop; }
		location /empty { return 204; }
	}
}
]]

	setup(function()
		dir = process.output'mktemp -d':match'%S+'
		local port, tls = process.free_port(), ''
		if os.execute(('openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout %s/key ' ..
				'-out %s/crt 2>/dev/null'):format(dir, dir)) == 0 then
			HTTPS = process.free_port()
			tls = ('listen 127.0.0.1:%d ssl; ssl_certificate DIR/crt; ssl_certificate_key DIR/key;'):format(HTTPS)
		end
		local conf = assert(io.open(dir .. '/nginx.conf', 'w'))
		conf:write((CONF:gsub('TLS', tls):gsub('DIR', dir):gsub('PORT', port)))
		conf:close()
		local users = assert(io.open(dir .. '/users', 'w'))
		users:write'me:{PLAIN}se cret\n'
		users:close()
		os.execute(('chmod 755 %s; mkdir -m 755 %s/www; mkdir -m 777 %s/www/put; echo hello >%s/www/hello.txt')
			:format(dir, dir, dir, dir))
		-- A last byte that does not begin a command of SSI: nginx would wait for the rest, and drop it.
		os.execute(('(head -c %d /dev/urandom; printf x) >%s/www/big; chmod a+r %s/www/*'):format(BIG, dir, dir))
		nginx = process.start(('timeout 200 nginx -c %s/nginx.conf -p %s 2>/dev/null'):format(dir, dir))
		N = 'http://127.0.0.1:' .. port
		process.wait_for(function()
			return process.output(('curl -s -o /dev/null -w %%{http_code} %s/hello.txt'):format(N)) == '200'
		end)
		proxy, PROXY = peers.start'proxy'
		locked, LOCKED = peers.start('proxy', 'auth')
		PROXY, LOCKED = '127.0.0.1:' .. PROXY, '127.0.0.1:' .. LOCKED
	end)

	teardown(function()
		for _, p in pairs{nginx, proxy, locked} do p:stop() end
		os.execute('rm -r ' .. dir)
	end)

	-- The date differs from call to call.
	local function undated(body, code, headers, status)
		if headers then
			assert.is_string(headers.date)
			headers.date = nil
		end
		return body, code, headers, status
	end

	for _, path in ipairs{'/hello.txt', '/ssi/hello.txt', '/nothing', '/empty', '/r301', '/r302', '/r303',
			'/r307', '/r308', '/loop', '/private/hello.txt'} do
		compares('get ' .. path, function(m) return undated(m.http.request(N .. path)) end)
		compares('head ' .. path, function(m)
			return undated(m.http.request{url = N .. path, method = 'HEAD', redirect = false})
		end)
		compares('get ' .. path .. ' through a proxy', function(m)
			local t = {}
			local r = {undated(m.http.request{url = N .. path, sink = (m.ltn12.sink.table(t)),
				proxy = 'http://' .. PROXY})}
			return r, table.concat(t)
		end)
	end

	it('gets it in chunks', function()
		local body, _, headers = ours.http.request(N .. '/ssi/hello.txt')
		assert.equal('hello\n', body)
		assert.equal('chunked', headers['transfer-encoding'])
	end)

	it('gets 304', function()
		local _, _, headers = ours.http.request(N .. '/hello.txt')
		local reqt = {url = N .. '/hello.txt', headers = {['if-modified-since'] = headers['last-modified']}}
		local r, code = ours.http.request(reqt)
		assert.same({1, 304}, {r, code})
	end)

	for _, path in ipairs{'/big', '/ssi/big'} do
		it('gets 20 MB byte for byte of ' .. path, function()
			local there = process.read(dir .. '/www/big')
			local body, code = ours.http.request(N .. path)
			assert.equal(200, code)
			assert.is_true(there == body)
			local t = {}
			assert.equal(1, (ours.http.request{url = N .. path, sink = (ours.ltn12.sink.table(t))}))
			assert.is_true(there == table.concat(t))
		end)
	end

	it('puts 20 MB, in chunks and by length, with and without waiting for 100', function()
		local content = process.read(dir .. '/www/big')
		local n = 0
		for _, headers in ipairs{{}, {['content-length'] = #content}, {Expect = '100-continue'}} do
			n = n + 1
			local u = N .. '/put/' .. n
			local r, code = ours.http.request{url = u, method = 'PUT', headers = headers,
				source = ours.ltn12.source.string(content)}
			assert.same({1, 201}, {r, code})
			assert.is_true(content == process.read(dir .. '/www/put/' .. n))
		end
	end)

	compares('post where it is not allowed', function(m)
		return undated(m.http.request(N .. '/hello.txt', 'a=b'))
	end)

	compares('the password', function(m)
		local u = '/private/hello.txt'
		return {undated(m.http.request((N .. u):gsub('//', '//me:se%%20cret@', 1)))},
			{undated(m.http.request{url = N .. u, user = 'me', password = 'se cret'})},
			{undated(m.http.request{url = N .. u, user = 'me', password = 'wrong'})}
	end)

	compares('the password of a proxy', function(m)
		local u = N .. '/hello.txt'
		m.http.PROXY = 'http://' .. LOCKED
		local r = {{m.http.request(u)}}
		m.http.PROXY = 'http://p:q@' .. LOCKED
		r[2] = {undated(m.http.request(u))}
		m.http.PROXY = nil
		return r
	end)

	it('talk https through LuaSec, as the original', function()
		local path = "package.path = 'lua/socket2/compat/?.lua;' .. package.path "
		if process.output('${SOCKET2_LUAJIT:-luajit} -e "require\'ssl.https\'" 2>&1') ~= '' or not HTTPS then
			return pending'LuaSec or openssl is not installed'
		end
		for _, prefix in ipairs{'', path} do
			assert.equal('hello\n 200', process.output(([[tools/run -e "%s
				local body, code = require'socket.http'.request'https://127.0.0.1:%d/hello.txt'
				io.write(tostring(body), ' ', tostring(code))" 2>&1]]):format(prefix, HTTPS)))
		end
	end)

	it('talks https through a proxy, by LuaSec', function()
		if process.output('${SOCKET2_LUAJIT:-luajit} -e "require\'ssl.https\'" 2>&1') ~= '' or not HTTPS then
			return pending'LuaSec or openssl is not installed'
		end
		for at, expected in pairs{[PROXY] = 'hello\n 200', ['p:q@' .. LOCKED] = 'hello\n 200',
				[LOCKED] = 'nil refused by the proxy: HTTP/1.1 407 Who?'} do
			assert.equal(expected, process.output(([[tools/run -lsocket2.dropin -e "
				local http = require'socket.http'
				http.PROXY = 'http://%s'
				local body, code = http.request'https://127.0.0.1:%d/hello.txt'
				io.write(tostring(body), ' ', tostring(code))" 2>&1]]):format(at, HTTPS)))
		end
	end)

	it('gets 2000 small files, one after the other, without keeping anything', function()
		if jit.os ~= 'Linux' then return end
		local function open_sockets()
			collectgarbage()
			collectgarbage()
			local pid = process.output'echo $PPID':match'%d+'
			return select(2, process.output(('ls -l /proc/%s/fd'):format(pid)):gsub('socket:', ''))
		end
		for _ = 1, 10 do ours.http.request(N .. '/hello.txt') end
		local before = open_sockets()
		for _ = 1, 2000 do
			local body = ours.http.request(N .. '/hello.txt')
			if body ~= 'hello\n' then error('got ' .. tostring(body)) end
		end
		assert.is_true(open_sockets() <= before)
	end)
end)

