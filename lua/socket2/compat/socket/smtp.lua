-- The SMTP client of LuaSocket: send(), message(), and the connection behind them.
--
-- It differs from the original to be safe: an address, a domain or a header that would begin another command
-- or header is refused, and a CR or LF that stands alone becomes CRLF before the dots are stuffed, so that no
-- text can end the message. And message() needs no coroutine, so that the functions that give its bodies may
-- wait for sockets.

local socket = require'socket'
local ltn12 = require'ltn12'
local mime = require'mime'
local tp = require'socket.tp'
local canonic = require'socket.headers'.canonic

local type, pairs, ipairs, pcall, setmetatable, tostring = type, pairs, ipairs, pcall, setmetatable, tostring
local concat, date, random = table.concat, os.date, math.random
local try = socket.try

local smtp = {
	TIMEOUT = 60,
	SERVER = 'localhost',
	PORT = 25,
	DOMAIN = os.getenv'SERVER_NAME' or 'localhost',
	ZONE = '-0000',
}
socket.smtp = smtp

-- A connection: open() -> object with `tp` and with `try`, which closes the connection on an error. The
-- methods raise what socket.protect() catches.

local methods = {}
local class = {__index = methods}

function smtp.open(server, port, create)
	local connection = try(tp.connect(server or smtp.SERVER, port or smtp.PORT, smtp.TIMEOUT, create))
	local s = setmetatable({tp = connection}, class)
	s.try = socket.newtry(function() s:close() end)
	return s
end

-- Sends a command and reads its reply: code, reply.
local function ask(self, ok, command, argument)
	self.try(self.tp:command(command, argument))
	return self.try(self.tp:check(ok))
end

-- greet([domain]) -> the text of the server's extensions
function methods:greet(domain)
	self.try(self.tp:check'2..')
	local _, reply = ask(self, '2..', 'EHLO', domain or smtp.DOMAIN)
	return reply
end

function methods:mail(from)
	return ask(self, '2..', 'MAIL', 'FROM:' .. from)
end

function methods:rcpt(to)
	return ask(self, '2..', 'RCPT', 'TO:' .. to)
end

function methods:data(source, step)
	ask(self, '3..', 'DATA')
	self.try(self.tp:source(source, step))
	self.try(self.tp:send'\r\n.\r\n')
	return self.try(self.tp:check'2..')
end

function methods:quit()
	return ask(self, '2..', 'QUIT')
end

function methods:close()
	return self.tp:close()
end

function methods:login(user, password)
	ask(self, '3..', 'AUTH', 'LOGIN')
	self.try(self.tp:send(mime.b64(user) .. '\r\n'))
	self.try(self.tp:check'3..')
	self.try(self.tp:send(mime.b64(password) .. '\r\n'))
	return self.try(self.tp:check'2..')
end

function methods:plain(user, password)
	return ask(self, '2..', 'AUTH', 'PLAIN ' .. mime.b64('\0' .. user .. '\0' .. password))
end

-- auth([user, password], extensions): logs in by a method that the server knows.
function methods:auth(user, password, extensions)
	if not user or not password then
		return 1
	elseif extensions:find'AUTH[^\n]+LOGIN' then
		return self:login(user, password)
	elseif extensions:find'AUTH[^\n]+PLAIN' then
		return self:plain(user, password)
	end
	self.try(nil, 'authentication not supported')
end

function methods:send(mail)
	self:mail(mail.from)
	if type(mail.rcpt) == 'table' then
		for _, to in ipairs(mail.rcpt) do
			self:rcpt(to)
		end
	else
		self:rcpt(mail.rcpt)
	end
	self:data(ltn12.source.chain(mail.source, mime.normalize(), mime.stuff()), mail.step)
end

-- send{from=, rcpt=, source=, ...} -> 1 | nil, err
smtp.send = socket.protect(function(mail)
	local s = smtp.open(mail.server, mail.port, mail.create)
	local extensions = s:greet(mail.domain)
	s:auth(mail.user, mail.password, extensions)
	s:send(mail)
	s:quit()
	return s:close()
end)

-- A message is an array of pieces: strings, and functions that give a part of the text. They are sent in
-- order.

local boundaries = 0
local function new_boundary()
	boundaries = boundaries + 1
	return ('%s%05d==%05d'):format(date'%d%m%Y%H%M%S', random(0, 99999), boundaries)
end

local function lowercase(headers)
	local lower = {}
	for name, value in pairs(headers or {}) do
		lower[tostring(name):lower()] = value
	end
	return lower
end

-- A value may be folded: then white space follows each line break in it.
local function header_lines(headers)
	local lines = {}
	for name, value in pairs(headers) do
		if not name:find'^[^%c%s:]+$' then
			error('invalid header name', 0)
		elseif (tostring(value):gsub('\r?\n[ \t]', '')):find'[\r\n%z]' then
			error(("invalid header '%s'"):format(name), 0)
		end
		lines[#lines + 1] = (canonic[name] or name) .. ': ' .. value .. '\r\n'
	end
	lines[#lines + 1] = '\r\n'
	return concat(lines)
end

local add_message

local function add_parts(pieces, message, headers)
	local function add(piece)
		pieces[#pieces + 1] = piece
	end
	local parts, kind, boundary = message.body, headers['content-type'] or 'multipart/mixed', new_boundary()
	headers['content-type'] = ('%s; boundary="%s"'):format(kind, boundary)
	add(header_lines(headers))
	if parts.preamble then
		add(parts.preamble)
		add'\r\n'
	end
	for _, part in ipairs(parts) do
		add(('\r\n--%s\r\n'):format(boundary))
		add_message(pieces, part)
	end
	add(('\r\n--%s--\r\n\r\n'):format(boundary))
	if parts.epilogue then
		add(parts.epilogue)
		add'\r\n'
	end
end

function add_message(pieces, message)
	local headers, body = lowercase(message.headers), message.body
	if type(body) == 'table' then
		return add_parts(pieces, message, headers)
	end
	headers['content-type'] = headers['content-type'] or 'text/plain; charset="iso-8859-1"'
	pieces[#pieces + 1] = header_lines(headers)
	pieces[#pieces + 1] = body
end

-- message{[headers=], [body=string | source | {parts..., [preamble=], [epilogue=]}]} -> a source of its text.
-- The table's headers become lower-case, and some are added. An error of a body's function is an error of the
-- source.
function smtp.message(message)
	local headers = lowercase(message.headers)
	headers.date = headers.date or date'!%a, %d %b %Y %H:%M:%S ' .. (message.zone or smtp.ZONE)
	headers['x-mailer'] = headers['x-mailer'] or socket._VERSION
	headers['mime-version'] = '1.0'
	message.headers = headers

	local pieces, i, failure
	local function next_chunk()
		if not pieces then
			pieces, i = {}, 1
			add_message(pieces, message)
		end
		while type(pieces[i]) == 'function' do
			local chunk, err = pieces[i]()
			if chunk or err then
				return chunk, err
			end
			i = i + 1
		end
		i = i + 1
		return pieces[i - 1]
	end
	return function()
		if failure then
			return nil, failure
		end
		local ok, chunk, err = pcall(next_chunk)
		if not ok then
			chunk, err = nil, chunk
		end
		failure = not chunk and err or nil
		return chunk, err
	end
end

return smtp
