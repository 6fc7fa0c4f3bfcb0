-- The C functions of the Lua that runs this program, which an OS thread needs to make a state of its own.

local ffi = require'ffi'
local pcall, pairs, error = pcall, pairs, error

-- Declared under names of their own, because the program may have declared the functions in another way.
local functions = {
	newstate = 'void *%s(void)', openlibs = 'void %s(void *)',
	loadbuffer = 'int %s(void *, const char *, size_t, const char *)',
	pushnumber = 'void %s(void *, double)', pcall = 'int %s(void *, int, int, int)',
	cpcall = 'int %s(void *, int (*)(void *), void *)',
	tolstring = 'const char *%s(void *, int, size_t *)', close = 'void %s(void *)',
}

local symbols = {newstate = 'luaL_newstate', openlibs = 'luaL_openlibs', loadbuffer = 'luaL_loadbuffer'}

local lua

-- host() -> socket2_lua: raises when the program does not export them.
return function()
	if lua then
		return lua
	end
	local found = ffi.new'socket2_lua'
	for name, declaration in pairs(functions) do
		local own, symbol = 'socket2_lua_' .. name, symbols[name] or 'lua_' .. name
		ffi.cdef(('%s __asm__("%s");'):format(declaration:format(own), symbol))
		local ok = pcall(function()
			found[name] = ffi.C['socket2_lua_' .. name]
		end)
		if not ok then
			error(('threads need %s of Lua\'s C API, which this program does not export'):format(symbol), 0)
		end
	end
	lua = found
	return lua
end
