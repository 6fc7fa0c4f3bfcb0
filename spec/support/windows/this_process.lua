-- What the system says about the process of the specs.

local ffi = require'ffi'
local shell = require'shell'

local C = ffi.C

ffi.cdef[[
typedef struct {
	uint32_t size, usage, id, owner; int32_t priority, change; uint32_t flags;
} spec_thread_entry;
uint32_t GetCurrentProcessId(void);
typedef struct {
	uint64_t object, owner, handle; uint32_t access; uint16_t index, type; uint32_t attributes, reserved;
} spec_handle;
typedef struct { uint64_t count, reserved; spec_handle handles[1]; } spec_handles;
int32_t NtQuerySystemInformation(uint32_t, void *, uint32_t, uint32_t *);
void *CreateToolhelp32Snapshot(uint32_t, uint32_t);
int Thread32First(void *, spec_thread_entry *);
int Thread32Next(void *, spec_thread_entry *);
int CloseHandle(void *);
void *CreateThread(void *, size_t, uint32_t (__stdcall *)(void *), void *, uint32_t, uint32_t *);
uint32_t __stdcall CtrlRoutine(void *);
uint32_t WaitForSingleObject(void *, uint32_t);
void *CreateFileA(const char *, uint32_t, uint32_t, const void *, uint32_t, uint32_t, void *);
]]

local THREADS, ALL_HANDLES, OPEN_EXISTING = 4, 64, 3

local ntdll = ffi.load'ntdll'
local size = 65536
local files -- the type of file handles

local this_process = {}

function this_process.pid()
	return C.GetCurrentProcessId()
end

local events = {int = 0, ['break'] = 1}

-- signal(name): does what a console does that tells only this process: calls the handlers in a thread like
-- the system's, and waits until they have returned.
function this_process.signal(name)
	local thread = C.CreateThread(nil, 0, C.CtrlRoutine, ffi.cast('void *', events[name]), 0, nil)
	C.WaitForSingleObject(thread, 10000)
	C.CloseHandle(thread)
end

-- privileged() -> boolean: whether it may use raw sockets
function this_process.privileged()
	return require'socket2'.raw('inet', 'icmp') ~= nil
end

-- handles() -> iterator over this process's handles. (GetProcessHandleCount is always 0 in Wine.)
local function handles()
	local buf = ffi.new('char[?]', size)
	while ntdll.NtQuerySystemInformation(ALL_HANDLES, buf, size, nil) < 0 do
		size = size * 2
		buf = ffi.new('char[?]', size)
	end
	local all, i = ffi.cast('spec_handles *', buf), -1
	return function()
		repeat
			i = i + 1
		until i == tonumber(all.count) or all.handles[i].owner == C.GetCurrentProcessId()
		return i < tonumber(all.count) and all.handles[i] or nil, buf
	end
end

local function type_of_files()
	local file = C.CreateFileA('NUL', 0, 0, nil, OPEN_EXISTING, 0, nil)
	local found
	for handle in handles() do
		if handle.handle == ffi.cast('uintptr_t', file) then
			found = handle.type
		end
	end
	C.CloseHandle(file)
	return found
end

-- fds() -> number of open sockets and files. (The system keeps handles of other kinds as it likes.)
function this_process.fds()
	files = files or type_of_files()
	local n = -shell.left
	for handle in handles() do
		if handle.type == files then
			n = n + 1
		end
	end
	return n
end

-- tasks() -> number of OS threads
function this_process.tasks()
	local snapshot, entry = C.CreateToolhelp32Snapshot(THREADS, 0), ffi.new'spec_thread_entry'
	entry.size = ffi.sizeof(entry)
	local n, more = 0, C.Thread32First(snapshot, entry)
	while more ~= 0 do
		if entry.owner == C.GetCurrentProcessId() then
			n = n + 1
		end
		more = C.Thread32Next(snapshot, entry)
	end
	C.CloseHandle(snapshot)
	return n
end

return this_process
