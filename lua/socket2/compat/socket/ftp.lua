-- The FTP client of LuaSocket: get(), put(), command(), and the connection behind them.
--
-- It differs from the original to be safe: data connections go to the host that the commands go to, whatever
-- address a reply to PASV names, and are accepted (after PORT) only from that host; an argument with a line
-- break, which would be another command, is refused; what is received may be limited. And port() works.

local socket = require'socket'
local url = require'socket.url'
local ltn12 = require'ltn12'
local tp = require'socket.tp'
local limit = require'socket2.luasocket.limit'

local type, pairs, ipairs, tonumber, tostring = type, pairs, ipairs, tonumber, tostring
local setmetatable = setmetatable
local concat, floor = table.concat, math.floor
local try = socket.try

local ftp = {
	TIMEOUT = 60,
	USER = 'ftp',
	PASSWORD = 'anonymous@anonymous.org',
	-- MAXBODY: the most bytes that a received file may have. Without it get(url), which returns a string, takes
	-- at most limit.STRING bytes.
}
socket.ftp = ftp

local PORT = 21

-- A connection: open() -> object with `tp` and with `try`, which closes the connection on an error. The next
-- data connection comes from `pasvt` or `server`, and is then `data`. The methods raise what socket.protect()
-- catches.

local methods = {}
local class = {__index = methods}

function ftp.open(server, port, create)
	local f = setmetatable({tp = try(tp.connect(server, port or PORT, ftp.TIMEOUT, create))}, class)
	f.try = socket.newtry(function() f:close() end)
	return f
end

-- Sends a command and reads its reply: code, reply.
local function ask(self, ok, command, argument)
	self.try(self.tp:command(command, argument))
	return self.try(self.tp:check(ok))
end

local function complete(code)
	return code >= 200 and code < 300
end

-- Waits for the reply that follows a 1xx reply.
local function finish(self, code)
	if not complete(code) then
		self.try(self.tp:check'2..')
	end
end

function methods:greet()
	finish(self, self.try(self.tp:check{'1..', '2..'}))
	return 1
end

function methods:login(user, password)
	if ask(self, {'2..', 331}, 'USER', user or ftp.USER) == 331 then
		ask(self, '2..', 'PASS', password or ftp.PASSWORD)
	end
	return 1
end

function methods:type(what)
	ask(self, 200, 'TYPE', what)
	return 1
end

function methods:cwd(dir)
	ask(self, 250, 'CWD', dir)
	return 1
end

function methods:quit()
	ask(self, '2..', 'QUIT')
	return 1
end

function methods:close()
	if self.data then
		self.data:close()
	end
	if self.server then
		self.server:close()
	end
	return self.tp:close()
end

-- Data connections that the client makes.

local function passive(self, port)
	local address = self.try(self.tp:getpeername())
	if self.server then
		self.server:close()
		self.server = nil
	end
	self.pasvt = {address = address, port = port}
	return address, port
end

function methods:pasv()
	local _, reply = ask(self, '2..', 'PASV')
	local high, low = reply:sub(4):match'%d+%D%d+%D%d+%D%d+%D(%d+)%D(%d+)'
	high, low = tonumber(high), tonumber(low)
	self.try(high and high < 256 and low < 256, reply)
	return passive(self, high * 256 + low)
end

function methods:epsv()
	local _, reply = ask(self, 229, 'EPSV')
	local _, _, _, port = reply:match'%((.)(.-)%1(.-)%1(%d+)%1%)'
	return passive(self, self.try(port, 'invalid epsv response'))
end

function methods:pasvconnect()
	self.data = self.try(socket.tcp())
	self.try(self.data:settimeout(ftp.TIMEOUT))
	self.try(self.data:connect(self.pasvt.address, self.pasvt.port))
end

-- Data connections that the server makes.

-- The address and port that the server is to connect to: those of the listener, unless they are given.
local function active(self, address, port)
	self.pasvt = nil
	if self.server then
		self.server:close()
		self.server = nil
	end
	if not address then
		local _
		address = self.try(self.tp:getcontrol():getsockname())
		self.server = self.try(socket.bind(address, 0))
		_, port = self.try(self.server:getsockname())
		self.try(self.server:settimeout(ftp.TIMEOUT))
	end
	return address, tonumber(port)
end

function methods:port(address, port)
	address, port = active(self, address, port)
	ask(self, '2..', 'PORT', ('%s,%d,%d'):format(address, floor(port / 256), port % 256):gsub('%.', ','))
	return 1
end

-- eprt([family], [address, port]): the family is '1' for IPv4 and '2' for IPv6.
function methods:eprt(family, address, port)
	address, port = active(self, address, port)
	family = family or address:find(':', 1, true) and '2' or '1'
	ask(self, '2..', 'EPRT', ('|%s|%s|%d|'):format(family, address, port))
	return 1
end

function methods:portconnect()
	self.data = self.try(self.server:accept())
	self.try(self.data:getpeername() == self.tp:getpeername(), 'data connection from another host')
	self.try(self.data:settimeout(ftp.TIMEOUT))
	self.server:close()
	self.server = nil
end

-- Transfers.

-- Asks for a transfer: the code of the reply, the reply. Afterwards there is a data connection.
local function transfer(self, t, default)
	self.try(self.pasvt or self.server, 'need port or pasv first')
	if self.pasvt then
		self:pasvconnect()
	end
	local argument = t.argument or url.unescape((tostring(t.path or ''):gsub('^[/\\]', '')))
	return ask(self, {'1..', '2..'}, t.command or default, argument ~= '' and argument or nil)
end

local function ended(self, code)
	finish(self, code)
	self.data:close()
	self.data = nil
end

-- receive{[path=] | [argument=], sink=, [step=], [command='retr']} -> 1. If the server needs no data
-- connection, it answers with a reply, which goes to the sink.
function methods:receive(t)
	local code, reply = transfer(self, t, 'RETR')
	local sink = limit.sink(t.sink, ftp.MAXBODY)
	if complete(code) then
		local _, err = sink(reply)
		return self.try(not err and 1, err)
	end
	if not self.pasvt then
		self:portconnect()
	end
	self.try(ltn12.pump.all(socket.source('until-closed', self.data), sink, t.step))
	ended(self, code)
	return 1
end

-- send{[path=] | [argument=], source=, [step=], [command='stor']} -> bytes sent. The server may end the
-- transfer.
function methods:send(t)
	local code = transfer(self, t, 'STOR')
	if not self.pasvt then
		self:portconnect()
	end
	local step, control = t.step or ltn12.pump.step, {self.tp:getcontrol()}
	local function attentive(source, sink)
		if socket.select(control, nil, 0)[1] then
			code = self.try(self.tp:check'2..')
		end
		return step(source, sink)
	end
	self.try(ltn12.pump.all(t.source, socket.sink('close-when-done', self.data), attentive))
	local _, sent = self.data:getstats()
	ended(self, code)
	return sent
end

-- What callers can ask for.

local function parse(u)
	local t, err = url.parse(u, {path = '/', scheme = 'ftp'})
	if t and t.user then
		t.user, t.password = url.unescape(t.user), t.password and url.unescape(t.password)
	end
	return t, err
end

-- The table without its url: its fields override those of the url.
local function of_url(t)
	if not t.url then
		return t
	end
	local all = parse(t.url) or {}
	for k, v in pairs(t) do
		all[k] = v
	end
	return all
end

-- Opens a connection and logs in.
local function session(t)
	try(t.host, 'missing hostname')
	local f = ftp.open(t.host, t.port, t.create)
	f:greet()
	f:login(t.user, t.password)
	return f
end

local function over(f, ...)
	f:quit()
	f:close()
	return ...
end

local function transferred(t, method)
	t = of_url(t)
	local f = session(t)
	if t.type then
		f:type(t.type)
	end
	f:epsv()
	return over(f, f[method](f, t))
end

-- genericform(url) -> the table for get() or put() that a url stands for, without sink and source. Raises on
-- an error.
function ftp.genericform(u)
	local t = try(parse(u))
	try(t.scheme == 'ftp', ("wrong scheme '%s'"):format(t.scheme))
	try(t.host, 'missing hostname')
	if t.params then
		t.type = t.params:match'^type=(.)$'
		try(t.type == 'a' or t.type == 'i', ("invalid type '%s'"):format(tostring(t.type)))
	end
	return t
end

-- get(url) -> content | nil, err
-- get{host=, path=, sink=, ...} -> 1 | nil, err
ftp.get = socket.protect(function(t)
	if type(t) ~= 'string' then
		return transferred(t, 'receive')
	end
	local pieces
	t = ftp.genericform(t)
	t.sink, pieces = ltn12.sink.table()
	t.sink = limit.sink(t.sink, limit.STRING)
	transferred(t, 'receive')
	return concat(pieces)
end)

-- put(url, content), put{host=, path=, source=, ...} -> bytes sent | nil, err
ftp.put = socket.protect(function(t, content)
	if type(t) == 'string' then
		t = ftp.genericform(t)
		t.source = ltn12.source.string(content)
	end
	return transferred(t, 'send')
end)

-- command{host=, command=, [argument=], [check=], ...} -> 1 | nil, err: sends a command, or an array of them,
-- and reads the reply to each if there is a check for it.
ftp.command = socket.protect(function(t)
	t = of_url(t)
	try(t.host, 'missing hostname')
	try(t.command, 'missing command')
	local f = session(t)
	local commands, arguments, checks = {t.command}, {t.argument}, {t.check}
	if type(t.command) == 'table' then
		commands, arguments, checks = t.command, t.argument or {}, t.check or {}
	end
	for i, command in ipairs(commands) do
		f.try(f.tp:command(command, arguments[i]))
		if checks[i] then
			f.try(f.tp:check(checks[i]))
		end
	end
	return over(f, 1)
end)

return ftp
