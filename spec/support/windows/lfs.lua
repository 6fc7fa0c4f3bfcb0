-- The part of the module lfs that busted and the specs need.

local ffi = require'ffi'

local C = ffi.C

ffi.cdef[[
typedef struct {
	uint32_t attributes, times[6], size[2], reserved[2];
	char name[260], short_name[14];
} spec_find_data;
uint32_t GetFileAttributesA(const char *);
void *FindFirstFileA(const char *, spec_find_data *);
int FindNextFileA(void *, spec_find_data *);
int FindClose(void *);
int _mkdir(const char *);
int _rmdir(const char *);
int _chdir(const char *);
char *_getcwd(char *, int);
]]

local lfs = {}

local INVALID, DIRECTORY, SIZE = 2^32 - 1, 0x10, 1024
-- Through intptr_t: when a trace casts the number -1 to a pointer, LuaJIT makes 0xffffffff of it.
local INVALID_HANDLE = ffi.cast('void *', ffi.cast('intptr_t', -1))

-- attributes(path, [name]) -> {mode = 'file' | 'directory'}, or the attribute of that name | nil, err
function lfs.attributes(path, name)
	local bits = C.GetFileAttributesA(path)
	if bits == INVALID then
		return nil, path .. ': not there'
	end
	local all = {mode = bit.band(bits, DIRECTORY) ~= 0 and 'directory' or 'file'}
	return name and all[name] or not name and all or nil
end
lfs.symlinkattributes = lfs.attributes

-- dir(path) -> iterator of names
function lfs.dir(path)
	local data = ffi.new'spec_find_data'
	local handle = C.FindFirstFileA(path .. '/*', data)
	assert(handle ~= INVALID_HANDLE, 'cannot open ' .. path)
	local more = true
	return function()
		if not more then
			return nil
		end
		local name = ffi.string(data.name)
		more = C.FindNextFileA(handle, data) ~= 0
		if not more then
			C.FindClose(handle)
		end
		return name
	end
end

local function done(what, r)
	if r ~= 0 then
		return nil, what .. ' failed'
	end
	return true
end

function lfs.mkdir(path) return done('mkdir', C._mkdir(path)) end
function lfs.rmdir(path) return done('rmdir', C._rmdir(path)) end
function lfs.chdir(path) return done('chdir', C._chdir(path)) end

function lfs.currentdir()
	return ffi.string(C._getcwd(ffi.new('char[?]', SIZE), SIZE))
end

return lfs
