-- Fetches a URL with a plain HTTP/1.0 GET and writes the body to standard output.
-- usage: http_get.lua http://host[:port]/path > file

local ffi = require'ffi'
local socket = require'socket2'

if ffi.os == 'Windows' then -- there standard output is in text mode
	ffi.cdef'int _setmode(int fd, int mode);'
	ffi.C._setmode(1, 0x8000)
end

local host, port, path = (arg[1] or ''):match'^http://([^:/]+):?(%d*)(/?.*)$'
assert(host, 'usage: http_get.lua http://host[:port]/path')

local request = ('GET %s HTTP/1.0\r\nHost: %s\r\n\r\n'):format(path ~= '' and path or '/', host)

-- The body follows the header, in pieces of any size.
local function copy_body(s, size)
	local buf = ffi.new('char[?]', size)
	local header = ''
	while true do
		local n = assert(s:recv(buf, size))
		if n == 0 then return header end
		if header then
			header = header .. ffi.string(buf, n)
			local status, body = header:match'^HTTP/%d%.%d (%d+).-\r\n\r\n(.*)$'
			if status then
				assert(status == '200', header:match'^[^\r]*')
				io.write(body)
				header = nil
			end
		else
			io.write(ffi.string(buf, n))
		end
	end
end

socket.newthread(function()
	local s = assert(socket.tcp())
	assert(s:connect(host, port ~= '' and tonumber(port) or 80))
	assert(s:send(request))
	assert(not copy_body(s, 65536), 'no HTTP header came')
	s:close()
end)
socket.start()
