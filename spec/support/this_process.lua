-- What the system says about the process of the specs. spec/support/windows has another version.

local ffi = require'ffi'

local C = ffi.C

ffi.cdef[[
int spec_getpid(void) __asm__("getpid");
unsigned spec_geteuid(void) __asm__("geteuid");
int spec_kill(int, int) __asm__("kill");
]]

local this_process = {}

function this_process.pid()
	return C.spec_getpid()
end

local numbers = {hup = 1, int = 2, quit = 3, term = 15}

-- signal(name): sends it to this process, which gets it before this returns if the main thread calls.
function this_process.signal(name)
	assert(C.spec_kill(C.spec_getpid(), numbers[name]) == 0)
end

-- privileged() -> boolean: whether it may do everything
function this_process.privileged()
	return C.spec_geteuid() == 0
end

local function entries(dir)
	local n = 0
	for _ in require'lfs'.dir(dir) do
		n = n + 1
	end
	return n - 2 -- without '.' and '..'
end

-- fds() -> number of open descriptors
function this_process.fds()
	return entries'/proc/self/fd' - 1 -- without the descriptor that looks
end

-- tasks() -> number of OS threads
function this_process.tasks()
	return entries'/proc/self/task'
end

return this_process
