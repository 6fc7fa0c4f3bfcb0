-- socket.ftp, the original as the oracle: over a small server of our own and over a scripted one.

local process = require'process'
local peers = require'servers.peers'

local ours, original = peers.modules('socket', 'ltn12', 'mime', 'socket.url', 'socket.tp', 'socket.ftp')

for _, m in ipairs{ours, original} do
	m.ftp.TIMEOUT = 10
end

local compares = peers.comparing(ours, original, it)
local scripted, PORT, server, FTP, log, U

setup(function()
	scripted = peers.scripted()
	PORT = scripted.port
	log = os.tmpname()
	server, FTP = peers.start('ftp', log)
	U = '127.0.0.1:' .. FTP
end)

teardown(function()
	scripted:stop()
	server:stop()
	os.remove(log)
end)

local function forget()
	io.open(log, 'w'):close()
end

local function commands()
	return (process.read(log):gsub('|%d+|\n', '|PORT|\n'):gsub('1,%d+,%d+\n', '1,PORT\n'))
end

-- f(modules) with the server, that hears the same from both
local function does(what, f)
	compares(what, f, forget, commands)
end

-- f(modules) over scripted connections
local function says(what, f, ...)
	local connections = {...}
	compares(what, f, function()
		for i, c in ipairs(connections) do
			connections[i] = type(c) == 'function' and c() or c
		end
		scripted:script(unpack(connections))
	end, function()
		return scripted:log()
	end)
end

local function alone(f, ...)
	forget()
	scripted:script(...)
	local outcome, err = peers.outcome(f, ours)
	if err then
		error(type(err) == 'table' and err[1] or err, 0)
	end
	return outcome
end

-- get{}, into a table
local function fetch(m, t)
	local got = {}
	t.host, t.port = t.host or '127.0.0.1', t.port or FTP
	t.sink = m.ltn12.sink.table(got)
	return {m.ftp.get(t)}, table.concat(got)
end

-- An object that is logged in, with methods that give nil, err instead of raising.
local function open(m, port)
	local f = m.ftp.open('127.0.0.1', port or FTP)
	return setmetatable({object = f}, {__index = function(_, name)
		local method = m.socket.protect(function(...) return f[name](f, ...) end)
		return function(_, ...) return method(...) end
	end})
end

describe('socket.ftp', function()
	compares('has the fields of the original', function(m)
		local t = {}
		for k, v in pairs(m.ftp) do t[k] = type(v) == 'function' and 'function' or v end
		return t
	end)

	describe('get', function()
		for _, u in ipairs{'/hello', '/hello;type=a', '//hello;type=i', '/he%6clo', '/missing', '/big',
				'/empty', '/'} do
			does(u, function(m)
				local content, err = m.ftp.get('ftp://' .. U .. u)
				return content and #content, content and #content < 100 and content, err
			end)
		end
		for _, user in ipairs{'us:pa', 'nopass', 'a:wrong', 'a'} do
			does('as ' .. user, function(m) return m.ftp.get('ftp://' .. user .. '@' .. U .. '/hello') end)
		end
		compares('nothing where nobody listens', function(m)
			local content, err = m.ftp.get'ftp://127.0.0.1:1/x'
			return content, peers.refusal(err)
		end)
		for _, u in ipairs{'http://h/x', 'h:5/x', 'ftp:///x', '/x', '',
				'ftp://h/x;type=I'} do
			compares('nothing from ' .. u, function(m) return m.ftp.get(u) end)
		end
		compares('raises without a url', function(m) return m.ftp.get() end)
		does('20 MB byte for byte', function(m)
			local content = m.ftp.get('ftp://' .. U .. '/big')
			local byte, same = 0, #content == 19988480
			for i = 0, 65535 do
				same = same and content:byte(i + 1) == byte and content:byte(i + 65537) == byte
				byte = (byte + 7) % 251
			end
			return same
		end)

		does('by a path', function(m) return fetch(m, {path = 'hello'}) end)
		does('by a path with a slash', function(m) return fetch(m, {path = '/hello', type = 'i'}) end)
		does('by an argument', function(m) return fetch(m, {argument = 'hello', path = 'x'}) end)
		does('by another command', function(m) return fetch(m, {command = 'nlst'}) end)
		does('what comes as a reply', function(m) return fetch(m, {command = 'stat', path = '/x'}) end)
		does('as a user', function(m) return fetch(m, {path = 'hello', user = 'u', password = 'p'}) end)
		does('from a port that is text', function(m) return fetch(m, {path = 'hello', port = tostring(FTP)}) end)
		does('nothing of another type', function(m) return fetch(m, {path = 'hello', type = 'q'}) end)
		does('nothing without a path', function(m) return fetch(m, {}) end)
		compares('nothing without a host', function(m) return m.ftp.get{path = 'x'} end)
		does('by the fields of a url', function(m)
			return fetch(m, {url = 'ftp://' .. U .. '/x;type=i', path = 'hello', type = 'a'})
		end)
		does('by a url without a scheme', function(m)
			return {m.ftp.get{url = U .. '/hello', sink = m.ltn12.sink.null()}}
		end)
		does('by the step and create that it is given', function(m)
			local n, made = 0, 0
			return fetch(m, {path = 'hello', step = function(...) n = n + 1 return m.ltn12.pump.step(...) end,
				create = function() made = made + 1 return m.socket.tcp() end}), n, made
		end)
		does('fails with the error of the sink', function(m)
			return m.ftp.get{host = '127.0.0.1', port = FTP, path = 'hello', sink = m.ltn12.sink.error'boo'}
		end)
	end)

	describe('put', function()
		for what, content in pairs{text = 'hello', nothing = '', much = ('0123456789abcdef'):rep(65536)} do
			does(what, function(m)
				local n, err = m.ftp.put('ftp://' .. U .. '/new;type=i', content)
				return n, err, m.ftp.get('ftp://' .. U .. '/new') == content
			end)
		end
		does('of nil', function(m) return m.ftp.put('ftp://' .. U .. '/new') end)
		does('ends when the server ends it', function(m)
			return m.ftp.put('ftp://' .. U .. '/full', ('x'):rep(1e6))
		end)
		does('by a table', function(m)
			return m.ftp.put{host = '127.0.0.1', port = FTP, path = 'a/b%20c', source = m.ltn12.source.string'abcd',
				type = 'i', command = 'appe'}
		end)
		does('by a table with a url', function(m)
			return m.ftp.put{url = 'ftp://' .. U .. '/foo/bar;type=i', source = m.ltn12.source.string'abcd'}
		end)
		does('fails with the error of the source', function(m)
			return m.ftp.put{url = 'ftp://' .. U .. '/foo', source = m.ltn12.source.error'boo'}
		end)
	end)

	describe('command', function()
		local function command(t)
			return function(m)
				t.host, t.port = '127.0.0.1', FTP
				return m.ftp.command(t)
			end
		end
		does('sends', command{command = 'noop', check = '2..'})
		does('sends an argument', command{command = 'cwd', argument = '/x', check = 250})
		does('fails with the reply', command{command = 'noop', check = '5..', argument = 'x'})
		does('sends many', command{command = {'noop', 'cwd', 'noop'}, argument = {nil, 'foo'},
			check = {'2..', function(code, reply) return code == 250 and reply end, 200}})
		for what, t in pairs{one = {command = 'noop'}, many = {command = {'noop', 'noop'}}} do
			says(('sends %s without a look at the reply'):format(what), function(m)
				t.host, t.port = '127.0.0.1', PORT
				return m.ftp.command(t)
			end, {'220 hi\r\n', '[line]', '230 in\r\n', '[until QUIT\r\n]', '200 ok\r\n200 ok\r\n221 bye\r\n'})
		end
		does('goes by a url', function(m)
			return m.ftp.command{url = 'ftp://u:p@' .. U .. '/x', command = 'dele', argument = 'x', check = '...'}
		end)
		compares('wants a command', function(m) return m.ftp.command{host = 'h'} end)
		compares('wants a host', function(m) return m.ftp.command{command = 'x'} end)
		compares('wants a table', function(m) return m.ftp.command() end)
	end)

	for _, u in ipairs{'ftp://u:p@h:5/a/b;type=a', 'ftp://h', 'h/a', 'ftp://h/a;type=z', 'http://h/a'} do
		compares('genericform of ' .. u, function(m) return m.ftp.genericform(u) end)
	end

	describe('open', function()
		does('gives an object', function(m)
			local f = m.ftp.open('127.0.0.1', FTP)
			local names = {}
			for k in pairs(getmetatable(f).__index) do names[k] = true end
			local r = {type(f.tp), type(f.try), f:greet(), f:login(), f:type'a', f:cwd'x'}
			local address, port = f:epsv()
			r.epsv = {address, type(port), f.pasvt.address, f.pasvt.port == port}
			r.got = f:receive{path = 'hello', sink = m.ltn12.sink.null()}
			address, port = f:pasv()
			r.pasv = {address, type(port), f.pasvt.address, f.pasvt.port == port}
			r.sent = f:send{path = '/q', source = m.ltn12.source.string'abc'}
			return names, r, f:quit(), f:close()
		end)
		does('wants to know how first', function(m)
			local f = open(m)
			return f:greet(), f:login('a', 'b'), {f:receive{}}, {open(m):send{}}
		end)
		does('tells the server another port', function(m)
			local f = m.ftp.open('127.0.0.1', FTP)
			return f:greet(), f:login('a', 'b'), f:eprt('1', '127.0.0.1', 9), f.pasvt, f.server, f:close()
		end)
		compares('raises what protect() catches', function(m)
			local ok, err = pcall(m.ftp.open, '127.0.0.1', 1)
			return ok, type(err), peers.refusal(err[1])
		end)
		for name, reply in pairs{login = '332 account', cwd = '200 no', type = '501 no', quit = '421 no',
				greet = '421 no', pasv = '500 no', epsv = '500 no'} do
			says('fails with the reply to ' .. name, function(m) return open(m, PORT)[name](nil, 'x') end,
				{name == 'greet' and '' or '[line]', reply .. '\r\n', '[eof]'})
		end
		says('waits after 120', function(m) return open(m, PORT):greet() end, {'120 wait\r\n220 go\r\n', '[eof]'})
		for _, reply in ipairs{'(|||1234|)', '(!!!1234!)', '(|1|10.0.0.1|1234|)', '|||1234|', '(|||1234)'} do
			says('epsv with ' .. reply, function(m) return {open(m, PORT):epsv()} end,
				{'[line]', '229 x ' .. reply .. '\r\n', '[eof]'})
		end
		for _, reply in ipairs{'(127,0,0,1,4,5)', '=127,0,0,1,4,5', 'x 127.0.0.1.4.5 y', 'no'} do
			says('pasv with ' .. reply, function(m) return {open(m, PORT):pasv()} end,
				{'[line]', '227 ' .. reply .. '\r\n', '[eof]'})
		end
	end)
end)

-- What is not as the original, and why.
describe('socket.ftp, unlike the original', function()
	it('connects for data to the host that it talks to, whatever a reply names', function()
		local r = alone(function(m)
			local f = m.ftp.open('127.0.0.1', PORT)
			local t = {}
			local address, port = f:pasv()
			assert.same({'127.0.0.1', PORT}, {address, port})
			f:receive{path = 'x', sink = (m.ltn12.sink.table(t))}
			f:close()
			return table.concat(t)
		end, {'[line]', ('227 (10,1,2,3,%d,%d)\r\n'):format(PORT / 256, PORT % 256), '[line]',
			'150 x\r\n226 y\r\n'},			{'data'})
		assert.equal('data', r[1])
	end)

	it('takes only numbers of bytes for a port', function()
		for _, reply in ipairs{'1 2 3 4 5', '(1,1,1,1,999,1)', '(1,1,1,1,1,256)'} do
			local r = alone(function(m) return open(m, PORT):pasv() end,
				{'[line]', '227 ' .. reply .. '\r\n', '[eof]'})
			assert.same({nil, '227 ' .. reply, n = 2}, r)
		end
		local r = alone(function(m) return open(m, PORT):epsv() end, {'[line]', '229 (|||x|)\r\n', '[eof]'})
		assert.equal('invalid epsv response', r[2])
	end)

	for _, how in ipairs{'port', 'eprt'} do -- port() of the original raises, its eprt() sends a family of nil
		it('lets the server connect, by ' .. how, function()
			alone(function(m)
				local f = m.ftp.open('127.0.0.1', FTP)
				f:greet()
				f:login()
				f[how](f)
				assert.equal(3, f:send{path = '/there', source = m.ltn12.source.string'abc'})
				f[how](f)
				local t = {}
				assert.equal(1, f:receive{path = '/there', sink = (m.ltn12.sink.table(t))})
				assert.equal('abc', table.concat(t))
				f:epsv()
				f[how](f) -- and changes its mind
				assert.is_nil(f.pasvt)
				f:pasv()
				assert.is_nil(f.server)
				f:receive{path = '/there', sink = m.ltn12.sink.null()}
				f:quit()
				assert.equal(1, f:close())
			end)
			assert.matches(how == 'port' and '\nPORT 127,0,0,1,PORT\n' or '\nEPRT |1|127%.0%.0%.1|PORT|\n', commands())
		end)
	end

	it('refuses a data connection from another host', function()
		local r = alone(function(m)
			local f = open(m, PORT)
			assert.equal(1, f:port())
			local _, port = f.object.server:getsockname()
			local other = m.socket.tcp()
			assert(other:bind('127.0.0.2', 0))
			assert(other:connect('127.0.0.1', port))
			local result = {f:receive{path = 'x', sink = m.ltn12.sink.null()}}
			other:close()
			return result
		end, {'[line]', '200 ok\r\n', '[line]', '150 x\r\n', '[eof]'})
		assert.same({nil, 'data connection from another host'}, r[1])
	end)

	it('refuses commands in commands', function()
		for _, f in ipairs{
				function(m) return m.ftp.get('ftp://' .. U .. '/x%0d%0aDELE%20hello') end,
				function(m) return m.ftp.get('ftp://' .. U .. '/x%0aDELE%20hello') end,
				function(m) return m.ftp.get{host = '127.0.0.1', port = FTP, user = 'a\r\nDELE hello'} end,
				function(m) return m.ftp.command{host = '127.0.0.1', port = FTP, command = 'x\r\nDELE hello'} end} do
			assert.same({nil, 'line break in command', n = 2}, alone(f))
			assert.is_nil(commands():find('DELE', 1, true))
		end
	end)

	it('decodes the user that a url names', function()
		for _, f in ipairs{
				function(m) return m.ftp.get('ftp://a%20b:p%3A@' .. U .. '/hello') end,
				function(m) return fetch(m, {url = 'ftp://a%20b:p%3A@' .. U .. '/hello'}) end} do
			alone(f)
			assert.matches('^USER a b\nPASS p:\n', commands())
		end
		assert.same({nil, 'line break in command', n = 2}, alone(function(m)
			return m.ftp.get('ftp://a%0d%0aDELE%20hello:x@' .. U .. '/hello')
		end))
	end)

	it('bounds a file when asked to', function()
		for _, url in ipairs{true, false} do
			for most, err in pairs{[1000] = 'body too long', [1e9] = false} do
				ours.ftp.MAXBODY = most
				local r = alone(function(m)
					return url and {m.ftp.get('ftp://' .. U .. '/big')} or fetch(m, {path = '/big'})
				end)
				ours.ftp.MAXBODY = nil
				assert.equal(err, not r[1][1] and r[1][2])
			end
		end
	end)

	it('bounds a file that becomes a string, at 256 MB', function()
		local most = require'socket2.luasocket.limit'
		local before = most.STRING
		most.STRING = 5
		local r = alone(function(m) return m.ftp.get('ftp://' .. U .. '/hello') end)
		most.STRING = before
		assert.equal(256 * 1024 * 1024, before)
		assert.same({nil, 'body too long', n = 2}, r)
	end)

	it('does not raise for a type of a url that is none', function()
		for params, kind in pairs{['foo=bar'] = 'nil', ['type=az'] = 'nil'} do
			assert.same({nil, ("invalid type '%s'"):format(kind), n = 2},
				alone(function(m) return m.ftp.get('ftp://h/x;' .. params) end))
		end
	end)
end)
