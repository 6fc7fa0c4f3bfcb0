-- The C library: finds and loads it, and puts its error codes into words.

local ffi = require'ffi'
local getenv, getinfo = os.getenv, debug.getinfo
local error, type, tostring, pcall, ipairs, setmetatable = error, type, tostring, pcall, ipairs, setmetatable

local lib = {}

local own_sources = getinfo(1, 'S').source:match'^(.*)lib%.lua$'
local switching = getinfo(require'coro'.create, 'S').source

-- Does the source belong to one of the library's own modules?
function lib.is_own(source)
	return source == switching or own_sources and source:sub(1, #own_sources) == own_sources
end

-- program_level() -> the stack level of the function outside the library that called it, at any depth. The
-- caller of program_level() can pass it to error() and getinfo().
function lib.program_level()
	local level = 2
	local info = getinfo(level, 'S')
	while info and lib.is_own(info.source) do
		level = level + 1
		info = getinfo(level, 'S')
	end
	return level - 1
end

-- Raises an error at the program's line that called the library.
function lib.raise(message, ...)
	error(message:format(...), lib.program_level())
end

-- function -> its file, or false when the function is the library's own. getinfo is slow when it is asked for
-- more than the function and the line.
local files = setmetatable({}, {__mode = 'k', __index = function(t, f)
	local info = getinfo(f, 'S')
	t[f] = not lib.is_own(info.source) and info.short_src
	return t[f]
end})

-- caller() -> 'file:line': the program's line that called the library.
function lib.caller()
	local level = 2
	repeat
		local info = getinfo(level, 'fl')
		local file = info and files[info.func]
		if file then
			return file .. ':' .. info.currentline
		end
		level = level + 1
	until not info
	return '?'
end

local declarations = require'socket2.cdef'
ffi.cdef(declarations)

-- The name of the library's file.
local FILE = ({Windows = 'socket2.dll', OSX = 'libsocket2.1.dylib'})[jit.os] or 'libsocket2.so.1'

-- places() -> paths where the library may be, and the places along package.cpath that do not have it. The
-- paths: beside the Lua files (a relocatable folder), where `meson install` put it, along package.cpath (a
-- rock), and where the system looks.
local function places()
	local list = {}
	local dir = own_sources and own_sources:match'^@(.*)socket2[/\\]$'
	if dir then
		dir = dir == '' and './' or dir
		list[1] = dir .. FILE
		local installed = loadfile(dir .. 'socket2/installed.lua')
		list[2] = installed and dir .. installed() .. FILE
	end
	local path, missing = package.searchpath('libsocket2', package.cpath)
	list[#list + 1] = path
	list[#list + 1] = FILE
	return list, missing
end

local function load()
	-- the library of the state that started this one (thread.lua), or the user's choice
	local given = package.loaded['socket2.library'] or getenv'SOCKET2_LIB'
	local list, missing = {given}, nil
	if not given then
		list, missing = places()
	end
	local tried = {}
	for _, path in ipairs(list) do
		local ok, C = pcall(ffi.load, path)
		if ok then
			lib.path = path
			return C
		end
		tried[#tried + 1] = '\n\t' .. tostring(C):gsub('%s+$', '') -- messages from Windows end with a newline
	end
	if given then
		error(('socket2: the C library that SOCKET2_LIB names, %s, cannot be loaded:%s'):format(given, tried[1]), 0)
	end
	error(('socket2: the C library was not found. These places were tried:%s (the system\'s libraries)%s\n'
		.. 'Install it, put %s beside socket2.lua, or set SOCKET2_LIB to its path.')
		:format(table.concat(tried), missing or '', FILE), 0)
end

local C = load()
lib.C = C

local function symbol(name)
	return C[name]
end

-- misfit() -> why these modules cannot use the library; nil when they can.
local function misfit()
	local ok, abi_version = pcall(symbol, 'socket2_abi_version')
	if not ok then
		return 'is not a socket2 library: ' .. tostring(abi_version)
	elseif abi_version() ~= C.SOCKET2_ABI_VERSION then
		return ('has ABI version %d, the Lua modules need %d'):format(abi_version(), C.SOCKET2_ABI_VERSION)
	end
	for name in declarations:gmatch'[ *](socket2_[%w_]+)%(' do
		if not pcall(symbol, name) then
			return ('is older than the Lua modules: it has no %s()'):format(name)
		end
	end
end

local problem = misfit()
if problem then
	error(('socket2: the library %s %s'):format(lib.path, problem), 0)
end

local words = setmetatable({}, {__index = function(t, code)
	local word = ffi.string(C.socket2_error_name(code))
	t[code] = word
	return word
end})

-- fail(code) -> nil, err, errcode: what a function that fails returns; err is the code's short word. In Lua a
-- handle is bad only when its socket was closed.
local BADHANDLE, CLOSED = C.SOCKET2_EBADHANDLE, C.SOCKET2_ECLOSED
function lib.fail(code)
	if code == BADHANDLE then
		code = CLOSED
	end
	return nil, words[code], code
end

local NO_CODE = 1 -- no error has this number

-- strerror(errcode) -> message, word: what an error means, in English.
function lib.strerror(errcode)
	if type(errcode) ~= 'number' then
		lib.raise("bad argument #1 to 'strerror' (number expected, got %s)", type(errcode))
	end
	local code = errcode % 1 == 0 and errcode >= -2^31 and errcode <= 0 and errcode or NO_CODE
	return ffi.string(C.socket2_error_message(code)), words[code]
end

return lib
