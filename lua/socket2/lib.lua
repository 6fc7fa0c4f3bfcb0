-- The C library: finds and loads it, and puts its error codes into words.

local ffi = require'ffi'
local getenv, getinfo = os.getenv, debug.getinfo
local error, tostring, pcall, ipairs, setmetatable = error, tostring, pcall, ipairs, setmetatable

local lib = {}

local own_sources = getinfo(1, 'S').source:match'^(.*)lib%.lua$'
local switching = getinfo(require'coro'.create, 'S').source

-- Is it the source of one of our own modules?
function lib.is_own(source)
	return source == switching or own_sources and source:sub(1, #own_sources) == own_sources
end

-- program_level() -> the level, for error() and getinfo() of who calls this, of the program's function that
-- called us, however deep we are.
function lib.program_level()
	local level = 2
	local info = getinfo(level, 'S')
	while info and lib.is_own(info.source) do
		level = level + 1
		info = getinfo(level, 'S')
	end
	return level - 1
end

-- Raises an error in the name of the program's line that called us.
function lib.raise(message, ...)
	error(message:format(...), lib.program_level())
end

-- function -> its file, false when it is one of ours. Asking for more than the function and the line
-- is what makes getinfo slow.
local files = setmetatable({}, {__mode = 'k', __index = function(t, f)
	local info = getinfo(f, 'S')
	t[f] = not lib.is_own(info.source) and info.short_src
	return t[f]
end})

-- caller() -> 'file:line': the program's line that called us.
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

ffi.cdef(require'socket2.cdef')

local file_names = {Windows = 'socket2.dll', OSX = 'libsocket2.0.dylib'}

-- The one of the state that started ours (thread.lua), $SOCKET2_LIB, a library beside the Lua files (a
-- relocatable folder), the system's own.
local function candidates()
	local t = {}
	local env = package.loaded['socket2.library'] or getenv'SOCKET2_LIB'
	if env then
		t[1] = env
		return t
	end
	local file_name = file_names[ffi.os] or 'libsocket2.so.0'
	local dir = own_sources and own_sources:match'^@(.*)socket2[/\\]$'
	if dir then
		t[#t + 1] = dir .. file_name
	end
	t[#t + 1] = file_name
	t[#t + 1] = 'socket2'
	return t
end

local function load()
	local tried = {}
	for _, name in ipairs(candidates()) do
		local ok, C = pcall(ffi.load, name)
		if ok then
			lib.path = name
			return C
		end
		tried[#tried + 1] = '\n\t' .. tostring(C)
	end
	error('socket2: the C library was not found (set SOCKET2_LIB to its path):'
		.. table.concat(tried), 0)
end

local C = load()
lib.C = C

local abi = C.socket2_abi_version()
if abi ~= C.SOCKET2_ABI_VERSION then
	error(('socket2: the C library has ABI version %d, the Lua modules need %d')
		:format(abi, C.SOCKET2_ABI_VERSION), 0)
end

local words = setmetatable({}, {__index = function(t, code)
	local word = ffi.string(C.socket2_error_name(code))
	t[code] = word
	return word
end})

-- What a failing function returns: nil, err (the short word of the code), errcode. A handle can
-- only be bad because its socket was closed.
local BADHANDLE, CLOSED = C.SOCKET2_EBADHANDLE, C.SOCKET2_ECLOSED
function lib.fail(code)
	if code == BADHANDLE then
		code = CLOSED
	end
	return nil, words[code], code
end

return lib
