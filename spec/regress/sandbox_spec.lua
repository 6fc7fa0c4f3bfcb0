-- Where a sandbox refused epoll_pwait2 with EPERM each wait failed; those that answer ENOSYS were known.

local spec = require'spec'

local PROGRAM = [[
local ffi = require'ffi'
ffi.cdef'struct filter { uint16_t code; uint8_t jt, jf; uint32_t k; };'
ffi.cdef'struct program { unsigned short n; struct filter *filters; };'
ffi.cdef'int prctl(int, unsigned long, void *, unsigned long, unsigned long);'
local EPOLL_PWAIT2, REFUSED, ALLOWED = 441, 0x00050000 + %d, 0x7fff0000
local filters = ffi.new('struct filter[4]', {
	{0x20, 0, 0, 0}, -- the number of the system call
	{0x15, 0, 1, EPOLL_PWAIT2},
	{0x06, 0, 0, REFUSED},
	{0x06, 0, 0, ALLOWED},
})
local program = ffi.new('struct program', 4, filters)
ffi.C.prctl(38, 1, nil, 0, 0)
if ffi.C.prctl(22, 2, program, 0, 0) ~= 0 then
	return io.write'no sandbox'
end
local socket = require'socket2'
local n = 0
local start = socket.clock()
socket.newthread(function()
	for _ = 1, 3 do
		socket.sleep(0.01)
		n = n + 1
	end
end)
assert(socket.start(10))
io.write(n, ' ', tostring(socket.clock() - start >= 0.03))]]

describe('a sandbox without epoll_pwait2', function()
	for name, errno in pairs{EPERM = 1, ENOSYS = 38} do
		spec.with('a shared epoll', it)('that answers ' .. name .. ' has timers', function()
			local output = spec.luajit(PROGRAM:format(errno))
			assert.is_true(output == '3 true' or output == 'no sandbox', output)
		end)
	end
end)
