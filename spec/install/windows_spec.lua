-- The zip file for Windows, unpacked outside of the source tree and run without anything else of the project.

local installed = require'installed'
local process = require'process'

local sh = installed.sh

local library = assert(os.getenv'SOCKET2_LIB')

describe('the zip file for Windows', function()
	local place, folder

	-- run(arguments) -> what LuaJIT prints, elsewhere and with no variables but LUA_PATH
	local function command(arguments)
		return ('timeout 60 env -C / -i PATH="$PATH" HOME="$HOME" LUA_PATH="%s/?.lua;;" $SOCKET2_LUAJIT %s 2>&1')
			:format(folder, arguments)
	end

	local function run(arguments)
		return (process.output(command(arguments)):gsub('\r', ''))
	end

	before_each(function()
		place = sh'realpath $(mktemp -d)'
		folder = place .. '/a folder'
		sh('tools/dist %s/socket2.zip %s', place, library)
		sh('cd %s && python3 -m zipfile -e socket2.zip . && mv socket2 "%s"', place, folder)
	end)

	after_each(function()
		os.execute('rm -rf ' .. place)
	end)

	it('has the library beside the Lua files', function()
		assert.equal(folder .. '/socket2.dll\n', run[[-e 'require"socket2" print(require"socket2.lib".path)']])
	end)

	it('has a server and a client that talk', function()
		local server = process.start(command(('"%s/examples/echo_server.lua"'):format(folder)))
		local line = server.file:read'*l'
		local port = line and line:match':(%d+)%s*$' or error('no address in: ' .. tostring(line))
		local echoed = run(('"%s/examples/echo_client.lua" %s 127.0.0.1 one two'):format(folder, port))
		server:stop()
		assert.equal('one\ntwo\n', echoed)
	end)

	it('starts threads', function()
		assert.matches('9592 primes below 100000\n', run(('"%s/examples/threads.lua" 1e5'):format(folder)))
	end)

	it('has the drop-ins', function()
		assert.equal(('a line\t@%s/socket2/compat/socket.lua\n'):format(folder),
			run('-lsocket2.dropin ' .. installed.exchange))
	end)

	it('tells where it looked for a library that is gone', function()
		sh('rm "%s/socket2.dll"', folder)
		local message = run[[-e 'print(select(2, pcall(require, "socket2")))']]
		assert.equal(([[socket2: the C library was not found. These places were tried:
	cannot load module '%s/socket2.dll': Module not found.
	cannot load module 'socket2.dll': Module not found. (the system's libraries)
]]):format(folder), message:match'^.-libraries%)\n')
		assert.matches('\nInstall it, put socket2.dll beside socket2.lua, or set SOCKET2_LIB to its path.\n$',
			message)
	end)
end)
