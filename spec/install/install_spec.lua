-- meson install, the rock and the folder, each in an empty place outside of the source tree; deb_spec.lua has
-- the Debian package.

local process = require'process'
local installed = require'installed'

local environment, sh = installed.environment, installed.sh

local build = assert(os.getenv'SOCKET2_LIB'):match'^(.*)/[^/]*$'

-- What is said when the library cannot be loaded.
local function failure(run)
	return process.output(run"-e 'require\"socket2\"'"):match'^luajit: (.-)\nstack traceback:'
end

-- With LUA_CPATH='/nowhere/?.so', of a list of paths that do not exist.
local function not_found(paths)
	local lines = {'socket2: the C library was not found. These places were tried:'}
	paths[#paths + 1] = 'libsocket2.so.1'
	for _, path in ipairs(paths) do
		lines[#lines + 1] = ('\t%s: cannot open shared object file: No such file or directory'):format(path)
	end
	return table.concat(lines, '\n') .. " (the system's libraries)\n\tno file '/nowhere/libsocket2.so'\n"
		.. 'Install it, put libsocket2.so.1 beside socket2.lua, or set SOCKET2_LIB to its path.'
end

describe('socket2 is found where it was installed', function()
	local place
	local on_system = sh'/sbin/ldconfig -p':find('libsocket2.so.1', 1, true)

	before_each(function()
		place = sh'realpath $(mktemp -d)'
	end)

	after_each(function()
		os.execute('rm -rf ' .. place)
	end)

	-- A prefix can be moved, so a staged one will do.
	local function meson_install()
		sh('meson install -C %s --no-rebuild --destdir %s/staged', build, place)
		local prefix = place .. '/prefix'
		sh('mv %s/staged/usr/local %s', place, prefix)
		return prefix, prefix .. '/share/lua/5.1'
	end

	it('by meson', function()
		local prefix, modules = meson_install()
		installed.check(environment(('LUA_PATH="%s/?.lua;;"'):format(modules)),
			prefix .. '/share/doc/socket2/examples', sh('realpath $(find %s -name libsocket2.so.1)', prefix), modules)
	end)

	it('by meson, by a C program', function()
		local prefix = meson_install()
		local f = assert(io.open(place .. '/version.c', 'w'))
		f:write'#include <socket2.h>\n#include <stdio.h>\nint main(void) { return puts(socket2_version()) < 0; }\n'
		f:close()
		sh('cc -o %s/version %s/version.c $(PKG_CONFIG_PATH=$(dirname $(find %s -name socket2.pc)) '
			.. 'pkg-config --define-variable=prefix=%s --cflags --libs socket2)', place, place, prefix, prefix)
		local directory = sh('dirname $(find %s -name libsocket2.so)', prefix)
		assert.equal(sh"sed -n \"s/^ *version: '\\(.*\\)',/\\1/p\" meson.build",
			sh('LD_LIBRARY_PATH=%s %s/version', directory, place))
	end)

	it('by meson, with the Lua modules elsewhere', function()
		sh('meson setup %s/build --prefix=/opt/s2 --libdir=lib -Dlua_path=/srv/lua', place)
		sh('ninja -C %s/build installed.lua', place)
		assert.equal("return '../../opt/s2/lib/'\n", process.read(place .. '/build/installed.lua'))
		assert.matches('"/srv/lua/socket2/installed.lua"', sh('meson introspect %s/build --installed', place))
	end)

	it('by luarocks', function()
		local luarocks = ('env -i PATH="$PATH" HOME=%s SOCKET2_BUILD=%s luarocks --lua-version=5.1 --tree=%s/tree ')
			:format(place, build, place)
		sh(luarocks .. 'make')
		local path = sh(luarocks .. 'path')
		local words = path:match"(LUA_PATH='.-')" .. ' ' .. path:match"(LUA_CPATH='.-')"
		installed.check(environment(words), place .. '/tree/lib/luarocks/rocks-5.1/socket2/scm-1/examples',
			place .. '/tree/lib/lua/5.1/libsocket2.so', place .. '/tree/share/lua/5.1')
	end)

	it('in a folder that was moved', function()
		sh('tools/dist %s/made %s/libsocket2.so.1', place, build)
		local folder = place .. '/moved'
		sh('mv %s/made %s', place, folder)
		installed.check(environment(('LUA_PATH="%s/?.lua;;"'):format(folder)), folder .. '/examples',
			folder .. '/libsocket2.so.1', folder)
		assert.equal('./libsocket2.so.1', sh([[env -C %s -i PATH="$PATH" luajit -e '
			require"socket2"
			print(require"socket2.lib".path)']], folder))
		assert.equal(folder .. '/libsocket2.so.1', sh([[env -C / -i PATH="$PATH" luajit -e '
			package.path = "%s/?.lua"
			require"socket2"
			print(require"socket2.lib".path)']], folder))
	end)

	it('in a zip file, with whatever library', function()
		sh('tools/dist %s/socket2.zip %s/libsocket2.so.1', place, build)
		sh('cp %s/libsocket2.so.1 %s/of_windows.dll', build, place)
		sh('tools/dist %s/windows.zip %s/of_windows.dll', place, place)
		sh('cd %s && python3 -m zipfile -e socket2.zip . && python3 -m zipfile -e windows.zip .', place)
		local list = 'cd %s/%s && find . -type f | sort | xargs sha256sum'
		local windows = sh(list, place, 'windows'):gsub('socket2%.dll', 'libsocket2.so.1')
		assert.equal(sh(list, place, 'socket2'), windows)
		local folder = place .. '/socket2'
		installed.check(environment(('LUA_PATH="%s/?.lua;;"'):format(folder)), folder .. '/examples',
			folder .. '/libsocket2.so.1', folder)
	end)

	it('or the places where it was looked for are named', function()
		if on_system then
			return pending'the system has a libsocket2.so.1 installed'
		end
		local prefix, modules = meson_install()
		local library = sh('find %s -name libsocket2.so.1', prefix)
		sh('rm %s', library)
		local run = environment(('LUA_PATH="%s/?.lua" LUA_CPATH="/nowhere/?.so"'):format(modules))
		assert.equal(not_found{modules .. '/libsocket2.so.1',
			modules .. '/../../..' .. library:sub(#prefix + 1)}, failure(run))
	end)

	it('or why it cannot be loaded is said', function()
		if on_system then
			return pending'the system has a libsocket2.so.1 installed'
		end
		local folder = place .. '/folder'
		sh('touch %s/empty', place)
		sh('tools/dist %s %s/empty', folder, place)
		local run = environment(('LUA_PATH="%s/?.lua" LUA_CPATH="/nowhere/?.so"'):format(folder))
		local expected = not_found{folder .. '/libsocket2.so.1'}:gsub('cannot open.-\n', 'file too short\n', 1)
		assert.equal(expected, failure(run))
	end)

	it('or what SOCKET2_LIB says is to blame', function()
		assert.equal('socket2: the C library that SOCKET2_LIB names, /nowhere/socket2.so, cannot be loaded:\n'
			.. '\t/nowhere/socket2.so: cannot open shared object file: No such file or directory',
			failure(environment'SOCKET2_LIB=/nowhere/socket2.so LUA_PATH="$PWD/lua/?.lua"'))
	end)
end)
