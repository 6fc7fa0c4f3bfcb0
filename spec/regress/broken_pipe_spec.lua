-- LuaSocket ignores SIGPIPE when it is loaded, and programs and libraries such as LuaSec rely on it. The
-- drop-in did not, and a write to a peer that had left ended the process.

local spec = require'spec'

local it = spec.with('signals', it, spec.windows)

-- The program finds the signal as it is by default, whatever this process does with it.
local PROGRAM = [[
	local ffi = require'ffi'
	ffi.cdef'typedef void (*handler)(int); handler signal(int, handler); int abs(int);'
	local PIPE, DEFAULT, IGNORE = 13, ffi.cast('handler', 0), ffi.cast('handler', 1)
	ffi.C.signal(PIPE, DEFAULT)
	local function disposition()
		local handler = ffi.C.signal(PIPE, DEFAULT)
		ffi.C.signal(PIPE, handler)
		return handler == DEFAULT and 'default' or handler == IGNORE and 'ignored' or 'a handler'
	end
	]]

describe('SIGPIPE', function()
	it('is ignored from the load of the drop-in on', function()
		assert.equal('default\nignored\n', (spec.luajit(PROGRAM .. [[
			require'socket2.dropin'
			print(disposition())
			require'socket'
			print(disposition())]])))
	end)

	it('does not end a program that writes to a pipe that nobody reads', function()
		local output, code = spec.luajit(PROGRAM .. [[
			require'socket2.dropin'
			require'socket'
			local pipe = io.popen('exit', 'w')
			pipe:setvbuf'no'
			repeat
				local ok, err = pipe:write(('x'):rep(100000))
			until not ok
			print'alive']])
		assert.equal('alive\n', output)
		assert.equal(0, code)
	end)

	it('is as it was under socket2 alone', function()
		assert.equal('default\n', (spec.luajit(PROGRAM .. [[
			require'socket2'
			print(disposition())]])))
	end)

	it('stays with a handler that the program has', function()
		assert.equal('a handler\n', (spec.luajit(PROGRAM .. [[
			require'socket2.dropin'
			ffi.C.signal(PIPE, ffi.cast('handler', ffi.C.abs))
			require'socket'
			print(disposition())]])))
	end)
end)

describe('_SETSIZE', function()
	it('is what the process may have of descriptors', function()
		local output = spec.luajit([[
			require'socket2.dropin'
			print(require'socket'._SETSIZE)]], [[sh -c 'ulimit -n 200; exec "$@"' -]])
		assert.equal('200\n', output)
	end)
end)
