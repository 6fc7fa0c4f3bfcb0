-- io.popen, os.execute and os.tmpname for the specs: commands run in a POSIX shell. Under Wine it is the
-- shell of the system below, elsewhere the sh.exe that comes with Git. Commands write to and read from files,
-- because the programs below cannot use Wine's pipes.

local ffi = require'ffi'

local C = ffi.C

ffi.cdef[[
typedef struct {
	uint32_t size; char *reserved, *desktop, *title; uint32_t numbers[7], flags; uint16_t show, reserved2;
	void *reserved3, *input, *output, *error;
} spec_startup;
typedef struct { void *process, *thread; uint32_t process_id, thread_id; } spec_process;
typedef struct { uint32_t size; void *descriptor; int inherit; } spec_security;
int CreateProcessA(const char *, char *, void *, void *, int, uint32_t, void *, const char *, spec_startup *,
	spec_process *);
void *CreateFileA(const char *, uint32_t, uint32_t, const void *, uint32_t, uint32_t, void *);
int CloseHandle(void *);
void *GetModuleHandleA(const char *);
void *GetProcAddress(void *, const char *);
uint32_t GetCurrentProcessId(void);
void Sleep(uint32_t);
int QueryPerformanceCounter(int64_t *);
]]

local GENERIC_READ, GENERIC_WRITE, SHARE_ALL, CREATE_ALWAYS, OPEN_EXISTING = 0x80000000, 0x40000000, 7, 2, 3
local USE_HANDLES = 0x100
local STEP = 5 -- ms between two looks at a command's output

local on_wine = C.GetProcAddress(C.GetModuleHandleA'ntdll', 'wine_get_version') ~= nil
local temporary = on_wine and '/tmp' or os.getenv'TEMP':gsub('\\', '/')
local sh = on_wine and '/bin/sh' or 'sh.exe'

-- left: how many handles Wine has left open: one to the program's file for each program of the system below.
local shell = {on_wine = on_wine, left = 0}

local made, began = 0, ffi.new'int64_t[1]'
C.QueryPerformanceCounter(began)

-- Replaces Windows' own, which names files in the root. Several Wines number their processes independently.
function os.tmpname() -- luacheck: ignore
	made = made + 1
	local path = ('%s/socket2_spec_%d_%.0f_%d'):format(temporary, C.GetCurrentProcessId(),
		tonumber(began[0]), made)
	assert(io.open(path, 'wb')):close()
	return path
end

local function write(path, text)
	local f = assert(io.open(path, 'wb'))
	f:write(text)
	f:close()
end

local security = ffi.new('spec_security', {size = ffi.sizeof'spec_security', inherit = 1})

local function open(path, access, disposition)
	return C.CreateFileA(path, access, SHARE_ALL, security, disposition, 0, nil)
end

-- Runs a line of shell code with its output in a file, without waiting for it.
local function run(line, output)
	local startup, process = ffi.new'spec_startup', ffi.new'spec_process'
	startup.size, startup.flags = ffi.sizeof(startup), USE_HANDLES
	startup.input = open('NUL', GENERIC_READ, OPEN_EXISTING)
	startup.output = open(output, GENERIC_WRITE, CREATE_ALWAYS)
	startup.error = startup.output
	line = ('%s -c "%s"'):format(sh, line)
	local ok = C.CreateProcessA(nil, ffi.new('char[?]', #line + 1, line), nil, nil, 1, 0, nil, nil, startup,
		process)
	C.CloseHandle(startup.input)
	C.CloseHandle(startup.output)
	assert(ok ~= 0, 'no shell')
	if process.process ~= nil then
		C.CloseHandle(process.process)
		C.CloseHandle(process.thread)
	else
		shell.left = shell.left + 1
	end
end

local command = {}
command.__index = command

-- What is written to the input file goes to the command, until `kill` ends the tail.
local INPUT = '{ tail -n +1 -s 0.02 -f %s & echo $! >%s; wait; } | '

local function start(line, has_input)
	local path = os.tmpname()
	local self = setmetatable({path = path, output = path .. '.out', code = path .. '.code', at = 0}, command)
	write(path, line)
	local input = ''
	if has_input then
		self.input, self.tail = path .. '.in', path .. '.tail'
		write(self.input, '')
		input = INPUT:format(self.input, self.tail)
	end
	run(('%s/bin/sh %s; echo $? >%s.part; mv %s.part %s'):format(input, path, self.code, self.code, self.code),
		self.output)
	return self
end

-- The exit code, when the command is over.
local function over(self)
	local f = io.open(self.code)
	if f then
		self.status = f:read'*n'
		f:close()
	end
	return self.status
end

-- What the command has written since the last call.
local function more(self)
	local f = assert(io.open(self.output, 'rb'))
	f:seek('set', self.at)
	local s = f:read'*a'
	f:close()
	self.at = self.at + #s
	return (s:gsub('\r\n', '\n'))
end

-- Reads what the command writes until `pattern` matches, and returns the captures; or all until it is over,
-- and then true.
local function read(self, pattern)
	local s = self.rest or ''
	while true do
		local ended = over(self)
		s = s .. more(self)
		local _, last, found
		if pattern then
			_, last, found = s:find(pattern)
		end
		if found then
			self.rest = s:sub(last + 1)
			return found
		elseif ended then
			self.rest = ''
			return s, true
		end
		C.Sleep(STEP)
	end
end

function command:read(what)
	if what == '*a' then
		return (read(self))
	end
	local line, ended = read(self, '^(.-)\n')
	if ended and line == '' then
		return nil
	end
	return line
end

function command:lines()
	return function() return self:read'*l' end
end

function command:write(...)
	local f = assert(io.open(self.input, 'ab'))
	f:write(...)
	f:close()
	return self
end

function command:flush()
	return self
end

function command:close()
	if self.input then
		os.execute(('kill $(cat %s)'):format(self.tail))
		os.remove(self.input)
		os.remove(self.tail)
	end
	while not over(self) do
		C.Sleep(STEP)
	end
	for _, path in ipairs{self.path, self.output, self.code} do
		os.remove(path)
	end
	return true
end

-- popen(line, ['r' | 'w']) -> file: the command's output, or its input
function io.popen(line, mode) -- luacheck: ignore
	return start(line, mode == 'w')
end

-- execute(line) -> exit code
function os.execute(line) -- luacheck: ignore
	local self = start(line)
	self:close()
	return self.status
end

return shell
