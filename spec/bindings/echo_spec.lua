-- The echo examples of the other languages: each alone, each client with each server, and how the servers
-- handle many clients, large ones and clients that vanish.

local socket = require'socket2'
local process = require'process'
local spec = require'spec'

local library = assert(os.getenv'SOCKET2_LIB', 'SOCKET2_LIB has to be the library that was built')
local folder = library:match'^(.*)/'
local flags = '-Wall -Wextra -Wconversion -pedantic-errors -Werror -I capi -o %s/%s %s ' .. library
	.. ' -Wl,-rpath,' .. folder

local MINGW = 'x86_64-w64-mingw32-'
local cc, cxx = 'cc', 'c++'
if spec.windows then
	cc, cxx = MINGW .. 'gcc-posix', MINGW .. 'g++-posix -static'
end

-- How each is built and run, and which command has to work for that.
local languages = {
	{name = 'c', make = cc .. ' -std=c11 ' .. flags, source = 'examples/c/echo.c', probe = cc .. ' --version'},
	{name = 'cpp', make = cxx .. ' -std=c++20 ' .. flags, source = 'examples/cpp/echo.cpp',
		probe = cxx .. ' --version'},
}
local interpreted = {
	{name = 'python', run = 'python3', source = 'examples/python/echo.py', probe = 'python3 -c "import ctypes"'},
	{name = 'ruby', run = 'ruby', source = 'examples/ruby/echo.rb', probe = [[ruby -e "require 'fiddle'"]]},
	{name = 'node', run = 'node', source = 'examples/node/echo.js', probe = [[node -e "require('koffi')"]]},
}
if not spec.windows then
	for _, l in ipairs(interpreted) do languages[#languages + 1] = l end
end

-- On Windows arguments have another encoding.
local UMLAUTS = spec.windows and 'gruesse' or 'grüße'

-- The programs load this project's library, so they keep the preloaded sanitizer, unlike the peers. Not all
-- of them run with every sanitizer.
local environment = ("env LD_PRELOAD='%s' NODE_PATH=build/node/node_modules timeout 60 ")
	:format(os.getenv'LD_PRELOAD' or '')
local launcher, extension = '', ''
if spec.windows then
	launcher = ('env WINEPATH=%s %s '):format(folder, os.getenv'SOCKET2_LUAJIT':match'^(%S+) ' or '')
	extension = '.exe'
end

-- The lines of a text.
local function sorted(text)
	local lines = {}
	for line in text:gmatch'[^\n]+' do
		lines[#lines + 1] = line
	end
	table.sort(lines)
	return table.concat(lines, '\n')
end

describe('the echo examples', function()
	local dir, server

	setup(function()
		dir = process.output'mktemp -d':match'%S+'
		for _, l in ipairs(languages) do
			l.missing = os.execute(environment .. l.probe .. ' >/dev/null 2>&1') ~= 0
			local program = ('%s%s/%s%s'):format(launcher, dir, l.name, extension)
			l.command = environment .. (l.run and l.run .. ' ' .. l.source or program)
			if l.make and not l.missing then
				local said = process.output(l.make:format(dir, l.name, l.source) .. ' 2>&1; echo "exit $?"')
				assert.matches('exit 0\n$', said)
			end
		end
	end)
	teardown(function() os.execute('rm -r ' .. dir) end)

	after_each(function()
		if server then
			server:stop()
			server = nil
		end
	end)

	-- client(l, port, word...) -> what it prints, its lines sorted; its exit code
	local function client(l, port, ...)
		local out = process.output(('%s client 127.0.0.1 %d %s 2>&1; echo "exit $?"')
			:format(l.command, port, "'" .. table.concat({...}, "' '") .. "'"))
		return sorted(out:match'^(.*)exit %d+\n$'), tonumber(out:match'exit (%d+)\n$')
	end

	local function start(l)
		server = process.start(l.command .. ' server 2>/dev/null')
		local line = server.file:read'*l'
		local port = line and line:match'^listening on 127%.0%.0%.1:(%d+)$'
		return assert(tonumber(port), 'it said: ' .. tostring(line))
	end

	-- Sends the text, ends it, and takes what comes back.
	local function echoed(port, text)
		local c = assert(socket.connect('127.0.0.1', port))
		local sent = spec.go(function()
			assert(c:send(text))
			assert(c:shutdown'w')
		end)
		local answer = spec.recv_all(c)
		sent()
		c:close()
		return answer
	end

	if spec.windows then
		pending'python, ruby, node: needs interpreters for Windows'
	end

	for _, l in ipairs(languages) do
		local function it_does(what, body)
			it(('%s: %s'):format(l.name, what), function()
				if l.missing then
					return pending(l.name .. ' does not run here')
				end
				body()
			end)
		end

		it_does('both sides in one loop', function()
			local out = process.output(l.command .. '; echo "exit $?"')
			assert.matches('^exit 0\nfrom %S+\nhello$', sorted(out)) -- the answers can come in either order
		end)

		it_does('a client that finds nobody says so', function()
			local out, code = client(l, process.free_port(), 'hello')
			assert.equal(1, code)
			assert.matches('nobody listens at that address', out)
		end)

		it_does('its server has clients of all languages', function()
			local port = start(l)
			for _, other in ipairs(languages) do
				if not other.missing then
					local out, code = client(other, port, UMLAUTS, 'one', 'two words')
					assert.same({other.name, UMLAUTS .. '\none\ntwo words', 0}, {other.name, out, code})
				end
			end
			assert.equal('from nc\n', process.output(
				('echo from nc | timeout 10 nc -N 127.0.0.1 %d'):format(port)))
		end)

		it_does('its server stands many clients, large ones and those that vanish', function()
			local port = start(l)
			local large = ('0123456789abcde\n'):rep(65536)
			spec.run(function()
				local quiet = assert(socket.connect('127.0.0.1', port))
				for _ = 1, 5 do
					local c = assert(socket.connect('127.0.0.1', port))
					c:send(large, nil, socket.clock() + 0.05) -- no client takes the echo
					assert(c:setopt('linger', 0))
					c:close()
				end
				local others = {}
				for i = 1, 100 do
					others[i] = spec.go(echoed, port, 'client ' .. i)
				end
				assert.is_true(echoed(port, large) == large)
				for i = 1, 100 do
					assert.equal('client ' .. i, others[i]())
				end
				assert(quiet:send'still there?')
				assert.equal('still there?', spec.recv_all(quiet, 12))
				quiet:close()
			end, 30)
		end)
	end
end)
