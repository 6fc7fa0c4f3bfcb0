-- The C library: finds and loads it, and puts its error codes into words.

local ffi = require'ffi'
local getenv = os.getenv
local error, tostring, pcall, ipairs = error, tostring, pcall, ipairs

local lib = {}

local own_sources = debug.getinfo(1, 'S').source:match'^(.*)lib%.lua$'

-- Raises an error in the name of the program's line that called us, however deep we are.
function lib.raise(message, ...)
	local level = 2
	local info = debug.getinfo(level, 'S')
	while own_sources and info and info.source:sub(1, #own_sources) == own_sources do
		level = level + 1
		info = debug.getinfo(level, 'S')
	end
	error(message:format(...), level)
end

ffi.cdef(require'socket2.cdef')

-- $SOCKET2_LIB, a library beside the Lua files (a relocatable folder), the system's own.
local function candidates()
	local t = {}
	local env = getenv'SOCKET2_LIB'
	if env then
		t[1] = env
		return t
	end
	local dir = own_sources and own_sources:match'^@(.*)socket2[/\\]$'
	if dir then
		t[#t + 1] = dir .. 'libsocket2.so.0'
	end
	t[#t + 1] = 'libsocket2.so.0'
	t[#t + 1] = 'socket2'
	return t
end

local function load()
	local tried = {}
	for _, name in ipairs(candidates()) do
		local ok, C = pcall(ffi.load, name)
		if ok then
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
