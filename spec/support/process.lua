-- Processes as peers of the specs: started in a shell, ended by their own pid.

local ffi = require'ffi'
local socket = require'socket2'

local process = {}
process.__index = process

-- What a command begins with that needs the machine's Lua modules: a LuaJIT for Windows does not look there.
process.with_modules = ffi.os == 'Windows' and 'env "LUA_PATH=$LUA_PATH;/usr/share/lua/5.1/?.lua" ' or ''

-- A preloaded sanitizer is for programs that load the library, not for peers.
local function clean(command)
	return (command:find'tools/run' and '' or 'unset LD_PRELOAD; ') .. command
end

-- start(command, [mode='r']) -> process: runs a shell command (a single program), with its output ('r') or
-- its input ('w') as p.file.
function process.start(command, mode)
	local pid_file = os.tmpname()
	local p = setmetatable({pid_file = pid_file}, process)
	p.file = assert(io.popen(clean(('echo $$ >%s; exec %s'):format(pid_file, command)), mode or 'r'))
	process.wait_for(function()
		p.pid = tonumber(process.read(pid_file) or '')
		return p.pid
	end)
	return p
end

-- stop(): ends the process, if it still runs.
function process:stop()
	if self.pid then
		os.execute(('kill %d 2>/dev/null'):format(self.pid))
		self.file:close()
		os.remove(self.pid_file)
		self.pid = nil
	end
end

-- read(path) -> string | nil
function process.read(path)
	local f = io.open(path, 'rb')
	local s = f and f:read'*a'
	if f then f:close() end
	return s
end

-- output(command) -> its output
function process.output(command)
	local f = assert(io.popen(clean(command), 'r'))
	local s = f:read'*a'
	f:close()
	return s
end

-- wait_for(condition, [seconds]) -> what condition() returned: calls it until that is true.
function process.wait_for(condition, seconds)
	local deadline = socket.clock() + (seconds or 10)
	while true do
		local v = condition()
		if v then
			return v
		elseif socket.clock() > deadline then
			error('it did not come true in time', 2)
		end
		socket.poll(0.01)
	end
end

-- free_port() -> a free TCP port, for programs that cannot take port 0
function process.free_port()
	local s = assert(socket.tcp())
	assert(s:bind('127.0.0.1', 0))
	local port = s:localaddr():port()
	s:close()
	return port
end

return process
