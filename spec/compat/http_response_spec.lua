-- What socket.http makes of answers, the original as the oracle.

local web = require'servers.web'
local peers = require'servers.peers'

local answer, ok, table_request, get, compares, says, alone, refuses =
	web.answer, web.ok, web.table_request, web.get, web.compares, web.says, web.alone, web.refuses

local server, U, PORT

setup(function()
	server = web.start()
	U, PORT = server.url, server.port
end)

teardown(web.stop)

describe('socket.http', function()
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

	describe('fails like the original', function()
		for _, u in ipairs{'http:///b', '/b'} do
			compares('for ' .. u, function(m) return m.http.request(u) end)
		end
		compares('where nobody listens', function(m)
			local body, err = m.http.request'http://127.0.0.1:1/'
			return body, peers.refusal(err)
		end)
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
	it('skips 102 and 103 as it does 100: the answer comes after them', function()
		local r = alone(get, {'[head]', 'HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 102 x\r\n\r\n' ..
			'HTTP/1.1 200 OK\r\na: b\r\n\r\nbody'})
		assert.same({'body', 200, {a = 'b'}, 'HTTP/1.1 200 OK', n = 4}, r)
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

	it('takes HTTP/0.9 without a sink, on which the original raises', function()
		local r = alone(function(m) return m.http.request{url = U} end, {'[head]', 'hello world'})
		assert.same({1, 200, n = 2}, r)
	end)
end)
