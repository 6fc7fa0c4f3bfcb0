-- The descriptor of the epoll.

local socket = require'socket2'
local threads = require'threads'
local spec = require'spec'

local fails = spec.fails
local bound = threads.bound

after_each(threads.tidy)

spec.with('a shared epoll', describe)('epoll_fd', function()
	-- The loop of this process has had sockets, so most of it needs processes of their own.
	local prelude = [[
		local socket, ffi = require'socket2', require'ffi'
		ffi.cdef'int epoll_create1(int flags); int close(int fd); int fcntl(int fd, int command, ...);'
		local function is_open(fd) return ffi.C.fcntl(fd, 1) >= 0 end
	]]
	local function script(source)
		local output, code = spec.luajit(prelude .. source, 'timeout 20')
		assert.equal('ok\n', output)
		assert.equal(0, code)
	end

	it('gives the descriptor of the loop', function()
		local fd = socket.epoll_fd()
		assert.is_number(fd)
		assert.equal(fd, socket.epoll_fd())
		local p = io.popen(('readlink /proc/%d/fd/%d'):format(spec.pid(), fd))
		assert.matches('eventpoll', p:read'*a')
		p:close()
	end)

	it('sets it before the first socket; the caller keeps his own', function()
		script[[
			local mine = ffi.C.epoll_create1(0)
			local fd = assert(socket.epoll_fd(mine))
			assert(fd ~= mine and fd == socket.epoll_fd())
			ffi.C.close(mine)
			local s = assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			local n
			socket.newthread(function() n = s:recv(ffi.new'char[9]', 9) end)
			socket.newthread(function() s:send('hello', s:localaddr()) end)
			assert(socket.start(5))
			assert(n == 5)
			print'ok'
		]]
	end)

	it('can be set again until there is a socket', function()
		script[[
			local mine = ffi.C.epoll_create1(0)
			local first = socket.epoll_fd()
			local second = assert(socket.epoll_fd(mine))
			assert(second == first or not is_open(first))
			assert(socket.epoll_fd(second) == second)
			assert(is_open(second) and is_open(mine))
			local s = socket.udp()
			local ok, err, code = socket.epoll_fd(mine)
			assert(ok == nil and err == 'busy' and type(code) == 'number')
			assert(socket.epoll_fd() == second)
			print'ok'
		]]
	end)

	it('refuses what is no epoll descriptor, and goes on with its own', function()
		script[[
			for fd, expected in pairs{
				[-1] = 'invalid_argument', [0] = 'invalid_argument', [9999] = 'bad_descriptor',
				[2^31] = 'invalid_argument', [1.5] = 'invalid_argument', [1/0] = 'invalid_argument',
			} do
				local ok, err, code = socket.epoll_fd(fd)
				assert(ok == nil and err == expected and type(code) == 'number', fd .. ': ' .. tostring(err))
			end
			for _, v in ipairs{'3', {}, true} do
				assert(not pcall(socket.epoll_fd, v))
			end
			local s = assert(socket.udp())
			socket.newthread(function() s:send('x', '127.0.0.1', 9) end)
			assert(socket.start(5))
			print'ok'
		]]
	end)

	it('is busy once there are sockets', function()
		bound()
		fails('busy', socket.epoll_fd(0))
	end)
end)
