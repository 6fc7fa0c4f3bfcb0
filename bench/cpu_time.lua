-- cpu_time() -> seconds of CPU time of the process, more exactly than os.clock().

local ffi = require'ffi'

ffi.cdef[[
typedef struct { long seconds, nanoseconds; } bench_time;
int bench_clock_gettime(int, bench_time *) __asm__("clock_gettime");
]]
local PROCESS = 2
local t = ffi.new'bench_time'

return function()
	ffi.C.bench_clock_gettime(PROCESS, t)
	return tonumber(t.seconds) + tonumber(t.nanoseconds) * 1e-9
end
