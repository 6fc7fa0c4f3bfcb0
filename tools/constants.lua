-- Prints the constants of capi/socket2.h, "NAME VALUE" a line, because compiled programs contain their
-- values.

local ffi = require'ffi'

local declarations = dofile'lua/socket2/cdef.lua'
ffi.cdef(declarations)
for name in declarations:gmatch'(SOCKET2_[%u%d_]+) =' do
	print(name, ffi.C[name])
end
