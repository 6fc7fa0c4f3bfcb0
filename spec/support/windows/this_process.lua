-- What the system says of the process that the specs run in.

local ffi = require'ffi'

local C = ffi.C

ffi.cdef[[
typedef struct { uint32_t size, usage, id, owner; int32_t priority, change; uint32_t flags; } spec_thread_entry;
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
]]

local THREADS, ALL_HANDLES = 4, 64

local ntdll = ffi.load'ntdll'
local size = 65536

local this_process = {}

function this_process.pid()
	return C.GetCurrentProcessId()
end

-- fds() -> number of open handles, of sockets and of all else. (GetProcessHandleCount is always 0 in Wine.)
function this_process.fds()
	local buf = ffi.new('char[?]', size)
	while ntdll.NtQuerySystemInformation(ALL_HANDLES, buf, size, nil) < 0 do
		size = size * 2
		buf = ffi.new('char[?]', size)
	end
	local all, n = ffi.cast('spec_handles *', buf), 0
	for i = 0, tonumber(all.count) - 1 do
		if all.handles[i].owner == C.GetCurrentProcessId() then
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
