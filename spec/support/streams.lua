-- What the specs of buffered reads share: connections with something to read.

local ffi = require'ffi'
local socket = require'socket2'
local assert = require'luassert'
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

-- feed(pieces) -> a connection's reading end, at which the pieces come, each when what there was has been
-- looked at, and then the end of the stream.
function streams.feed(pieces)
	local c, d = spec.pair()
	spec.go(function()
		for _, piece in ipairs(pieces) do
			assert(c:send(piece))
			spec.turn()
			spec.turn()
		end
		c:close()
	end)
	return d
end

return streams
