-- Descriptors from outside the library: made, read and written by the system's own functions.

local ffi = require'ffi'

local descriptor = {}

ffi.cdef[[
int pipe2(int*, int);
int socketpair(int, int, int, int*);
int eventfd(unsigned, int);
int epoll_create1(int);
int timerfd_create(int, int);
struct descriptor_times { struct { long s, ns; } every, first; };
int timerfd_settime(int, int, const struct descriptor_times*, void*);
int open(const char*, int, ...);
int dup2(int, int);
int fcntl(int, int, ...);
int close(int);
int fileno(void*);
ssize_t read(int, void*, size_t);
ssize_t write(int, const void*, size_t);
ssize_t send(int, const void*, size_t, int);
]]

local NONBLOCK, CLOEXEC, AF_UNIX, SOCK_STREAM, RDONLY, CLOCK_MONOTONIC = 0x800, 0x80000, 1, 1, 0, 1
local MSG_OOB, F_SETFL = 1, 4

local function checked(r)
	assert(r >= 0, 'the system call failed')
	return r
end

local fds = ffi.new'int[2]'

-- pipe() -> the reading end, the writing end
function descriptor.pipe()
	checked(ffi.C.pipe2(fds, NONBLOCK + CLOEXEC))
	return fds[0], fds[1]
end

function descriptor.socketpair()
	checked(ffi.C.socketpair(AF_UNIX, SOCK_STREAM + NONBLOCK + CLOEXEC, 0, fds))
	return fds[0], fds[1]
end

function descriptor.set_blocking(fd)
	checked(ffi.C.fcntl(fd, F_SETFL, ffi.cast('int', 0)))
end

-- poller() -> fd of a new poller of the system
function descriptor.poller()
	return checked(ffi.C.epoll_create1(CLOEXEC))
end

function descriptor.eventfd()
	return checked(ffi.C.eventfd(0, NONBLOCK + CLOEXEC))
end

-- timer(seconds) -> fd of a timer that fires once
function descriptor.timer(seconds)
	local fd = checked(ffi.C.timerfd_create(CLOCK_MONOTONIC, NONBLOCK + CLOEXEC))
	local times = ffi.new('struct descriptor_times', {first = {ns = seconds * 1e9}})
	checked(ffi.C.timerfd_settime(fd, 0, times, nil))
	return fd
end

function descriptor.open(path)
	return checked(ffi.C.open(path, RDONLY + CLOEXEC))
end

-- of(file) -> fd of an io file
function descriptor.of(file)
	return checked(ffi.C.fileno(file))
end

-- rename(from, to): the descriptor gets the number `to` instead of `from`.
function descriptor.rename(from, to)
	checked(ffi.C.dup2(from, to))
	checked(ffi.C.close(from))
end

function descriptor.close(...)
	for i = 1, select('#', ...) do
		checked(ffi.C.close((select(i, ...))))
	end
end

function descriptor.write(fd, s)
	assert(ffi.C.write(fd, s, #s) == #s)
end

-- send_urgent(socket, byte) -> number of bytes sent
function descriptor.send_urgent(fd, byte)
	return tonumber(ffi.C.send(fd, byte, 1, MSG_OOB))
end

-- read(fd, n) -> string | nil: at most n bytes; '' at the end, nil when there is nothing.
function descriptor.read(fd, n)
	local buf = ffi.new('char[?]', n)
	local r = tonumber(ffi.C.read(fd, buf, n))
	return r >= 0 and ffi.string(buf, r) or nil
end

-- fill(fd): writes until the system takes no more.
function descriptor.fill(fd)
	local buf = ffi.new'char[4096]'
	while ffi.C.write(fd, buf, 4096) > 0 do end
end

-- drain(fd): reads all that there is.
function descriptor.drain(fd)
	while #(descriptor.read(fd, 65536) or '') > 0 do end
end

return descriptor
