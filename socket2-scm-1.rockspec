-- `luarocks --lua-version=5.1 make`, in the source tree: compiles the library and installs it with the
-- Lua modules. Downloads nothing; needs g++, meson and ninja.
rockspec_format = '3.0'
package = 'socket2'
version = 'scm-1'
source = {url = 'git+file://.'}
description = {
	summary = 'Asynchronous sockets for LuaJIT',
	detailed = 'TCP, UDP, raw and unix sockets for programs that are written as straight-line code: coroutines '
		.. 'take the place of callbacks. A C++ core behind a C ABI.',
	license = 'MIT',
}
supported_platforms = {'unix'}
dependencies = {'lua == 5.1'} -- LuaJIT's
build = {
	type = 'command',
	-- SOCKET2_BUILD: another build folder, such as one that is built already
	build_command = [[build=${SOCKET2_BUILD:-build-rock}
		{ test -e $build/build.ninja || meson setup $build; } && ninja -C $build]],
	-- lib/lua/5.1 is where lua/socket2/lib.lua looks along package.cpath
	install_command = [[cp -R lua/. $(LUADIR) &&
		cp ${SOCKET2_BUILD:-build-rock}/libsocket2.so.1 $(LIBDIR)/libsocket2.so]],
	copy_directories = {'docs', 'examples'},
}
