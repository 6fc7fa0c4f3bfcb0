-- The Debian package, on a system that has never seen socket2.

local process = require'process'
local installed = require'installed'

local sh = installed.sh

local build = assert(os.getenv'SOCKET2_LIB'):match'^(.*)/[^/]*$'
local root = build .. '/root'

describe('the Debian package', function()
	local there

	teardown(function()
		if there then
			sh('chroot %s dpkg --purge socket2', root)
		end
	end)

	it('works on a clean system, and leaves it so', function()
		if sh'id -u' ~= '0' then
			return pending'only root can make a clean system to install it on'
		end
		local said = sh('spec/support/clean_root %s', root)
		if not process.read(root .. '/complete') then
			return pending(said)
		end
		sh('tools/deb %s', build)
		sh('mv %s/socket2_*.deb %s/root/socket2.deb', build, root)
		there = true
		sh('chroot %s dpkg -i /root/socket2.deb', root)

		local library = sh("find %s/usr/lib -name 'libsocket2.so.*.*'", root)
		installed.check(function(arguments)
			return ('timeout 60 env -i PATH="$PATH" chroot %s luajit %s 2>&1'):format(root, arguments)
		end, '/usr/share/doc/socket2/examples', library, '/usr/share/lua/5.1')
		assert.matches('libsocket2.so.1 ', sh('chroot %s ldconfig -p', root))

		sh('chroot %s dpkg --purge socket2', root)
		there = false
		assert.equal('', sh("find %s/usr %s/etc -name '*socket2*'", root, root))
	end)
end)
