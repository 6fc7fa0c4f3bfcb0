-- What has to work wherever socket2 was installed, run from the root folder with a clean environment.

local assert = require'luassert'
local process = require'process'

local installed = {}

-- environment(words) -> run: run(arguments) is the command that starts luajit with only these variables.
function installed.environment(words)
	return function(arguments)
		return ('timeout 60 env -C / -i PATH="$PATH" %s luajit %s 2>&1'):format(words, arguments)
	end
end

-- sh(command, ...) -> its output; the command has to succeed.
function installed.sh(command, ...)
	local output = process.output(('{ %s; } 2>&1; echo " $?"'):format(command:format(...)))
	local text, code = output:match'^(.-)\n? (%d+)\n$'
	assert.equal('0', code, output)
	return text
end

-- libraries_of(p) -> the files called libsocket2.something that a process of `timeout` has mapped
local function libraries_of(p)
	local child = process.wait_for(function()
		return process.read(('/proc/%d/task/%d/children'):format(p.pid, p.pid)):match'%d+'
	end)
	local seen, list = {}, {}
	for path in process.read(('/proc/%s/maps'):format(child)):gmatch'(/[^\n]*libsocket2[^/\n]*)\n' do
		if not seen[path] then
			seen[path] = true
			list[#list + 1] = path
		end
	end
	return list
end

-- A LuaSocket program that prints a line that it has sent to itself, and the path of its module.
local EXCHANGE = [[-e '
local socket = require"socket"
local server = assert(socket.bind("127.0.0.1", 0))
local host, port = server:getsockname()
local client = assert(socket.connect(host, port))
local peer = assert(server:accept())
peer:send("a line\n")
print(client:receive(), debug.getinfo(socket.bind, "S").source)']]
installed.exchange = EXCHANGE

-- check(run, examples, library, modules): the example server and client in that folder talk to each other and
-- load that library, in new Lua states, too; the drop-ins are those beside the other Lua modules, and without
-- them LuaSocket is the original.
function installed.check(run, examples, library, modules)
	local p = process.start(run(examples .. '/echo_server.lua'))
	local line = p.file:read'*l'
	local port = line and line:match':(%d+)$' or error('no address in: ' .. tostring(line))
	local client = run(('%s/echo_client.lua %s 127.0.0.1 one two'):format(examples, port))
	local echoed, libraries = process.output(client), libraries_of(p)
	p:stop()
	assert.equal('one\ntwo\n', echoed)
	assert.same({library}, libraries)

	assert.matches('9592 primes below 100000\n$', process.output(run(examples .. '/threads.lua 1e5')))

	assert.equal(('a line\t@%s/socket2/compat/socket.lua\n'):format(modules),
		process.output(run('-lsocket2.dropin ' .. EXCHANGE)))
	assert.equal('a line\t@/usr/share/lua/5.1/socket.lua\n', process.output(run('-lsocket2 ' .. EXCHANGE)))
end

return installed
