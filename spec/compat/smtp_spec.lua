-- socket.smtp and socket.tp, the original as the oracle: over a scripted server and over Python's smtpd.

local process = require'process'
local peers = require'servers.peers'

local ours, original = peers.modules('socket', 'ltn12', 'mime', 'socket.headers', 'socket.tp', 'socket.smtp')
local compares = peers.comparing(ours, original, it)

local server, PORT
local LINE = '[line]'

setup(function()
	server = peers.scripted()
	PORT = server.port
end)

teardown(function()
	server:stop()
end)

local function says(what, f, ...)
	local steps = {...}
	compares(what, f, function() server:script(steps) end, function() return server:log() end)
end

-- Results of f(ours) over a scripted connection, what was sent.
local function alone(f, ...)
	server:script{...}
	local outcome, err = peers.outcome(f, ours)
	if err then
		error(type(err) == 'table' and err[1] or err, 0)
	end
	return outcome, server:log()[1]
end

local function connected(f)
	return function(m)
		local t = assert(m.tp.connect('127.0.0.1', PORT, 5))
		local r = {f(t, m)}
		t:close()
		return r
	end
end

-- Makes methods that give nil, err from an object's methods, which raise.
local function protected(m, object)
	return setmetatable({}, {__index = function(_, name)
		local method = m.socket.protect(function(...) return object[name](object, ...) end)
		return function(_, ...) return {method(...)} end
	end})
end

describe('socket.tp', function()
	compares('has the fields of the original', function(m)
		local t = {}
		for k, v in pairs(m.tp) do t[k] = type(v) end
		return t, m.tp.TIMEOUT
	end)

	says('gives an object', connected(function(t)
		local names = {}
		for k in pairs(getmetatable(t).__index) do names[k] = true end
		return names, t.c ~= nil, t:getcontrol() == t.c, t:getfd() == t.c:getfd(), t:dirty(), {t:getpeername()},
			{t:getsockname()}, t:close(), {t:command'x'}, {t:check'2'}
	end))
	says('checks replies', connected(function(t)
		return {t:check'2..'}, {t:check'5..'}, {t:check{'4..', '2'}}, {t:check(220)}, {t:check{}},
			{t:check(function(...) return 'f', ... end)}, {t:check'3'}, {t:check'2'}, {t:check'2'}
	end), '220\r\n220 x\n221-a\r\nb\r\n2210 c\r\n221\r\n221-\r\n221 d\r\n220 a\r\n220 b\r\n299-x\r\n299 y\r\n',
		'2\r\n', 'abc\r\n', '22')
	says('checks a reply that does not end', connected(function(t)
		return {t:check'2'}
	end), '220-a\r\n220-b\r\n')
	says('sends commands', connected(function(t)
		return {t:command('foo', 'bar')}, {t:command('foo', 5)}, {t:command('foo', '')}, {t:command('foo', false)},
			{t:command'Quit'}, {t:send'raw\n'}
	end), '[until raw]')
	says('sends sources', connected(function(t, m)
		local n = 0
		return {t:source(m.ltn12.source.string'abc')}, {t:source(m.ltn12.source.error'boo')},
			{t:source(m.ltn12.source.string'def', function(...) n = n + 1 return m.ltn12.pump.step(...) end)}, n
	end), '[until abcdef]')
	says('receives', connected(function(t)
		local function sink(...) return 'sink', ... end
		return {t:receive()}, {t:receive(3)}, {t:sink(sink, '*l')}, {t:sink(sink)}
	end), 'l1\r\nabcx\r\nlast')
	compares('fails like the original', function(m)
		return {m.tp.connect('127.0.0.1', 1)}, {m.tp.connect('127.0.0.1', 1, 5, function() return nil, 'nope' end)}
	end)

	describe('unlike the original', function()
		it('refuses commands in commands', function()
			local r, log = alone(connected(function(t)
				return {t:command('a', 'b\r\nc')}, {t:command'a\nb'}, {t:command('a', '\r')}, {t:command('a', '\0')}
			end), '[eof]')
			local refused = {nil, 'line break in command'}
			assert.same({refused, refused, refused, refused}, r[1])
			assert.equal('', log)
		end)
		it('bounds replies', function()
			local r = alone(connected(function(t) return t:check'2' end), '220 ', '[flood x]')
			assert.same({nil, 'reply too long'}, r[1])
			r = alone(connected(function(t) return t:check'2' end), '220-a\r\n', '[flood 220-x\r\n]')
			assert.same({nil, 'reply too long'}, r[1])
		end)
	end)
end)

local function greeting(extensions)
	return '220 hi\r\n', LINE, ('250-me\r\n%s250 X\r\n'):format(extensions or '')
end

local ACCEPTING = {LINE, '250 ok\r\n', LINE, '250 ok\r\n', LINE, '354 go\r\n', '[until \r\n.\r\n]',
	'250 ok\r\n', LINE, '221 bye\r\n'}

local function steps(...)
	local t = {...}
	for _, step in ipairs(ACCEPTING) do t[#t + 1] = step end
	return unpack(t)
end

local function greeted(...)
	local t = {greeting()}
	for i = 1, select('#', ...) do t[#t + 1] = (select(i, ...)) end
	return unpack(t)
end

local function mails(mail)
	return function(m)
		local t = {server = '127.0.0.1', port = PORT, from = '<a@b>', rcpt = '<c@d>',
			source = m.ltn12.source.string'hi\r\n.\r\n..x\r\nend'}
		for k, v in pairs(mail) do t[k] = v end
		return m.smtp.send(t)
	end
end

describe('socket.smtp', function()
	compares('has the fields of the original', function(m)
		local t = {}
		for k, v in pairs(m.smtp) do t[k] = type(v) == 'function' and 'function' or v end
		return t
	end)

	says('sends', mails{}, greeted(unpack(ACCEPTING)))
	says('tells its domain', mails{domain = 'foo.bar'}, greeted(unpack(ACCEPTING)))
	says('sends to many', mails{rcpt = {'<a>', '<b>'}}, greeted(LINE, '250 ok\r\n', steps(LINE, '251 ok\r\n')))
	says('sends to nobody', mails{rcpt = {}}, greeted(LINE, '250 ok\r\n', LINE, '554 who?\r\n'))
	for what, extensions in pairs{['PLAIN'] = '250-AUTH PLAIN\r\n', ['=PLAIN'] = '250-AUTH=PLAIN\r\n'} do
		says('logs in by ' .. what, mails{user = 'u', password = 'p'}, '220 hi\r\n', LINE,
			'250-me\r\n' .. extensions .. '250 X\r\n', steps(LINE, '235 ok\r\n'))
	end
	says('logs in by LOGIN, if there are both', mails{user = 'u', password = 'p'}, '220 hi\r\n', LINE,
		'250-me\r\n250 AUTH PLAIN LOGIN\r\n', steps(LINE, '334 x\r\n', LINE, '334 x\r\n', LINE, '235 ok\r\n'))
	says('does not log in without a password', mails{user = 'u'}, greeted(unpack(ACCEPTING)))
	for what, extensions in pairs{nothing = '', lowercase = '250-auth plain\r\n',
			others = '250-AUTH CRAM-MD5\r\n'} do
		says('does not know how to log in by ' .. what, mails{user = 'u', password = 'p'}, '220 hi\r\n', LINE,
			'250-me\r\n' .. extensions .. '250 X\r\n')
	end

	says('fails with the reply to connecting', mails{}, '421 no\r\n')
	says('fails with the reply to EHLO', mails{}, '220 x\r\n', LINE, '500 what\r\n')
	says('fails with the reply to MAIL', mails{}, greeted(LINE, '550-no\r\n550 no\r\n'))
	says('fails with the reply to RCPT', mails{}, greeted(LINE, '250 ok\r\n', LINE, '550 no\r\n'))
	says('fails with the reply to DATA', mails{}, greeted(LINE, '250 ok\r\n', LINE, '250 ok\r\n', LINE,
		'451 no\r\n'))
	says('fails with the reply to the message', mails{}, greeted(LINE, '250 ok\r\n', LINE, '250 ok\r\n', LINE,
		'354 go\r\n', '[until \r\n.\r\n]', '552 no\r\n'))
	says('fails with the reply to QUIT', mails{}, greeted(LINE, '250 ok\r\n', LINE, '250 ok\r\n', LINE,
		'354 go\r\n', '[until \r\n.\r\n]', '250 ok\r\n', LINE, '500 no\r\n'))
	says('fails with the reply to a password', mails{user = 'u', password = 'p'}, '220 hi\r\n', LINE,
		'250-me\r\n250 AUTH LOGIN\r\n', LINE, '334 x\r\n', LINE, '334 x\r\n', LINE, '535 no\r\n')
	says('fails when the connection ends', mails{}, greeted(LINE))
	says('fails with the error of the source', mails{source = function() return nil, 'boo' end},
		greeted(LINE, '250 ok\r\n', LINE, '250 ok\r\n', LINE, '354 go\r\n', '[eof]'))
	compares('fails when there is no connection', function(m)
		local sent, err = m.smtp.send{server = '127.0.0.1', port = 1}
		return sent, peers.refusal(err)
	end)
	for _, field in ipairs{'from', 'rcpt', 'source'} do
		says('raises without ' .. field, function(m)
			local send = m.smtp.send
			return mails{}(setmetatable({smtp = {send = function(t) t[field] = nil return send(t) end}},
				{__index = m}))
		end, greeted(LINE, '250 ok\r\n', LINE, '250 ok\r\n', '[eof]'))
	end

	says('opens an object', function(m)
		local s = m.smtp.open('127.0.0.1', PORT)
		local names = {}
		for k in pairs(getmetatable(s).__index) do names[k] = true end
		return names, type(s.tp), type(s.try), {s:greet'd'}, {s:mail'<f>'}, {s:rcpt'<g>'},
			{s:data(m.ltn12.source.string'x')}, {s:quit()}, s:close()
	end, greeted(unpack(ACCEPTING)))
	says('opens an object that logs in', function(m)
		local s = m.smtp.open('127.0.0.1', PORT)
		return {s:greet()}, {s:auth('a')}, {s:auth('a', 'b', 'AUTH PLAIN')}, {s:auth('a', 'b', 'AUTH LOGIN')},
			protected(m, s):auth('a', 'b', 'AUTH X')
	end, greeted(LINE, '235 ok\r\n', LINE, '334 x\r\n', LINE, '334 x\r\n', LINE, '235 ok\r\n'))
	says('opens an object that sends', function(m)
		local s = m.smtp.open('127.0.0.1', PORT)
		return {s:greet()}, {s:send{from = '<a>', rcpt = '<b>', source = m.ltn12.source.string'.x\r\n'}}, s:close()
	end, greeted(unpack(ACCEPTING)))
	compares('raises what protect() catches', function(m) return m.smtp.open('127.0.0.1', 1) end)

	it('ends a message by its end alone, unlike the original', function()
		for text, sent in pairs{
			['a\n.\r\nMAIL FROM:<x>'] = 'a\r\n..\r\nMAIL FROM:<x>',
			['a\r.\r\nb'] = 'a\r\n..\r\nb', ['a\n.\nb'] = 'a\r\n..\r\nb', ['a\r.\rb'] = 'a\r\n..\r\nb',
			['a\r\n.\nb'] = 'a\r\n..\r\nb', ['.\n.a\n\r\n.'] = '..\r\n..a\r\n\r\n..',
			['a\r\nb\r\n'] = 'a\r\nb\r\n',
		} do
			for size = 1, 3 do -- of the pieces, whatever falls between two
				local pieces = {}
				for i = 1, #text, size do
					pieces[#pieces + 1] = text:sub(i, i + size - 1)
				end
				local r, log = alone(mails{source = ours.ltn12.source.table(pieces)}, greeted(unpack(ACCEPTING)))
				assert.equal(1, r[1])
				assert.equal(sent, log:match'DATA\r\n(.*)\r\n%.\r\nQUIT\r\n$')
			end
		end
	end)

	it('refuses addresses with commands, unlike the original', function()
		local bad = '<a>\r\nRCPT TO:<b>'
		for _, mail in ipairs{{from = bad}, {rcpt = bad}, {rcpt = {'<a>', bad}}, {domain = 'a\r\nMAIL FROM:<x>'}} do
			local r, log = alone(mails(mail), greeted(LINE, '250 ok\r\n', LINE, '250 ok\r\n', '[eof]'))
			assert.same({nil, 'line break in command', n = 2}, r)
			assert.is_nil(log:find('<b>', 1, true) or log:find('<x>', 1, true))
		end
	end)
end)

describe('socket.smtp.message', function()
	local function text(src, m)
		local t = {}
		local r = {m.ltn12.pump.all(src, (m.ltn12.sink.table(t)))}
		return {table.concat(t), #t, r}
	end

	-- The text of a message; boundaries are numbered, and the lines of headers in order.
	local function written(m, message)
		local r = text(m.smtp.message(message), m)
		local boundaries, n = {}, 0
		r[1] = r[1]:gsub('%d+==%d+', function(b)
			if not boundaries[b] then
				n = n + 1
				boundaries[b] = 'B' .. n
			end
			return boundaries[b]
		end)
		local parts = {}
		for part in (r[1] .. '\r\n\r\n'):gmatch'(.-)\r\n\r\n' do
			local lines = {}
			for line in (part .. '\r\n'):gmatch'(.-)\r\n' do lines[#lines + 1] = line end
			table.sort(lines)
			parts[#parts + 1] = lines
		end
		return {parts, r[2], r[3], message.headers}
	end

	local function fixed(more)
		local headers = {Date = 'd', ['X-Mailer'] = 'm'}
		for k, v in pairs(more or {}) do headers[k] = v end
		return headers
	end

	local messages = {
		['with a string'] = {headers = fixed{Subject = 'x', to = 'y', ['X-Foo'] = 'z', n = 5}, body = 'hello\r\n'},
		['without a body'] = {headers = fixed()},
		['with an empty body'] = {headers = fixed(), body = ''},
		['with a number'] = {headers = fixed(), body = 5},
		['of a type'] = {headers = fixed{['Content-TYPE'] = 'text/html'}, body = 'x'},
		['of a version'] = {headers = fixed{['Mime-version'] = '7'}, body = 'x'},
		['folded'] = {headers = fixed{subject = 'one\r\n two\r\n\tthree'}, body = 'x'},
		['with parts'] = {headers = fixed(), body = {preamble = 'pre', epilogue = 'epi', {body = 'one'},
			{headers = {['Content-Type'] = 'text/html', A = 'b'}, body = 'two'}}},
		['with parts in parts'] = {headers = fixed{['content-type'] = 'multipart/x; a=b'}, body = {{body = 'one'},
			{headers = {['content-type'] = 'multipart/alternative'}, body = {{body = 'in'}, {body = 'in2'}}}}},
		['without parts'] = {headers = fixed(), body = {}},
	}
	for what, message in pairs(messages) do
		compares('writes a message ' .. what, function(m)
			local copy = {}
			for k, v in pairs(message) do copy[k] = v end
			return written(m, copy)
		end)
	end
	compares('writes what functions give', function(m)
		return written(m, {headers = fixed(), body = m.ltn12.source.table{'a', '', 'b'}}),
			written(m, {headers = fixed(), body = {{body = m.ltn12.source.string'a'},
				{body = m.ltn12.source.empty()}}})
	end)
	compares('fails with the error of a function', function(m)
		return text(m.smtp.message{headers = fixed{A = 'b'}, body = m.ltn12.source.error'boo'}, m)[3],
			text(m.smtp.message{headers = fixed(), body = {{body = function() error('boo', 0) end}}}, m)[3]
	end)
	compares('adds headers of its own', function(m)
		local message = {zone = '+0100', body = ''}
		text(m.smtp.message(message), m)
		local h = message.headers
		return h.date:gsub('%d', 'D'):gsub('^%a+', ''):gsub('DD %a+', ''), h['x-mailer'] == m.socket._VERSION,
			h['mime-version']
	end)
	compares('raises without a message', function(m) return m.smtp.message() end)

	it('comes to an end', function()
		local src = ours.smtp.message{body = 'x'}
		for _ = 1, 2 do src() end
		for _ = 1, 3 do assert.is_nil(src()) end
		src = ours.smtp.message{body = function() return nil, 'boo' end}
		src()
		for _ = 1, 3 do assert.same({nil, 'boo'}, {src()}) end
	end)

	it('refuses headers with headers, unlike the original', function()
		for _, headers in ipairs{{subject = 'x\r\nBcc: <y>'}, {subject = 'x\n'}, {subject = 'x\ry'},
				{subject = 'x\r\n\r\nbody'}, {subject = '\0'}} do
			for _, message in ipairs{{headers = headers, body = ''}, {headers = headers, body = {}},
					{body = {{headers = headers}}}} do
				local r = text(ours.smtp.message(message), ours)
				assert.same({nil, "invalid header 'subject'"}, r[3])
			end
		end
		for _, name in ipairs{'a\r\nb', 'a: b\r\nc', '', 'a b'} do
			local r = text(ours.smtp.message{headers = {[name] = 'x'}, body = ''}, ours)
			assert.same({nil, 'invalid header name'}, r[3])
		end
	end)

	it('lets bodies yield, unlike the original', function()
		local got
		local co = coroutine.create(function()
			local function body(name)
				local n = 0
				return function()
					n = n + 1
					assert.equal('told', coroutine.yield'asked')
					return n < 3 and name .. n or nil
				end
			end
			got = text(ours.smtp.message{body = {{body = body'a'}, {body = {{body = body'b'}}}}}, ours)[1]
		end)
		local asked = 0
		local _, what = assert(coroutine.resume(co))
		while coroutine.status(co) ~= 'dead' do
			assert.equal('asked', what)
			asked = asked + 1
			_, what = assert(coroutine.resume(co, 'told'))
		end
		assert.equal(6, asked)
		assert.matches('a1a2.*b1b2', got)
	end)
end)

describe('socket.smtp and smtpd', function()
	local smtpd, SMTPD, box

	setup(function()
		box = os.tmpname()
		smtpd, SMTPD = peers.start('smtp', box)
	end)

	before_each(function() io.open(box, 'w'):close() end)

	teardown(function()
		smtpd:stop()
		os.remove(box)
	end)

	local function received()
		return (process.read(box):gsub('%d+==%d+', 'B'))
	end

	compares('bring a message', function(m)
		io.open(box, 'w'):close()
		local r = {m.smtp.send{server = '127.0.0.1', port = SMTPD, from = '<me@here>', rcpt = {'<a@x>', '<b@y>'},
			source = m.ltn12.source.string'A: b\r\n\r\nhello\r\n.\r\n..\r\n.end'}}
		return r, received()
	end)

	compares('refuse a recipient', function(m)
		return m.smtp.send{server = '127.0.0.1', port = SMTPD, from = '<me@here>', rcpt = {'<a@x>', '<nobody@y>'},
			source = m.ltn12.source.string'x'}
	end)

	it('bring parts, as the reader of MIME in Python finds them', function()
		local source = ours.smtp.message{
			headers = {subject = 'a\r\n folded one', from = 'me', to = 'you'},
			body = {preamble = 'not shown', epilogue = 'nor this', {body = 'first\r\n.\r\nend'},
				{headers = {['content-type'] = 'text/html'}, body = ours.ltn12.source.string'<b>second</b>'},
				{body = {{body = 'inner'}}}},
		}
		assert.equal(1, ours.smtp.send{server = '127.0.0.1', port = SMTPD, from = '<me@here>', rcpt = '<a@x>',
			source = source})
		assert.equal(('a folded one|text/plain|first\n.\nend|text/html|<b>second</b>|text/plain|inner'),
			process.output(([[/usr/bin/python3 -c "
import json, email, sys
m = email.message_from_string(json.loads(open('%s').read())['data'])
leaves = [p for p in m.walk() if not p.is_multipart()]
parts = [(p.get_content_type(), p.get_payload().replace('\r\n', '\n')) for p in leaves]
print('|'.join([m['subject'].replace('\r', '').replace('\n', '')] + [s for p in parts for s in p]), end='')
"]]):format(box)))
	end)

	it('bring 5 MB', function()
		local line = ('x'):rep(70) .. '\r\n.dotted\r\n'
		local n = math.floor(5e6 / #line)
		assert.equal(1, ours.smtp.send{server = '127.0.0.1', port = SMTPD, from = '<me@here>', rcpt = '<a@x>',
			source = ours.ltn12.source.string(line:rep(n))})
		local _, dotted = received():gsub('\\n%.dotted', '')
		assert.equal(n, dotted)
	end)
end)
