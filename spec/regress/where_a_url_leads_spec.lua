-- What a URL names is what was asked, by nobody but that host: an authority ends at / ? #, a redirect from
-- https without a scheme stays https, TLS goes through a proxy to its host, a space ends no request line. And
-- what goes to a mail server or comes from a file server has a bound.

local peers = require'servers.peers'

local ours = peers.modules('socket', 'ltn12', 'socket.url', 'socket.http', 'socket.smtp', 'socket.ftp')
local http = ours.http

describe('the modules of protocols', function()
	local server, HERE

	setup(function()
		server = peers.scripted()
		HERE = '127.0.0.1:' .. server.port
	end)

	teardown(function()
		server:stop()
	end)

	local https
	before_each(function()
		https = http.schemes.https.create
		http.schemes.https.create = function() return ours.socket.tcp end
	end)

	after_each(function()
		http.schemes.https.create = https
	end)

	it('see one host in a url', function()
		for u, host in pairs{['http://good?@evil/'] = 'good', ['http://good#@evil/'] = 'good',
				['http://a@b@c/'] = 'c', ['http://h?/x@y'] = 'h'} do
			assert.equal(host, ours.url.parse(u).host)
		end
		assert.is_nil(ours.url.parse'http://evil\\@good/')
	end)

	it('follow https to https', function()
		server:script({'[head]', 'HTTP/1.1 302 x\r\nLocation: /there\r\n\r\n'},
			{'[head]', 'HTTP/1.1 200 x\r\n\r\nthere'})
		assert.equal('there', (http.request('https://' .. HERE .. '/')))
	end)

	it('ask a proxy for a tunnel', function()
		server:script{'[head]', 'HTTP/1.1 200 x\r\n\r\n', '[head]', 'HTTP/1.1 200 x\r\n\r\n'}
		assert.equal(1, (http.request{url = 'https://host.example/#f', proxy = 'http://' .. HERE}))
		assert.matches('^CONNECT host.example:443 HTTP/1.1\r\n.*\r\n\r\nGET / HTTP/1.1\r\n', server:log()[1])
	end)

	it('send one request line', function()
		server:script()
		assert.same({nil, 'invalid uri'}, {http.request('http://' .. HERE .. '/x HTTP/1.0')})
		assert.same({}, server:log())
	end)

	it('end a message where it ends', function()
		server:script{'220 hi\r\n', '[line]', '250 ok\r\n', '[line]', '250 ok\r\n', '[line]', '250 ok\r\n',
			'[line]', '354 go\r\n', '[until \r\n.\r\n]', '250 ok\r\n', '[line]', '221 bye\r\n'}
		assert.equal(1, ours.smtp.send{server = '127.0.0.1', port = server.port, from = '<a>', rcpt = '<b>',
			source = ours.ltn12.source.string'x\n.\r\nMAIL FROM:<c>'})
		assert.matches('DATA\r\nx\r\n..\r\nMAIL FROM:<c>\r\n.\r\nQUIT', server:log()[1], 1, true)
	end)

	it('bound a file that becomes a string', function()
		local data = assert(ours.socket.bind('127.0.0.1', 0))
		local _, port = data:getsockname()
		ours.ftp.MAXBODY = 10
		server:script{'220 hi\r\n', '[line]', '230 ok\r\n', '[line]', ('229 x (|||%d|)\r\n'):format(port), '[line]',
			'226 ' .. ('x'):rep(10) .. '\r\n'}
		local content, err = ours.ftp.get('ftp://' .. HERE .. '/x')
		ours.ftp.MAXBODY = nil
		data:close()
		assert.same({nil, 'body too long'}, {content, err})
	end)
end)
