-- Makes lua/socket2/cdef.lua from capi/socket2.h, the only source of Lua's declarations.
-- usage: luajit tools/cdef.lua [--check]

local function read(path)
	local f = assert(io.open(path, 'rb'))
	local s = f:read'*a'
	f:close()
	return s
end

local function declarations(header)
	local s = header:gsub('/%*.-%*/', '')
	s = s:gsub('#ifdef __cplusplus.-#endif', '')
	s = s:gsub('\n#[^\n]*', ''):gsub('^#[^\n]*', '')
	s = s:gsub('SOCKET2_API ', '')
	s = s:gsub('[ \t]+\n', '\n'):gsub('\n\n+', '\n'):gsub('^\n+', '')
	return s
end

local path = 'lua/socket2/cdef.lua'
local text = '-- Generated from capi/socket2.h by tools/cdef.lua.\n'
	.. 'return [[\n' .. declarations(read'capi/socket2.h') .. ']]\n'

if arg[1] == '--check' then
	if read(path) ~= text then
		io.stderr:write(path .. ' is not what capi/socket2.h says: run luajit tools/cdef.lua\n')
		os.exit(1)
	end
else
	local f = assert(io.open(path, 'wb'))
	f:write(text)
	f:close()
end
