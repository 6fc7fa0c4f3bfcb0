-- socket.http redirected, the original as the oracle.

local web = require'servers.web'

local ours, answer, ok, redirect, table_request, get, says, alone, refuses, anywhere, elsewhere, with_https =
	web.ours, web.answer, web.ok, web.redirect, web.table_request, web.get, web.says, web.alone, web.refuses,
	web.anywhere, web.elsewhere, web.with_https

local U, PORT

setup(function()
	local server = web.start()
	U, PORT = server.url, server.port
end)

teardown(web.stop)

describe('socket.http', function()
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
end)

-- What is not as the original, and why.
describe('socket.http, unlike the original', function()
	it('does not go to another host than the url seems to name', function()
		refuses('invalid url', function(m) return m.http.request('http://evil\\@127.0.0.1:' .. PORT) end)
		local r = alone(function(m) return elsewhere(m, {url = 'http://good?@evil/'}) end, ok'')
		assert.same({'good 80'}, r[1].asked)
		r = alone(get, redirect'http://evil\\@good/')
		assert.equal(302, r[2])
	end)

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

	it('follows a redirect of a request of parts to a relative place', function()
		local r, log = alone(function(m)
			return table_request(m, {host = '127.0.0.1', port = PORT, scheme = 'http', path = '/a/b'})
		end, redirect'c', ok'x')
		assert.equal(200, r[1][2])
		assert.matches('^GET /a/c ', log[2])
	end)
end)
