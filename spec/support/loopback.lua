-- A program that runs in a network of its own: brings the loopback up, with the addresses fd00::1 and fd00::2
-- as well.

local ffi = require'ffi'

ffi.cdef[[
struct ifreq { char name[16]; union { short flags; int index; char rest[24]; }; };
struct in6_ifreq { uint8_t address[16]; uint32_t prefix; int index; };
int socket(int, int, int);
int close(int);
int ioctl(int, unsigned long, ...);
int usleep(unsigned);
]]

local AF_INET, AF_INET6, SOCK_DGRAM, IFF_UP = 2, 10, 2, 1
local SIOCSIFADDR, SIOCSIFFLAGS, SIOCGIFINDEX = 0x8916, 0x8914, 0x8933
local STEP, LIMIT = 10000, 1000 -- microseconds, steps

local function ioctl(family, request, data)
	local fd = ffi.C.socket(family, SOCK_DGRAM, 0)
	local r = ffi.C.ioctl(fd, request, data)
	ffi.C.close(fd)
	assert(r == 0, 'ioctl')
end

local lo = ffi.new('struct ifreq', {name = 'lo', flags = IFF_UP})
ioctl(AF_INET, SIOCSIFFLAGS, lo)
ioctl(AF_INET, SIOCGIFINDEX, lo)
for last = 1, 2 do
	local address = ffi.new('struct in6_ifreq', {prefix = 128, index = lo.index})
	address.address[0], address.address[15] = 0xfd, last
	ioctl(AF_INET6, SIOCSIFADDR, address)
end

-- Waits until binding to them works: at first they are tentative.
for _ = 1, LIMIT do
	local f = assert(io.open'/proc/net/if_inet6')
	local _, good = f:read'*a':gsub('fd0+[12] %x+ %x+ %x+ 80', '')
	f:close()
	if good == 2 then
		return
	end
	ffi.C.usleep(STEP)
end
error'the addresses stay tentative'
