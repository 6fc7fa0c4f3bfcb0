-- What the specs of buffered reads share: connections with something to read, and scripted streams.

local ffi = require'ffi'
local socket = require'socket2'
local assert = require'luassert'
local stream = require'socket2.net.stream'
local spec = require'spec'

local streams = {CHUNK = 16384}

-- having(text, ['w']) -> the reading end of a connection, to which the text was sent, and the other end. With
-- 'w' the stream ends after the text, otherwise it goes on.
function streams.having(text, how)
	local c, d = spec.pair()
	assert(#text == 0 or c:send(text))
	if how == 'w' then
		assert(c:shutdown'w')
	end
	return d, c
end

-- drip(c, d, pieces): sends the pieces one by one, each when the one before is in the buffer of d. A thread
-- must be reading from d, with a read that needs the last piece.
function streams.drip(c, d, pieces)
	local n = d:buffered()
	for i, piece in ipairs(pieces) do
		assert(c:send(piece))
		n = n + #piece
		if i < #pieces then
			spec.wait_until(function() return d:buffered() == n end)
		end
	end
end

-- bytes(text) -> array of them
function streams.bytes(text)
	local t = {}
	for i = 1, #text do
		t[i] = text:sub(i, i)
	end
	return t
end

-- soon() -> an expiry that comes soon
function streams.soon()
	return socket.clock() + 0.02
end

-- recv(s, n): like recv(), but returns a string, '' at the end of the stream.
function streams.recv(s, n)
	local buf = spec.buffer(n)
	local len, err, errcode = s:recv(buf, n)
	if len then
		return ffi.string(buf, len)
	end
	return nil, err, errcode
end

-- recvn(s, n, [expires]): like recvn(), but returns a string.
local function recvn(s, n, expires)
	local buf = spec.buffer(n)
	local len, err, errcode = s:recvn(buf, n, expires)
	if len then
		assert.equal(n, len)
		return ffi.string(buf, len)
	end
	return nil, err, errcode
end

streams.recvn = recvn

-- A read of every kind; each waits while there are less than 100 bytes and no line end.
streams.reads = {
	read = function(s, expires) return s:read(100, expires) end,
	peek = function(s, expires) return s:peek(100, expires) end,
	readline = function(s, expires) return s:readline(nil, expires) end,
	readuntil = function(s, expires) return s:readuntil('--', nil, expires) end,
	readall = function(s, expires) return s:readall(nil, expires) end,
	recvn = function(s, expires) return recvn(s, 100, expires) end,
	['recvn of much'] = function(s, expires) return recvn(s, 1e6, expires) end,
}

-- A stream without a socket: its receive(buf, maxlen) gives the pieces of the text and the other entries of
-- `script`; a function there is called for its results.
local scripted = setmetatable({}, {__index = stream})
scripted.__index = scripted
streams.scripted = scripted

-- script(pieces) -> a scripted object
function streams.script(pieces)
	return setmetatable({pieces = pieces, i = 1, h = 1}, scripted)
end

function scripted:receive(buf, maxlen, expires)
	assert(maxlen > 0)
	local piece = self.pieces[self.i]
	if not piece then
		return 0
	elseif type(piece) == 'function' then
		self.i = self.i + 1
		return piece(self, buf, maxlen, expires)
	end
	local n = math.min(#piece, maxlen)
	ffi.copy(buf, piece, n)
	self.pieces[self.i] = piece:sub(n + 1)
	if n == #piece then
		self.i = self.i + 1
	end
	return n
end

return streams
