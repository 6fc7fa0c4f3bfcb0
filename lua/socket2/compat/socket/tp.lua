-- Commands and their three-digit replies over a connection, which FTP and SMTP are made of.

local socket = require'socket'
local ltn12 = require'ltn12'
local read_line = require'socket2.luasocket.line'

local type, tonumber, ipairs, setmetatable = type, tonumber, ipairs, setmetatable
local concat = table.concat

local tp = {TIMEOUT = 60}
socket.tp = tp

-- A reply that is longer than any that makes sense fails.
local MAX_REPLY = 262144

-- Reads a reply: code (a string), text (its lines with LF between them) | nil, err. If the first line has '-'
-- after the code, the reply goes on to the line that has a space after the same code.
local function read_reply(c)
	local line, n = read_line(c, 'reply')
	if not line then
		return nil, n
	end
	local code, mark = line:match'^(%d%d%d)(.?)'
	if not code then
		return nil, 'invalid server reply'
	elseif mark ~= '-' then
		return code, line
	end
	local lines, total = {line}, n
	repeat
		line, n = read_line(c, 'reply')
		if not line then
			return nil, n
		end
		total = total + n
		if total > MAX_REPLY then
			return nil, 'reply too long'
		end
		lines[#lines + 1] = line
	until line:sub(1, 4) == code .. ' '
	return code, concat(lines, '\n')
end

local methods = {}

-- check(ok) -> code, reply | nil, reply or err: reads a reply and compares it with the wanted ones. `ok` is a
-- pattern for the code, an array of patterns, or a function(code, reply) that gives the results.
function methods:check(ok)
	local code, reply = read_reply(self.c)
	if not code then
		return nil, reply
	elseif type(ok) == 'function' then
		return ok(tonumber(code), reply)
	end
	for _, pattern in ipairs(type(ok) == 'table' and ok or {ok}) do
		if code:match(pattern) then
			return tonumber(code), reply
		end
	end
	return nil, reply
end

-- command(cmd, [arg]) -> bytes sent | nil, err. Neither argument can start another command.
function methods:command(cmd, arg)
	local line = cmd:upper()
	if arg then
		line = line .. ' ' .. arg
	end
	if line:find'[\r\n%z]' then
		return nil, 'line break in command'
	end
	return self.c:send(line .. '\r\n')
end

-- sink(snk, pattern) -> the result of snk for what is received
function methods:sink(snk, pattern)
	local chunk, err = self.c:receive(pattern)
	return snk(chunk, err)
end

-- source(src, [step]) -> 1 | nil, err: sends all of src
function methods:source(src, step)
	return ltn12.pump.all(src, socket.sink('keep-open', self.c), step or ltn12.pump.step)
end

function methods:send(data)
	return self.c:send(data)
end

function methods:receive(pattern)
	return self.c:receive(pattern)
end

function methods:getfd()
	return self.c:getfd()
end

function methods:dirty()
	return self.c:dirty()
end

function methods:getcontrol()
	return self.c
end

function methods:getpeername()
	return self.c:getpeername()
end

-- The *peer's* name, like in the original. The local name is getcontrol():getsockname().
function methods:getsockname()
	return self.c:getpeername()
end

function methods:close()
	self.c:close()
	return 1
end

local class = {__index = methods}

-- connect(host, port, [timeout], [create]) -> object | nil, err
function tp.connect(host, port, timeout, create)
	local c, err = (create or socket.tcp)()
	if not c then
		return nil, err
	end
	c:settimeout(timeout or tp.TIMEOUT)
	local ok
	ok, err = c:connect(host, port)
	if not ok then
		c:close()
		return nil, err
	end
	return setmetatable({c = c}, class)
end

return tp
