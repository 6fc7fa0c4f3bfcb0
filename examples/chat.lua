-- A chat room for nc users: what one user says, all others hear.
-- usage: chat.lua [port] [host]                 then, in several terminals: nc 127.0.0.1 PORT

local ffi = require'ffi'
local socket = require'socket2'

local MAX_LINE, PATIENCE = 1000, 10
local names = {} -- connection -> name

local function tell(line, from)
	for c in pairs(names) do
		if c ~= from then
			-- in a thread of its own, so that a user who does not read misses lines, and holds up no one
			socket.newthread(c.send, c, line .. '\n', nil, socket.clock() + PATIENCE)
		end
	end
end

-- An iterator over the lines of a connection.
local function lines(c)
	local buf, rest = ffi.new'char[512]', ''
	return function()
		while true do
			local line, tail = rest:match'^([^\n]-)\r?\n(.*)$'
			if line then
				rest = tail
				return line
			elseif #rest > MAX_LINE then
				return
			end
			local n = c:recv(buf, 512)
			if not n or n == 0 then return end
			rest = rest .. ffi.string(buf, n)
		end
	end
end

local function serve(c)
	c:send'Your name? '
	for line in lines(c) do
		local name = names[c]
		if name then
			tell(name .. ': ' .. line, c)
		else
			names[c] = line
			tell('* ' .. line .. ' is here', c)
		end
	end
	local name = names[c]
	names[c] = nil
	c:close()
	if name then
		tell('* ' .. name .. ' has left')
	end
end

local server = assert(socket.tcp())
assert(server:listen(arg[2] or '127.0.0.1', tonumber(arg[1]) or 0))
print(server)
io.stdout:flush()
socket.newthread(function()
	while true do
		local c, err = server:accept()
		if c then
			socket.newthread(serve, c)
		elseif err == 'closed' then
			break
		end
	end
end)
socket.start()
