-- What an OS thread started could not be ended by a signal: it inherited a mask that blocked them all.

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

local it = spec.with('signals', it)

-- How a child ends that gets SIGTERM: the signal's number, or 0 when that does not end it. Without a shell,
-- which may unblock all signals (dash does).
local function end_child()
	local ffi, clock = require'ffi', require'socket2'.clock
	ffi.cdef[[
	int posix_spawnp(int *, const char *, const void *, const void *, const char *const *, const char *const *);
	int kill(int, int);
	int waitpid(int, int *, int);
	int poll(void *, unsigned long, int);
	]]
	local C, TERM, KILL, NOHANG = ffi.C, 15, 9, 1
	local pid, status = ffi.new'int[1]', ffi.new'int[1]'
	local argv = ffi.new('const char *[3]', {'sleep', '60'})
	assert(C.posix_spawnp(pid, 'sleep', nil, nil, argv, ffi.new'const char *[1]') == 0)
	C.kill(pid[0], TERM)
	local limit = clock() + 3
	while C.waitpid(pid[0], status, NOHANG) == 0 do
		if clock() > limit then
			C.kill(pid[0], KILL)
			C.waitpid(pid[0], status, 0)
			return 0
		end
		C.poll(nil, 0, 1)
	end
	return status[0] % 128
end

describe('what an OS thread starts', function()
	it('is ended by a signal', spec.threaded(function()
		assert.equal(15, end_child())
		local t = assert(thread.new(end_child))
		assert.equal(15, t:join())
	end))

	it('blocks what its parent blocks', spec.threaded(function()
		local function blocked()
			local ffi = require'ffi'
			ffi.cdef'int sigprocmask(int, const void *, void *);'
			local set = ffi.new'char[128]'
			assert(ffi.C.sigprocmask(1, nil, set) == 0)
			return (ffi.string(set, 128):gsub('.', function(c) return ('%02x'):format(c:byte()) end))
		end
		assert.equal(blocked(), thread.new(blocked):join())
	end))

	it('takes signals while a connection is served', spec.threaded(function()
		local server = assert(socket.serve{host = '127.0.0.1', port = 0, threads = 1, handler = function(c)
			c:send(('ended by %d'):format(end_child()))
		end})
		local s = assert(socket.connect(server:addr()))
		assert.equal('ended by 15', s:readall())
		s:close()
		server:stop()
	end))
end)
