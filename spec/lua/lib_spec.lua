-- A C library that does not fit the Lua modules is told of when it is loaded, not at its first use.

local process = require'process'
local spec = require'spec'

local CC = spec.windows and 'x86_64-w64-mingw32-gcc-posix -shared'
	or spec.qemu and 'aarch64-linux-gnu-gcc -shared -fPIC'
	or 'cc -shared -fPIC'

describe('the C library', function()
	local dir

	before_each(function() dir = process.output'mktemp -d':match'%S+' end)
	after_each(function() os.execute('rm -r ' .. dir) end)

	-- compile(source) -> the path of a library of that source
	local function compile(source)
		local path = dir .. '/libother.so'
		local f = assert(io.open(dir .. '/other.c', 'wb'))
		f:write(source)
		f:close()
		assert.equal('', process.output(('%s -o %s %s/other.c 2>&1'):format(CC, path, dir)))
		return path
	end

	local function loading(path)
		local out = spec.luajit('local ok, err = pcall(require, "socket2") io.write(tostring(err))',
			'timeout 60 env SOCKET2_LIB=' .. path)
		return out
	end

	it('of another ABI version', function()
		local path = compile'int socket2_abi_version(void) { return 77; }'
		assert.equal(('socket2: the library %s has ABI version 77, the Lua modules need 1'):format(path),
			loading(path))
	end)

	it('that lacks a function', function()
		local path = compile[[
			int socket2_abi_version(void) { return 1; }
			const char* socket2_version(void) { return "0.0.1"; }]]
		assert.equal(('socket2: the library %s is older than the Lua modules: it has no socket2_features()')
			:format(path), loading(path))
	end)

	it('that is something else', function()
		local path = compile'int something(void) { return 0; }'
		local err = loading(path)
		assert.equal(('socket2: the library %s is not a socket2 library: '):format(path), err:match'^.-: .-: ')
		assert.matches('socket2_abi_version', err)
	end)
end)
