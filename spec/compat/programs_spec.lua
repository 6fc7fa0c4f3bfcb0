-- Programs and libraries of others, unchanged, under `luajit -lsocket2.dropin`: copas, lua-redis,
-- LuaSec, a loop of select(). Each runs in a process of its own.

local process = require'process'

local function missing(name)
	return not pcall(require, name) and process.output(
		("${SOCKET2_LUAJIT:-luajit} -l%s -e 'print(1)' 2>&1"):format(name)) ~= '1\n'
end

-- case(what, {module = package that has it}, f): pending where one is missing.
local function case(what, needed, f)
	for module, package in pairs(needed) do
		if missing(module) then
			it(what, function()
				pending(package .. ' is not installed')
			end)
			return
		end
	end
	it(what, f)
end

local dir

local function path_of(name)
	return dir .. '/' .. name
end

-- A program as a file, after what all of them have.
local function write(name, program)
	local f = assert(io.open(path_of(name), 'w'))
	f:write(program)
	f:close()
end

local function command(name, ...)
	return ('%stimeout 20 tools/run -lsocket2.dropin %s %s 2>&1'):format(process.with_modules, path_of(name),
		table.concat({...}, ' '))
end

-- runs(expected, name, arguments...): the program prints that.
local function runs(expected, name, ...)
	assert.equal(expected, process.output(command(name, ...)))
end

describe('under -lsocket2.dropin', function()
	setup(function()
		dir = process.output'mktemp -d':match'^(.-)\n'
	end)

	teardown(function()
		os.execute('rm -r ' .. dir)
	end)

	case('copas serves and fetches', {copas = 'lua-copas'}, function()
		write('copas.lua', [[
			local copas = require'copas'
			local socket = require'socket'
			local http = require'socket.http'
			local ltn12 = require'ltn12'
			local function serve(handler)
				local server = assert(socket.bind('127.0.0.1', 0))
				copas.addserver(server, function(s)
					return handler(copas.wrap(s))
				end)
				return (select(2, server:getsockname()))
			end
			local echo = serve(function(s)
				for line in function() return s:receive() end do
					s:send(line .. '\n')
				end
			end)
			local body = ('x'):rep(1000000)
			local web = serve(function(s)
				repeat
					local line = s:receive()
				until not line or line == ''
				s:send('HTTP/1.1 200 OK\r\nContent-Length: ' .. #body .. '\r\n\r\n' .. body)
			end)
			local done, fetched = 0, 0
			for i = 1, 20 do
				copas.addthread(function()
					local s = assert(socket.tcp())
					assert(copas.connect(s, '127.0.0.1', echo))
					for j = 1, 10 do
						local line = 'line ' .. i .. ' ' .. j
						assert(copas.send(s, line .. '\n'))
						assert(copas.receive(s) == line)
					end
					s:close()
					done = done + 1
				end)
			end
			local function create()
				local s = socket.tcp()
				return {
					settimeout = function() return 1 end,
					connect = function(_, ...) return copas.connect(s, ...) end,
					send = function(_, ...) return copas.send(s, ...) end,
					receive = function(_, ...) return copas.receive(s, ...) end,
					close = function() return s:close() end,
					getfd = function() return s:getfd() end,
					dirty = function() return s:dirty() end,
				}
			end
			for i = 1, 5 do
				copas.addthread(function()
					local t = {}
					local ok, code = http.request{
						url = 'http://127.0.0.1:' .. web .. '/', create = create, sink = ltn12.sink.table(t)}
					assert(ok and code == 200 and table.concat(t) == body)
					fetched = fetched + 1
				end)
			end
			repeat
				copas.step(5)
			until done == 20 and fetched == 5
			print(done, fetched)
			os.exit(0)
		]])
		runs('20\t5\n', 'copas.lua')
	end)

	case('luaevent watches objects', {['luaevent.core'] = 'lua-event'}, function()
		write('luaevent.lua', [[
			local event, socket = require'luaevent.core', require'socket'
			local server = assert(socket.bind('127.0.0.1', 0))
			server:settimeout(0)
			local base, echoed, finished = event.new(), {}, false
			local accepting
			accepting = base:addevent(server, event.EV_READ + event.EV_PERSIST, function()
				local s = assert(server:accept())
				s:settimeout(0)
				base:addevent(s, event.EV_READ, function()
					local data, err, part = s:receive'*a'
					data = data or part
					if err == 'timeout' or data ~= '' then
						assert(s:send(data))
						return event.EV_READ
					end
					finished = true
					accepting:close()
					return event.LEAVE
				end)
			end)
			local c = socket.tcp()
			c:settimeout(0)
			c:connect('127.0.0.1', (select(2, server:getsockname())))
			base:addevent(c, event.EV_WRITE, function()
				assert(c:getpeername())
				assert(c:send'line 1\n')
				base:addevent(c, event.EV_READ, function(what)
					echoed[#echoed + 1] = assert(c:receive())
					if #echoed == 3 then
						c:shutdown'send'
						return event.LEAVE
					end
					assert(c:send('line ' .. #echoed + 1 .. '\n'))
					return event.EV_READ
				end, 10)
				return event.LEAVE
			end, 10)
			base:loop()
			print(table.concat(echoed, ', '), finished)
			os.exit(0)
		]])
		runs('line 1, line 2, line 3\ttrue\n', 'luaevent.lua')
	end)

	case('lua-redis talks to a server, while a thread ticks', {redis = 'lua-redis'}, function()
		if process.output'command -v redis-server' == '' then
			pending'redis-server is not installed'
			return
		end
		write('redis.lua', [[
			local redis, socket, api = require'redis', require'socket', require'socket2'
			local c
			local deadline = socket.gettime() + 10
			repeat
				local ok, client = pcall(redis.connect, '127.0.0.1', tonumber(arg[1]))
				c = ok and client
				socket.sleep(0.01)
			until c or socket.gettime() > deadline
			local ticks = 0
			local ticker = api.newthread(function()
				while api.sleep(0.005) do
					ticks = ticks + 1
				end
			end)
			assert(c:ping())
			local binary = ('\0\r\n'):rep(100000)
			c:set('key', binary)
			assert(c:get'key' == binary)
			local replies = c:pipeline(function(p)
				for _ = 1, 100 do
					p:incrby('counter', 2)
				end
				p:get'counter'
			end)
			assert(#replies == 101 and replies[101] == '200')
			local before = ticks
			assert(c:blpop('nothing', 1) == nil)
			assert(ticks - before > 20)
			c:rpush('list', 'x')
			assert(c:blpop('list', 1)[2] == 'x')
			print'done'
			os.exit(0)
		]])
		local port = process.free_port()
		local serve = "redis-server --port %d --bind 127.0.0.1 --save '' --dir %s"
		local p = process.start(serve:format(port, dir))
		local output = process.output(command('redis.lua', port))
		p:stop()
		assert.equal('done\n', output)
	end)

	case('LuaSec takes our sockets, as server and as client', {ssl = 'lua-sec'}, function()
		local make = 'openssl req -x509 -newkey rsa:2048 -nodes -keyout %s -out %s -days 2 -subj /CN=localhost'
		process.output(make:format(path_of'key.pem', path_of'cert.pem') .. ' 2>&1')
		write('server.lua', ([[
			local socket, ssl = require'socket', require'ssl'
			local server = assert(socket.bind('127.0.0.1', 0))
			print((select(2, server:getsockname())))
			io.stdout:flush()
			local c = assert(server:accept())
			local fd = c:getfd()
			local s = assert(ssl.wrap(c, {mode = 'server', protocol = 'any', key = '%s', certificate = '%s'}))
			assert(c:getfd() == -1 and s:getfd() == fd)
			assert(s:dohandshake())
			for line in function() return s:receive() end do
				assert(s:send(line:upper() .. '\n'))
			end
			s:close()
		]]):format(path_of'key.pem', path_of'cert.pem'))
		write('client.lua', [[
			local socket, ssl = require'socket', require'ssl'
			local c = assert(socket.connect('127.0.0.1', tonumber(arg[1])))
			local s = assert(ssl.wrap(c, {mode = 'client', protocol = 'any', verify = 'none'}))
			assert(s:dohandshake())
			for i = 1, 100 do
				assert(s:send('line ' .. i .. '\n'))
				assert(s:receive() == 'LINE ' .. i)
			end
			s:settimeout(0)
			assert(select(2, s:receive()) == 'wantread')
			assert(s:send'one\ntwo\n')
			local r, w, err
			local got = {}
			repeat
				r, w, err = socket.select({s}, nil, 5)
				assert(r[1] == s and r[s] == 1 and #w == 0 and err == nil)
				got[#got + 1] = s:receive()
			until #got == 2
			assert(got[1] == 'ONE' and got[2] == 'TWO')
			s:close()
			print'done'
		]])
		local p = process.start(command'server.lua')
		local port = p.file:read'*l'
		local output = process.output(command('client.lua', port))
		p:stop()
		assert.equal('done\n', output)
	end)

	it('a loop of select() serves 200 clients', function()
		write('server.lua', [[
			local socket = require'socket'
			local server = assert(socket.bind('127.0.0.1', 0, 256))
			server:settimeout(0)
			print((select(2, server:getsockname())))
			io.stdout:flush()
			local reading, pending, left = {server}, {}, 200
			local function drop(c)
				for i = 2, #reading do
					if reading[i] == c then
						table.remove(reading, i)
						break
					end
				end
				c:close()
				left = left - 1
			end
			while left > 0 do
				local writing = {}
				for c in pairs(pending) do
					writing[#writing + 1] = c
				end
				local r, w, err = socket.select(reading, writing, 10)
				assert(not err, err)
				for _, c in ipairs(r) do
					if c == server then
						c = assert(server:accept())
						c:settimeout(0)
						reading[#reading + 1] = c
					else
						local data, err, part = c:receive(8192)
						data = data or part
						if #data > 0 then
							pending[c] = (pending[c] or '') .. data
						elseif err == 'closed' and not pending[c] then
							drop(c)
						end
					end
				end
				for _, c in ipairs(w) do
					local last, err, part = c:send(pending[c])
					local rest = pending[c]:sub((last or part) + 1)
					pending[c] = #rest > 0 and rest or nil
				end
			end
			print'served'
		]])
		write('client.lua', [[
			local socket, api = require'socket', require'socket2'
			local done = 0
			for i = 1, 200 do
				api.newthread(function()
					local s = assert(socket.connect('127.0.0.1', tonumber(arg[1])))
					local data = ('%d '):format(i):rep(5000)
					api.newthread(function()
						assert(s:send(data))
						s:shutdown'send'
					end)
					assert(s:receive'*a' == data)
					done = done + 1
				end)
			end
			api.start()
			print(done)
		]])
		local p = process.start(command'server.lua')
		local port = p.file:read'*l'
		local output = process.output(command('client.lua', port))
		assert.equal('200\n', output)
		assert.equal('served', p.file:read'*l')
		p:stop()
	end)

	it('threads go on while the main program blocks in each call', function()
		write('blocking.lua', [[
			local socket, api = require'socket', require'socket2'
			local server = assert(socket.bind('127.0.0.1', 0))
			local _, port = server:getsockname()
			local ticks = 0
			api.newthread(function()
				while api.sleep(0.001) do
					ticks = ticks + 1
				end
			end)
			local function ticking(f, ...)
				local before = ticks
				local v = assert(f(...))
				assert(ticks > before + 3, 'the thread stood still')
				return v
			end
			local function later(f)
				api.newthread(function()
					local goal = ticks + 8
					while ticks < goal do
						api.sleep(0.001)
					end
					f()
				end)
			end
			local peer
			later(function() peer = assert(socket.connect('127.0.0.1', port)) end)
			local s = ticking(server.accept, server)
			later(function() peer:send'line\n' end)
			assert(ticking(s.receive, s) == 'line')
			later(function() peer:receive(20000000) end)
			assert(ticking(s.send, s, ('x'):rep(20000000)) == 20000000)
			later(function() peer:send'x' end)
			ticking(socket.select, {s})
			ticking(function() socket.sleep(0.05) return true end)
			local u = assert(socket.udp())
			assert(u:setsockname('127.0.0.1', 0))
			local _, to = u:getsockname()
			later(function() assert(socket.udp():sendto('datagram', '127.0.0.1', to)) end)
			assert(ticking(u.receive, u) == 'datagram')
			s:settimeout(0.05)
			assert(s:receive(1) == 'x')
			ticking(function() return select(2, s:receive()) == 'timeout' end)
			print'done'
			os.exit(0)
		]])
		runs('done\n', 'blocking.lua')
	end)
end)
