-- Runs busted in a LuaJIT for Windows, with stand-ins for what it has in C:
--	luajit.exe spec/support/windows/run_specs.lua [busted's arguments]

local ffi = require'ffi'

ffi.cdef[[
void GetSystemTimePreciseAsFileTime(uint64_t *);
int QueryPerformanceCounter(int64_t *);
int QueryPerformanceFrequency(int64_t *);
void Sleep(uint32_t);
]]

-- Stand-ins first, busted's own modules last.
local DEBIAN = '/usr/share/lua/5.1/'
package.path = table.concat({arg[0]:match'^(.*)run_specs%.lua$' .. '?.lua', package.path, DEBIAN .. '?.lua',
	DEBIAN .. '?/init.lua'}, ';')

package.preload['system.core'] = function()
	local EPOCH, TICKS = 11644473600, 1e7 -- seconds from 1601 to 1970; units of 100 ns
	local n, frequency = ffi.new'int64_t[1]', ffi.new'int64_t[1]'
	ffi.C.QueryPerformanceFrequency(frequency)
	return {
		gettime = function()
			local time = ffi.new'uint64_t[1]'
			ffi.C.GetSystemTimePreciseAsFileTime(time)
			return tonumber(time[0]) / TICKS - EPOCH
		end,
		monotime = function()
			ffi.C.QueryPerformanceCounter(n)
			return tonumber(n[0]) / tonumber(frequency[0])
		end,
		sleep = function(seconds) ffi.C.Sleep(seconds * 1000) end,
	}
end

package.preload['term.core'] = function()
	return {isatty = function() return false end}
end

require'shell'
require'busted.runner'{standalone = false}
