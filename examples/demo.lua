-- A server and 200 clients in one process exchange real traffic over TCP and UDP.
-- usage: demo.lua [seconds]

local ffi = require'ffi'
local socket = require'socket2'

local CLIENTS = 200
local seconds = tonumber(arg[1]) or 5
local started = socket.clock()
local over = started + seconds

local connections, rounds, datagrams, bytes, wrong, working = 0, 0, 0, 0, 0, 0

-- the server: sends back what comes

local function echo(c)
	local buf = ffi.new'char[4096]'
	while true do
		local n = c:recv(buf, 4096)
		if not n or n == 0 or not c:send(buf, n) then break end
	end
	c:close()
end

local tcp_server = assert(socket.tcp())
assert(tcp_server:listen('127.0.0.1', 0))
local udp_server = assert(socket.udp())
assert(udp_server:bind('127.0.0.1', 0))

socket.newthread(function()
	while true do
		local c, err = tcp_server:accept()
		if c then
			connections = connections + 1
			socket.newthread(echo, c)
		elseif err == 'closed' then
			break
		end
	end
end)

socket.newthread(function()
	local buf = ffi.new'char[2048]'
	while true do
		local n, from = udp_server:recv(buf, 2048)
		if not n then break end
		udp_server:send(buf, n, from)
	end
end)

-- the clients

local function check(got, expected)
	bytes = bytes + 2 * #expected
	if got ~= expected then
		wrong = wrong + 1
	end
end

local function recv_n(s, buf, n)
	local len = 0
	while len < n do
		local r = assert(s:recv(buf + len, n - len))
		if r == 0 then break end
		len = len + r
	end
	return ffi.string(buf, len)
end

-- Connects, exchanges some messages, says good-bye, and again.
local function tcp_client(id)
	local buf = ffi.new'char[4096]'
	while socket.clock() < over do
		local s = assert(socket.tcp())
		assert(s:connect(tcp_server:localaddr()))
		for i = 1, 50 do
			local message = ('client %d message %d '):format(id, i):rep(i % 8 + 1)
			assert(s:send(message))
			check(recv_n(s, buf, #message), message)
			rounds = rounds + 1
		end
		s:close()
	end
end

local function udp_client(id)
	local buf = ffi.new'char[2048]'
	local s = assert(socket.udp())
	assert(s:connect(udp_server:localaddr()))
	while socket.clock() < over do
		local message = ('client %d datagram %d'):format(id, datagrams)
		assert(s:send(message))
		check(ffi.string(buf, assert(s:recv(buf, 2048))), message)
		datagrams = datagrams + 1
	end
	s:close()
end

local function mb() return bytes / 2^20 end

local function client(f, id)
	working = working + 1
	f(id)
	working = working - 1
	if working == 0 then
		socket.stop()
	end
end

print(('%d clients and a server in one process, %g seconds over TCP %s and UDP %s'):format(
	CLIENTS, seconds, tcp_server:localaddr(), udp_server:localaddr()))
for id = 1, CLIENTS do
	socket.newthread(client, id % 4 == 0 and udp_client or tcp_client, id)
end

while working > 0 do
	socket.start(0.5)
	print(('%5.1f s  %6d connections  %8d TCP exchanges  %8d datagrams  %7.1f MB'):format(
		socket.clock() - started, connections, rounds, datagrams, mb()))
	io.stdout:flush()
end
tcp_server:close()
udp_server:close()
socket.start()

local elapsed = socket.clock() - started
print(('\n%d TCP connections and %d datagrams there and back, %.1f MB in %.1f seconds, %d errors'):format(
	connections, datagrams, mb(), elapsed, wrong))
print(('%.0f exchanges per second'):format((rounds + datagrams) / elapsed))
print[[

Run your own script:   tools/run script.lua
Examples to start from: examples/echo_server.lua, examples/http_get.lua, examples/chat.lua ...]]
os.exit(wrong == 0 and connections > 0 and datagrams > 0 and 0 or 1)
