-- Descriptors from outside the library. On Windows they are sockets: a pipe is a connection with one
-- direction in use.

local ffi = require'ffi'

local descriptor = {}

ffi.cdef[[
typedef struct { uint16_t family, port; uint32_t ip; char zero[8]; } spec_sockaddr_in;
void *CreateIoCompletionPort(void *, void *, uintptr_t, uint32_t);
uintptr_t WSASocketA(int, int, int, void *, uint32_t, uint32_t);
int bind(uintptr_t, const spec_sockaddr_in *, int);
int listen(uintptr_t, int);
int connect(uintptr_t, const spec_sockaddr_in *, int);
uintptr_t accept(uintptr_t, spec_sockaddr_in *, int *);
int getsockname(uintptr_t, spec_sockaddr_in *, int *);
int setsockopt(uintptr_t, int, int, const int *, int);
int ioctlsocket(uintptr_t, long, unsigned long *);
int closesocket(uintptr_t);
int recv(uintptr_t, char *, int, int);
int send(uintptr_t, const char *, int, int);
void *CreateFileA(const char *, uint32_t, uint32_t, const void *, uint32_t, uint32_t, void *);
int CloseHandle(void *);
]]

local ws2 = ffi.load'ws2_32'
local C = ffi.C

local AF_INET, SOCK_STREAM, TCP, OVERLAPPED, FIONBIO = 2, 1, 6, 1, -2147195266
local LOOPBACK = 0x0100007f
local OPEN_EXISTING = 3
local SOL_SOCKET, SO_SNDBUF, SO_RCVBUF, MSG_OOB = 0xffff, 0x1001, 0x1002, 1
local ROOM = ffi.new('int[1]', 16384) -- otherwise it takes megabytes at once

local function checked(r)
	assert(r >= 0, 'the system call failed')
	return r
end

local function opened(s)
	return checked(tonumber(ffi.cast('intptr_t', s)))
end

local function new()
	local s = opened(ws2.WSASocketA(AF_INET, SOCK_STREAM, TCP, nil, 0, OVERLAPPED))
	checked(ws2.setsockopt(s, SOL_SOCKET, SO_SNDBUF, ROOM, 4))
	checked(ws2.setsockopt(s, SOL_SOCKET, SO_RCVBUF, ROOM, 4))
	return s
end

local function set_nonblocking(s, on)
	checked(ws2.ioctlsocket(s, FIONBIO, ffi.new('unsigned long[1]', on)))
end

local function ready(s)
	set_nonblocking(s, 1)
	return s
end

function descriptor.set_blocking(fd)
	set_nonblocking(fd, 0)
end

function descriptor.socketpair()
	local listener, client = new(), new()
	local address, size = ffi.new('spec_sockaddr_in', AF_INET, 0, LOOPBACK), ffi.new('int[1]', 16)
	checked(ws2.bind(listener, address, 16))
	checked(ws2.listen(listener, 1))
	checked(ws2.getsockname(listener, address, size))
	checked(ws2.connect(client, address, 16))
	local server = opened(ws2.accept(listener, nil, nil))
	ws2.closesocket(listener)
	return ready(client), ready(server)
end

-- pipe() -> the reading end, the writing end
function descriptor.pipe()
	return descriptor.socketpair()
end

-- open(path) -> the number of the file's handle
function descriptor.open(path)
	return opened(C.CreateFileA(path, 0, 0, nil, OPEN_EXISTING, 0, nil))
end

local LOOPS = 64 -- at most, on one port

-- Through intptr_t: when a trace casts the number -1 to a pointer, LuaJIT makes 0xffffffff of it.
local INVALID_HANDLE = ffi.cast('void *', ffi.cast('intptr_t', -1))

-- poller() -> the number of a new poller of the system
function descriptor.poller()
	local handle = C.CreateIoCompletionPort(INVALID_HANDLE, nil, 0, LOOPS)
	assert(handle ~= nil)
	return tonumber(ffi.cast('intptr_t', handle))
end

function descriptor.close(...)
	for i = 1, select('#', ...) do
		local fd = select(i, ...)
		if ws2.closesocket(fd) ~= 0 then
			assert(C.CloseHandle(ffi.cast('void *', fd)) ~= 0, 'the system call failed')
		end
	end
end

function descriptor.write(fd, s)
	assert(ws2.send(fd, s, #s, 0) == #s)
end

-- send_urgent(socket, byte) -> number of bytes sent
function descriptor.send_urgent(fd, byte)
	return ws2.send(fd, byte, 1, MSG_OOB)
end

-- read(fd, n) -> string | nil: at most n bytes; '' at the end, nil when there is nothing.
function descriptor.read(fd, n)
	local buf = ffi.new('char[?]', n)
	local r = ws2.recv(fd, buf, n, 0)
	return r >= 0 and ffi.string(buf, r) or nil
end

-- fill(fd): writes until the system takes no more, even a little later.
function descriptor.fill(fd)
	local buf, idle = ffi.new'char[4096]', 0
	repeat
		local n = ws2.send(fd, buf, 4096, 0)
		idle = n > 0 and 0 or idle + 1
		if n < 0 then C.Sleep(100) end
	until idle == 3
end

-- drain(fd): reads all that there is.
function descriptor.drain(fd)
	while #(descriptor.read(fd, 65536) or '') > 0 do end
end

return descriptor
