-- Pings an IPv4 host over a raw socket (which needs root or CAP_NET_RAW).
-- usage: ping.lua [host] [count]

local ffi = require'ffi'
local socket = require'socket2'

local host, count = arg[1] or '127.0.0.1', tonumber(arg[2]) or 3
local ECHO_REPLY, ECHO_REQUEST, HEADER, DATA = 0, 8, 8, 56

-- RFC 1071: the one's complement of the sum of 16-bit words
local function checksum(p, size)
	local sum = 0
	for i = 0, size - 1, 2 do
		sum = sum + p[i] * 256 + p[i + 1]
	end
	sum = sum % 65536 + math.floor(sum / 65536)
	sum = sum % 65536 + math.floor(sum / 65536)
	return 65535 - sum
end

local function put16(p, i, n)
	p[i], p[i + 1] = math.floor(n / 256), n % 256
end

local function get16(p, i)
	return p[i] * 256 + p[i + 1]
end

-- RFC 792: type, code, checksum, identifier, sequence number, data
local function request(id, seq)
	local p = ffi.new('uint8_t[?]', HEADER + DATA)
	p[0] = ECHO_REQUEST
	put16(p, 4, id)
	put16(p, 6, seq)
	put16(p, 2, checksum(p, HEADER + DATA))
	return p
end

socket.newthread(function()
	local s = assert(socket.raw('inet', 'icmp'))
	local to = assert(socket.addr(host, nil, 'raw', 'inet', 'icmp'))
	local id = math.floor(socket.clock() * 1e6) % 65536
	local buf = ffi.new'uint8_t[1500]'
	for seq = 1, count do
		local sent = socket.clock()
		assert(s:send(request(id, seq), HEADER + DATA, to))
		repeat
			local n, from = assert(s:recv(buf, 1500, to))
			local icmp = buf + buf[0] % 16 * 4 -- after the IP header
			local mine = icmp[0] == ECHO_REPLY and get16(icmp, 4) == id and get16(icmp, 6) == seq
			if mine then
				print(('%d bytes from %s: icmp_seq=%d ttl=%d time=%.3f ms'):format(
					n, from:ip(), seq, buf[8], (socket.clock() - sent) * 1e3))
			end
		until mine
	end
	s:close()
end)
socket.start()
