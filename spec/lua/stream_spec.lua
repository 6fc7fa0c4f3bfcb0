-- Buffered reading, over real connections and over scripted ones.

local ffi = require'ffi'
local socket = require'socket2'
local C = require'socket2.lib'.C
local stream = require'socket2.stream'
local spec = require'spec'

local fails, go, pair, buffer, turn, wait_until =
	spec.fails, spec.go, spec.pair, spec.buffer, spec.turn, spec.wait_until

local CHUNK = 16384

-- An it() whose function runs in a socket thread.
local function runs(what, f)
	it(what, function()
		spec.run(f, 20)
	end)
end

local function close(...)
	for i = 1, select('#', ...) do
		select(i, ...):close()
	end
end

-- n bytes that differ from place to place.
local function pattern(n)
	local words = ffi.new('uint32_t[?]', math.ceil(n / 4))
	for i = 0, math.ceil(n / 4) - 1 do
		words[i] = i * 2654435761
	end
	return ffi.string(words, n)
end

-- A connection's reading end, to which the text was sent; with 'w' that is all, else the stream goes on.
-- Second, the other end.
local function having(text, how)
	local c, d = pair()
	assert(#text == 0 or c:send(text))
	if how == 'w' then
		assert(c:shutdown'w')
	end
	return d, c
end

-- Sends the pieces, each when the one before is in the buffer of d, where a thread reads that does not
-- come to its end before the last one.
local function drip(c, d, pieces)
	local n = d:buffered()
	for i, piece in ipairs(pieces) do
		assert(c:send(piece))
		n = n + #piece
		if i < #pieces then
			wait_until(function() return d:buffered() == n end)
		end
	end
end

local function bytes(text)
	local t = {}
	for i = 1, #text do
		t[i] = text:sub(i, i)
	end
	return t
end

-- An expiry that comes soon.
local function soon()
	return socket.clock() + 0.02
end

-- recv() as a string, '' at the end of the stream
local function recv(s, n)
	local buf = buffer(n)
	local len, err, errcode = s:recv(buf, n)
	if len then
		return ffi.string(buf, len)
	end
	return nil, err, errcode
end

-- recvn() as a string
local function recvn(s, n, expires)
	local buf = buffer(n)
	local len, err, errcode = s:recvn(buf, n, expires)
	if len then
		assert.equal(n, len)
		return ffi.string(buf, len)
	end
	return nil, err, errcode
end

-- A read of every kind that waits when there are less than 100 bytes without a line's end.
local reads = {
	read = function(s, expires) return s:read(100, expires) end,
	peek = function(s, expires) return s:peek(100, expires) end,
	readline = function(s, expires) return s:readline(nil, expires) end,
	readuntil = function(s, expires) return s:readuntil('--', nil, expires) end,
	readall = function(s, expires) return s:readall(nil, expires) end,
	recvn = function(s, expires) return recvn(s, 100, expires) end,
	['recvn of much'] = function(s, expires) return recvn(s, 1e6, expires) end,
}

-- An object of no socket, whose receive(buf, maxlen) gives the pieces of the text, and what else is in
-- `script`: functions are called and give the results.
local scripted = setmetatable({}, {__index = stream})
scripted.__index = scripted

local function script(pieces)
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

local function timeout()
	return nil, 'timeout', C.SOCKET2_ETIMEOUT
end

describe('stream:read', function()

	runs('gives n bytes, no more and no less', function()
		local d, c = having'hello\0world'
		assert.equal('hello', d:read(5))
		assert.equal(6, d:buffered())
		assert.equal('\0', d:read(1))
		assert.equal('', d:read(0))
		assert.equal('world', d:read(5))
		assert.is_false(d.rbuf)
		assert.equal(0, d:buffered())
		assert.equal('', d:read(0))
		assert.is_false(d.rbuf)
		close(c, d)
	end)

	runs('waits for all of them', function()
		local c, d = pair()
		local reading = go(function() return d:read(9) end)
		drip(c, d, {'a', 'bc', 'def'})
		assert.is_false(reading'done?')
		assert(c:send'ghijkl')
		assert.equal('abcdefghi', reading())
		assert.equal('jkl', d:read(3))
		assert.is_false(d.rbuf)
		close(c, d)
	end)

	for _, n in ipairs{CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7, 1e6} do
		runs(('gives %d bytes after a few others'):format(n), function()
			local text = pattern(n + 10)
			local c, d = pair()
			go(function() assert(c:send(text)) end)
			assert.is_true(d:read(3) == text:sub(1, 3))
			assert.is_true(d:read(n) == text:sub(4, n + 3))
			assert.is_true(d:read(7) == text:sub(n + 4))
			assert.is_false(d.rbuf)
			close(c, d)
		end)
	end

	runs('gives 20 MB', function()
		local text = pattern(2e7)
		local c, d = pair()
		local sending = go(function() return c:send(text) end)
		assert.is_true(d:read(2e7) == text)
		assert.equal(2e7, sending())
		assert.is_false(d.rbuf)
		close(c, d)
	end)

	runs('fails at the end of the stream and leaves what there is', function()
		local d, c = having('hello', 'w')
		for _ = 1, 2 do
			fails('end_of_stream', d:read(6))
			assert.equal(5, d:buffered())
		end
		assert.equal('hel', d:read(3))
		assert.equal('lo', d:readall())
		fails('end_of_stream', d:read(1))
		assert.equal('', d:read(0))
		assert.is_false(d.rbuf)
		close(c, d)
	end)

end)

describe('stream:peek', function()

	runs('gives bytes that stay', function()
		local d, c = having'hello'
		assert.equal('hel', d:peek(3))
		assert.equal('hello', d:peek(5))
		assert.equal('', d:peek(0))
		assert.equal('h', d:peek(1))
		assert.equal('he', d:read(2))
		local peeking = go(function() return d:peek(5) end)
		drip(c, d, bytes'123')
		assert.equal('llo12', peeking())
		assert.equal('llo12', d:read(5))
		assert.equal('3', recv(d, 10))
		assert.is_false(d.rbuf)
		assert.equal('', d:peek(0))
		assert.is_false(d.rbuf)
		close(c, d)
	end)

	runs('grows with what is wanted', function()
		local text = pattern(1e5)
		local d, c = having(text, 'w')
		for _, n in ipairs{1, CHUNK, CHUNK + 1, 50000, 1e5} do
			assert.is_true(d:peek(n) == text:sub(1, n))
		end
		fails('end_of_stream', d:peek(1e5 + 1))
		assert.is_true(d:readall() == text)
		assert.is_false(d.rbuf)
		close(c, d)
	end)

end)

describe('stream:readline', function()

	runs('gives lines without their ends', function()
		local d, c = having'one\ntwo\r\n\n\r\nthree\rstill three\r\r\n\0\n'
		assert.equal('one', d:readline())
		assert.equal('two', d:readline())
		assert.equal('', d:readline())
		assert.equal('', d:readline())
		assert.equal('three\rstill three\r', d:readline())
		assert.equal('\0', d:readline())
		assert.is_false(d.rbuf)
		close(c, d)
	end)

	runs('looks at no byte before the line', function()
		local d, c = having'ab\r\ncd\n'
		assert.equal('ab\r', d:read(3))
		assert.equal('', d:readline())
		assert.equal('cd', d:readline())
		close(c, d)
	end)

	runs('takes lines that come one byte at a time', function()
		local c, d = pair()
		for text, line in pairs{['ab\r\n'] = 'ab', ['\r\n'] = '', ['\n'] = '', ['a\rb\r\r\n'] = 'a\rb\r'} do
			local reading = go(function() return d:readline() end)
			drip(c, d, bytes(text))
			assert.equal(line, reading())
			assert.is_false(d.rbuf)
		end
		close(c, d)
	end)

	for _, max in ipairs{0, 1, 2, 5, CHUNK - 1, CHUNK, 65536, false} do
		local n = max or 65536
		runs(('takes lines of %d bytes and no more%s'):format(n, max and '' or ', by default'), function()
			local line = ('x'):rep(n)
			local function with(ending, expected)
				local d, c = having(line .. ending .. 'rest', 'w')
				for _ = 1, 2 do
					local r, err = d:readline(max or nil)
					assert.equal(expected, r and (r:gsub('^' .. line, 'line')) or err)
					if r then break end
				end
				assert.equal(expected == 'too_long' and #line + #ending + 4 or 4, #d:readall())
				close(c, d)
			end
			with('\n', 'line')
			with('\r\n', 'line')
			with('x\n', 'too_long')
			with('x\r\n', 'too_long')
			with('\r\r\n', 'too_long')
			with('\rx\n', 'too_long')
			with('\r', 'too_long')
		end)
	end

	runs('fails as soon as the line is too long', function()
		for _, text in ipairs{'12345x', '12345\rx', '12345\r\r'} do
			local d, c = having(text)
			fails('too_long', d:readline(5))
			assert.equal(text, d:read(#text))
			close(c, d)
		end
		local c, d = pair()
		local reading = go(function() return d:readline(5) end)
		drip(c, d, {'12345', '\r', 'x'})
		fails('too_long', reading())
		assert.equal('12345\rx', d:readline(6 + 1, soon()) or d:read(7))
		close(c, d)
	end)

	runs('does not read on when the line is too long', function()
		local c, d = pair()
		local sending = go(function() return c:send(buffer(2e7)) end)
		fails('too_long', d:readline())
		assert.is_true(d:buffered() <= 5 * CHUNK)
		assert.is_false(sending'done?')
		assert.equal(2e7, #d:read(2e7))
		sending()
		close(c, d)
	end)

	runs('gives very long lines when asked to', function()
		local line = ('0123456789'):rep(1e5)
		local c, d = pair()
		for _, max in ipairs{1e6, 1e7, 1/0} do
			go(function() assert(c:send(line .. '\r\n')) end)
			assert.is_true(d:readline(max) == line)
			assert.is_false(d.rbuf)
		end
		close(c, d)
	end)

	runs('fails at the end of the stream and leaves what there is', function()
		local d, c = having('one\ntwo\r', 'w')
		assert.equal('one', d:readline())
		fails('end_of_stream', d:readline())
		fails('end_of_stream', d:readline())
		assert.equal('two\r', d:readall())
		fails('end_of_stream', d:readline())
		close(c, d)
	end)

end)

describe('stream:readuntil', function()

	for _, delim in ipairs{'\0', ';', '\n', '--', '\r\n\r\n', 'aab', '\0\0\1', ('ab'):rep(20) .. 'c'} do
		local shown = delim:gsub('%c', function(c) return ('\\%d'):format(c:byte()) end)
		runs(('finds "%s"'):format(shown), function()
			local texts = {'', 'x', delim:sub(1, -2), delim:sub(2) .. 'x', ('x'):rep(2 * CHUNK), delim:sub(1, 1)}
			local d, c = having(table.concat(texts, delim) .. delim .. 'rest')
			for _, text in ipairs(texts) do
				-- what precedes a delimiter may make one with it sooner
				local both = text .. delim
				local first = both:find(delim, 1, true)
				if first == #text + 1 then
					assert.is_true(d:readuntil(delim) == text)
				else
					assert.equal(both, d:read(#both))
				end
			end
			assert.equal('rest', d:read(4))
			assert.is_false(d.rbuf)

			for _, text in ipairs{'', 'x', delim:sub(1, -2) .. '!'} do
				local reading = go(function() return d:readuntil(delim) end)
				drip(c, d, bytes(text .. delim))
				assert.equal(text, reading())
				assert.is_false(d.rbuf)
			end
			close(c, d)
		end)

		for _, max in ipairs{0, 1, 40, CHUNK, false} do
			local n = max or 65536
			runs(('takes %d bytes and no more before "%s"'):format(n, shown), function()
				local text = ('x'):rep(n)
				local d, c = having(text .. delim .. text .. '!' .. delim, 'w')
				assert.is_true(d:readuntil(delim, max or nil) == text)
				fails('too_long', d:readuntil(delim, max or nil))
				assert.is_true(d:readuntil(delim, n + 1) == text .. '!')
				assert.is_false(d.rbuf)
				fails('end_of_stream', d:readuntil(delim))
				close(c, d)
			end)
		end

		runs(('fails as soon as "%s" is too late'):format(shown), function()
			local c, d = pair()
			for _, text in ipairs{'xxxxx!', 'xxxxx' .. delim:sub(1, -2) .. '!'} do
				local reading = go(function() return d:readuntil(delim, 5) end)
				drip(c, d, bytes(text))
				fails('too_long', reading())
				assert.equal(text, d:read(#text))
			end
			close(c, d)
		end)
	end

	runs('takes a delimiter that is nearly there at the end of the stream as data', function()
		local d, c = having('data--', 'w')
		fails('end_of_stream', d:readuntil'---')
		fails('end_of_stream', d:readuntil('---', 4))
		fails('too_long', d:readuntil('---', 3))
		assert.equal('data', d:readuntil'--')
		assert.equal('', d:readall())
		close(c, d)
	end)

end)

describe('stream:readall', function()

	runs('gives everything until the end', function()
		for _, text in ipairs{'', 'x', pattern(CHUNK), pattern(CHUNK + 1), pattern(1e5)} do
			local d, c = having(text, 'w')
			assert.is_true(d:readall() == text)
			assert.equal('', d:readall())
			assert.is_false(d.rbuf)
			close(c, d)
		end
	end)

	runs('gives 20 MB', function()
		local text = pattern(2e7)
		local c, d = pair()
		go(function()
			assert(c:send(text))
			c:close()
		end)
		assert.is_true(d:readall() == text)
		assert.is_false(d.rbuf)
		d:close()
	end)

	for _, max in ipairs{0, 1, CHUNK - 1, CHUNK, 1e5} do
		runs(('takes %d bytes and no more'):format(max), function()
			local text = pattern(max)
			local d, c = having(text, 'w')
			assert.is_true(d:readall(max) == text)
			close(c, d)
			d, c = having(text .. '!') -- and does not wait for the end
			fails('too_long', d:readall(max))
			fails('too_long', d:readall(max))
			assert.is_true(d:read(max + 1) == text .. '!')
			close(c, d)
		end)
	end

	runs('takes 1/0 for no limit, and has one by default', function()
		local d, c = having('hello', 'w')
		assert.equal('hello', d:readall(1/0))
		close(c, d)
		local s = script{}
		local piece, given = pattern(2^20), 0
		for i = 1, 70 do
			s.pieces[i] = piece
		end
		local receive = s.receive
		function s:receive(...)
			local n = receive(self, ...)
			given = given + n
			return n
		end
		fails('too_long', s:readall())
		assert.is_true(given > 2^26 and given <= 2^26 + CHUNK)
		assert.equal(given, s:buffered())
		assert.is_true(s:read(2^20) == piece)
	end)

end)

describe('stream:recvn', function()

	for _, n in ipairs{1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 1e6} do
		runs(('fills %d bytes, with some from the buffer'):format(n), function()
			local c, d = pair()
			for _, had in ipairs{0, 1, 50, 3000} do
				local text = pattern(n + had + 5)
				go(function() assert(c:send(text)) end)
				if had > 0 then
					wait_until(function() return #d:peek(had) == had end)
				end
				assert.is_true(recvn(d, n) == text:sub(1, n))
				assert.is_true(d:read(#text - n) == text:sub(n + 1))
				assert.is_false(d.rbuf)
			end
			close(c, d)
		end)
	end

	runs('writes nothing behind the n bytes, and takes memory of any kind', function()
		local d, c = having(('abcdefgh'):rep(4))
		ffi.cdef'typedef struct { char a[4]; char b[4]; } stream_spec_pair;'
		local array, words, pair_ = buffer(10), ffi.new'int32_t[2]', ffi.new'stream_spec_pair'
		array[8] = 33
		for _, buf in ipairs{array, words, pair_, ffi.cast('void *', words)} do
			assert.equal(8, d:recvn(buf, 8))
			assert.equal('abcdefgh', ffi.string(buf, 8))
		end
		assert.equal(33, array[8])
		assert.equal(0, d:recvn(array, 0))
		assert.is_false(d.rbuf)
		close(c, d)
	end)

	runs('takes 20 MB straight', function()
		local text = pattern(2e7)
		local c, d = pair()
		go(function() assert(c:send(text)) end)
		assert.equal(text:sub(1, 10), d:peek(10))
		assert.is_true(recvn(d, 2e7) == text)
		assert.is_false(d.rbuf)
		close(c, d)
	end)

	for _, n in ipairs{1000, 1e6} do
		runs(('of %d bytes gives back what came when it fails'):format(n), function()
			local c, d = pair()
			assert(c:send'hello ')
			assert.equal('h', d:peek(1))
			local reading = go(function() return recvn(d, n) end)
			turn()
			assert(c:send'to ')
			turn()
			assert(c:send'you\n')
			turn()
			assert.is_false(reading'done?')
			assert(c:shutdown'w')
			fails('end_of_stream', reading())
			assert.equal('hello to you', d:readline())
			assert.is_false(d.rbuf)
			close(c, d)
		end)
	end

	runs('gives back more than a chunk', function()
		local text = pattern(1e5)
		local d, c = having(text, 'w')
		assert.is_true(d:read(10) == text:sub(1, 10))
		fails('end_of_stream', recvn(d, 1e6))
		fails('end_of_stream', recvn(d, 1e6))
		assert.is_true(d:readall() == text:sub(11))
		assert.is_false(d.rbuf)
		close(c, d)
	end)

end)

describe('stream:recv', function()

	runs('gives what is buffered first, and does not wait for more', function()
		local d, c = having'hello world'
		assert.equal('hello', d:read(5))
		assert.equal(' wo', recv(d, 3))
		assert.equal('rld', recv(d, 100))
		assert.is_false(d.rbuf)
		local reading = go(recv, d, 100)
		turn()
		assert.is_false(reading'done?')
		assert(c:send'more')
		assert.equal('more', reading())
		close(c, d)
	end)

	runs('gives the end of the stream after what is buffered', function()
		local d, c = having('hello', 'w')
		fails('end_of_stream', d:read(6))
		assert.equal('hello', recv(d, 100))
		assert.equal('', recv(d, 100))
		close(c, d)
	end)

end)

describe('stream:lines', function()

	local function collected(d, ...)
		local t = {}
		for line in d:lines(...) do
			t[#t + 1] = line
		end
		return t
	end

	runs('gives every line and ends with the stream', function()
		for text, lines in pairs{
			[''] = {},
			['\n'] = {''},
			['one'] = {'one'},
			['one\n'] = {'one'},
			['one\r\n\ntwo\r'] = {'one', '', 'two\r'},
			['\r\n\r\n'] = {'', ''},
		} do
			local d, c = having(text, 'w')
			assert.same(lines, collected(d))
			assert.is_false(d.rbuf)
			close(c, d)
		end
	end)

	runs('goes on where it was left', function()
		local d, c = having('1\n2\n3\n4', 'w')
		for line in d:lines() do
			if line == '2' then break end
		end
		assert.same({'3', '4'}, collected(d))
		close(c, d)
	end)

	-- The error of a loop over the lines, in the name of its line in this file.
	local function raised(d, ...)
		local ok, err = pcall(function(...)
			for _ in d:lines(...) do end -- luacheck: ignore
		end, ...)
		assert.is_false(ok)
		return err:match'^[^:]*stream_spec%.lua:%d+: (.*)$'
	end

	runs('raises other failures', function()
		local d, c = having'one\nfour\nfive'
		assert.equal('timeout', raised(d, nil, soon()))
		assert.equal('five', d:read(4))
		assert(c:send'one\nfour\n')
		assert.equal('too_long', raised(d, 3))
		assert.equal('four', d:readline())
		assert(c:setopt('linger', 0))
		c:close()
		assert.equal('connection_reset', raised(d))
		d:close()
		assert.equal('closed', raised(d))
	end)

	runs('raises for a last line that is too long', function()
		for text, err in pairs{['1234\n12345'] = 'too_long', ['1234\n1234\r'] = 'too_long'} do
			local d, c = having(text, 'w')
			assert.equal(err, raised(d, 4))
			assert.equal(text:sub(6), d:readall())
			close(c, d)
		end
	end)

	runs('refuses bad limits at once', function()
		local d, c = having''
		fails('invalid_argument', d:lines(-1))
		assert.error(function() d:lines'x' end)
		close(c, d)
	end)

end)

describe('a time limit', function()

	for name, read in pairs(reads) do
		runs(('ends %s, which can go on'):format(name), function()
			local d, c = having''
			fails('timeout', read(d, soon()))
			assert.is_false(d.rbuf)
			assert(c:send'begun')
			for _ = 1, 3 do
				local expires = soon()
				fails('timeout', read(d, expires))
				assert.is_true(socket.clock() >= expires)
				assert.equal(5, d:buffered())
			end
			fails('timeout', read(d, 0))
			local reading = go(read, d)
			assert(c:send(', done\n' .. ('-'):rep(100)))
			turn()
			assert(c:shutdown'w')
			local text, err = reading()
			if name == 'recvn of much' then
				assert.equal('end_of_stream', err)
			else
				assert.equal('begun, done', text:match'^begun, done')
			end
			close(c, d)
		end)
	end

	runs('that is over lets pass what is buffered', function()
		local d, c = having(('one\n'):rep(7))
		local buf = buffer(4)
		assert.equal('one', d:readline())
		assert.equal('one\n', d:peek(4, 0))
		assert.equal('one\n', d:read(4, 0))
		assert.equal('one', d:readline(nil, 0))
		assert.equal('one', d:readuntil('\n', nil, 0))
		assert.equal(4, d:recvn(buf, 4, 0))
		assert.equal(4, d:recv(buf, 4, 0))
		assert.equal(4, d:buffered())
		fails('timeout', d:readall(nil, 0))
		assert.equal('one\n', d:read(4))
		fails('timeout', d:recv(buf, 4, 0))
		close(c, d)
	end)

end)

describe("a socket's timeout", function()

	runs('is for a whole read, however often something comes', function()
		for name, read in pairs(reads) do
			local d, c = having''
			assert(d:settimeout(0.05))
			local started = socket.clock()
			local reading = go(read, d)
			local sent = 0
			while not reading'done?' do
				if sent < 90 then
					assert(c:send'x')
					sent = sent + 1
				end
				turn()
			end
			fails('timeout', reading())
			local took = socket.clock() - started
			assert.is_true(took >= 0.05 and took < 2, name)
			assert.equal(('x'):rep(sent), d:read(sent))
			close(c, d)
		end
	end)

end)

describe('a read that is canceled', function()

	runs('can go on', function()
		for _, read in pairs(reads) do
			local d, c = having'begun'
			local results
			local thread = socket.newthread(function() results = {read(d)} end)
			turn()
			assert.is_true(socket.cancel(thread))
			wait_until(function() return results end)
			fails('canceled', unpack(results, 1, 3))
			assert.equal('begun', d:read(5))
			assert.is_false(d.rbuf)
			close(c, d)
		end
	end)

end)

describe('a read that raises', function()

	for name, read in pairs(reads) do
		runs(('because it cannot wait in a plain coroutine can go on: %s'):format(name), function()
			for _, text in ipairs{'', 'begun', pattern(60):gsub('[\n-]', '!') .. ''} do
				local d, c = having(text)
				local ok, err = pcall(coroutine.wrap(function() return read(d) end))
				assert.is_false(ok)
				assert.matches('inside a plain coroutine', err)
				collectgarbage()
				wait_until(function() -- the operation that was left behind is over
					local _, e = d:read(1000, 0)
					return e ~= 'busy'
				end)
				local reading = go(read, d)
				assert(c:send(', done\n' .. ('-'):rep(100)))
				turn()
				assert(c:shutdown'w')
				local got = reading() or d:readall()
				assert.equal(text .. ', done', got:sub(1, #text + 6))
				close(c, d)
			end
		end)
	end

	runs('through the class can go on', function()
		for name, read in pairs(reads) do
			local function raises(err, level)
				return function(self)
					self:leave_behind()
					error(err, level)
				end
			end
			local s = script{'one ', raises'oops', 'two', raises({}, 0), '\n--'}
			local ok, err = pcall(read, s)
			assert.is_false(ok, name)
			assert.matches('stream_spec.lua:%d+: oops', err)
			ok, err = pcall(read, s)
			assert.is_false(ok)
			assert.is_table(err)
			assert.equal('one two\n--', s:readall())
			assert.is_false(s.rbuf)
		end
	end)

end)

describe('a thread that finds everything in the buffer', function()

	runs('lets others have a turn', function()
		local turns = 0
		local stop = false
		go(function()
			while not stop do
				turn()
				turns = turns + 1
			end
		end)
		local s = script{('x\n'):rep(CHUNK / 2)}
		local buf = buffer(2)
		for _, read in ipairs{
			function() return s:readline() end,
			function() return s:peek(1) end,
			function() return s:read(2) end,
			function() return s:recv(buf, 2) end,
			function() return s:recvn(buf, 2) end,
			function() return s:readuntil'\n' end,
		} do
			local before = turns
			for _ = 1, 1300 do
				assert(read())
			end
			assert.is_true(turns > before)
		end
		stop = true
		turn()
	end)

end)

describe('a second reader', function()

	for name, read in pairs(reads) do
		runs(('is refused while %s waits, which it does not disturb'):format(name), function()
			local d, c = having''
			local text = 'beginning, ' .. ('x'):rep(100) .. '\n--'
			local reading = go(read, d)
			for _ = 1, 2 do
				for _, other in pairs(reads) do
					fails('busy', other(d))
					fails('busy', other(d, 0))
				end
				fails('busy', recv(d, 10))
				if d:buffered() == 0 and name ~= 'recvn of much' then
					drip(c, d, {text:sub(1, 3), ''})
					wait_until(function() return d:buffered() == 3 end)
				end
			end
			assert(c:send(text:sub(name == 'recvn of much' and 1 or 4)))
			turn()
			assert(c:shutdown'w')
			local got, err = reading()
			if name == 'recvn of much' then
				assert.equal('end_of_stream', err)
			else
				assert.equal(text:sub(1, #got), got)
			end
			local rest = assert(d:readall())
			assert.equal(text:sub(#text - #rest + 1), rest)
			assert.is_false(d.rbuf)
			close(c, d)
		end)
	end

	runs('is refused while recv waits', function()
		local d, c = having''
		local reading = go(recv, d, 100)
		for _, other in pairs(reads) do
			fails('busy', other(d))
			assert.is_false(d.rbuf)
		end
		assert(c:send'hello')
		assert.equal('hello', reading())
		close(c, d)
	end)

	-- Events of one turn of the loop: the first reader's operation is over, but it has yet to run.
	for _, does in ipairs{'reads', 'closes'} do
		runs(('that %s before the first one knows that its data came harms nothing'):format(does), function()
			local seen = {}
			for _, order in ipairs{1, 2} do
				local d, c = having''
				local e, f = having''
				local first, second
				local function start_first()
					first = go(function() return d:read(5) end)
				end
				local function start_second()
					second = go(function()
						e:read(1)
						if does == 'closes' then
							return d:close()
						end
						return d:read(5, 0)
					end)
				end
				if order == 1 then
					start_first()
					start_second()
				else
					start_second()
					start_first()
				end
				for _, s in ipairs(order == 1 and {f, c} or {c, f}) do
					assert(s:send'hello')
				end
				local text, err = first()
				local _, err2 = second()
				seen[err or text] = true
				if does == 'closes' then
					assert.is_true(text == 'hello' or err == 'closed')
					fails('closed', d:read(1))
				else
					assert.equal('hello', text)
					assert.is_true(err2 == 'busy' or err2 == 'timeout')
				end
				assert.is_false(d.rbuf)
				close(c, d, e, f)
			end
			assert.is_true(next(seen) ~= nil)
		end)
	end

end)

describe('close', function()

	for name, read in pairs(reads) do
		runs(('wakes %s, and nothing is left'):format(name), function()
			for _, text in ipairs{'', 'begun'} do
				local d, c = having(text)
				local reading = go(read, d)
				turn()
				assert.is_false(reading'done?')
				d:close()
				fails('closed', read(d))
				fails('closed', reading())
				assert.is_false(d.rbuf)
				assert.equal(0, d:buffered())
				for _, other in pairs(reads) do
					fails('closed', other(d))
				end
				fails('closed', recv(d, 1))
				assert.is_false(d.rbuf)
				c:close()
			end
		end)
	end

	runs('forgets what is buffered', function()
		local d, c = having'hello'
		assert.equal('h', d:read(1))
		d:close()
		d:close()
		assert.is_false(d.rbuf)
		assert.equal(0, d:buffered())
		fails('closed', d:read(4))
		fails('closed', recv(d, 4))
		assert.equal('', d:read(0))
		c:close()
	end)

	runs("by the peer's reset fails, and leaves what is buffered", function()
		local d, c = having'hello'
		assert.equal('h', d:peek(1))
		assert(c:setopt('linger', 0))
		c:close()
		fails('connection_reset', d:read(10))
		assert.equal('hello', d:read(5))
		d:close()
	end)

end)

describe('the arguments of buffered reads', function()

	local names = {'read', 'peek', 'readline', 'readall', 'lines'}

	runs('of wrong types raise in the name of the line', function()
		local d, c = having'hello'
		local function raises(message, f, ...)
			local ok, err = pcall(function(...)
				local r = f(d, ...)
				return r
			end, ...)
			assert.is_false(ok)
			assert.matches('^[^:]*stream_spec%.lua:%d+: ' .. message, err)
		end
		for buffered = 0, 1 do
			assert.equal(buffered == 1 and 'h' or '', d:peek(buffered))
			for _, name in ipairs(names) do
				raises('bad length %(number expected, got string%)', d[name], '1')
				raises('bad length %(number expected, got table%)', d[name], {})
			end
			raises('bad length %(number expected, got nil%)', d.read)
			raises('bad length %(number expected, got nil%)', d.peek)
			raises('bad buffer %(a pointer needs its length%)', d.recvn, ffi.cast('char *', buffer(1)))
			raises('bad buffer %(a pointer needs its length%)', d.recv, ffi.cast('char *', buffer(1)))
			raises('bad length %(number expected, got boolean%)', d.readuntil, 'x', true)
			raises('bad delimiter %(string expected, got nil%)', d.readuntil)
			raises('bad delimiter %(string expected, got number%)', d.readuntil, 10)
			raises('bad buffer %(cdata expected, got string%)', d.recvn, 'x', 1)
			raises('bad buffer %(cdata expected, got string%)', d.recv, 'x', 1)
			raises('bad length', d.recv, buffer(1), 'x')
			for _, name in ipairs{'read', 'peek', 'readline', 'readall'} do
				raises('bad expires %(number expected, got string%)', d[name], 1, 'x')
			end
			raises('bad expires', d.recv, buffer(1), 1, 'x')
			raises('bad expires', d.recvn, buffer(1), 1, 'x')
			raises('bad expires', d.readuntil, 'x', 1, 'x')
			for _, buf in ipairs{5LL, ffi.new'const char[5]', ffi.new'const char[20000]'} do
				assert.error(function() d:recvn(buf, 5) end)
				assert.error(function() d:recvn(buf, 20000) end)
				assert.error(function() d:recv(buf, 5) end)
			end
		end
		assert.equal('hello', d:read(5))
		close(c, d)
	end)

	runs('out of range fail', function()
		local d, c = having'hello'
		for buffered = 0, 1 do
			assert.equal(buffered == 1 and 'h' or '', d:peek(buffered))
			for _, n in ipairs{-1, 1.5, 0/0, 2^31, -1/0, 1e300} do
				for _, name in ipairs(names) do
					fails('invalid_argument', d[name](d, n))
				end
				fails('invalid_argument', d:readuntil('x', n))
				fails('invalid_argument', d:recvn(buffer(1), n))
			end
			fails('invalid_argument', d:read(1/0))
			fails('invalid_argument', d:peek(1/0))
			fails('invalid_argument', d:recvn(buffer(1), 1/0))
			fails('invalid_argument', d:read(10, 0/0))
			fails('invalid_argument', d:readuntil'')
			fails('invalid_argument', d:recvn(nil, 1))
			fails('invalid_argument', d:recv(nil, 1))
			fails('invalid_argument', d:recv(buffer(1), 0))
			fails('invalid_argument', d:recv(buffer(1), -1))
			fails('invalid_argument', d:recv(buffer(1), 2^31))
		end
		assert.equal('hello', d:read(5))
		close(c, d)
	end)

	it('do not matter outside of a thread', function()
		local d, c = spec.run(function() return having'hello' end)
		for _, name in ipairs{'read', 'peek', 'readline', 'readuntil', 'readall', 'recvn', 'recv'} do
			local args = name == 'readuntil' and {'x'} or name:match'^recv' and {buffer(1), 1} or {1}
			local ok, err = pcall(function()
				local r = d[name](d, unpack(args))
				return r
			end)
			assert.is_false(ok)
			assert.matches('^[^:]*stream_spec%.lua:%d+: ' .. name .. '%(%) outside a socket thread', err)
		end
		close(c, d)
	end)

end)

describe('the memory of buffered reads', function()

	-- Where the bytes of a socket are.
	local function place(s)
		return tonumber(ffi.cast('intptr_t', s.rbuf.mem))
	end

	runs('is shared by the sockets', function()
		local d, c = having'hello'
		local e, f = having'hello'
		d:peek(1)
		local there = place(d)
		assert.equal('hello', d:read(5))
		e:peek(1)
		assert.equal(there, place(e))
		e:close()
		assert(c:send'hello')
		d:peek(1)
		assert.equal(there, place(d))
		close(c, d, f)
	end)

	runs('is one chunk while a read waits, and does not move', function()
		local d, c = having''
		local reading = go(function() return d:readline() end)
		assert.equal(CHUNK, d.rbuf.size)
		assert.equal(CHUNK, ffi.sizeof(d.rbuf.mem))
		local there = place(d)
		drip(c, d, {'one', ' two', '\n'})
		assert.equal('one two', reading())
		assert.is_false(d.rbuf)
		assert(c:send'x')
		d:peek(1)
		assert.equal(there, place(d))
		close(c, d)
	end)

	runs('does not grow for short lines, nor for a large recvn', function()
		local sizes = {}
		local s = script{}
		for i = 1, 200 do
			s.pieces[i] = ('x'):rep(999) .. '\n'
		end
		function s.receive(self, buf, maxlen) -- as much as there is, as a socket gives it
			sizes[#sizes + 1] = self.rbuf.size
			local n = 0
			while self.pieces[self.i] and n < maxlen do
				n = n + scripted.receive(self, ffi.cast('char *', buf) + n, maxlen - n)
			end
			return n
		end
		for _ = 1, 50 do
			assert.equal(999, #s:readline())
		end
		assert.equal(149000, s:recvn(buffer(149000), 149000))
		assert.equal(999, #s:readline())
		assert.is_true(#sizes >= 5 and #sizes <= 10)
		for _, size in ipairs(sizes) do
			assert.equal(CHUNK, size)
		end
	end)

	runs('is not used again when an operation was left behind', function()
		local d, c = having'hello'
		d:peek(1)
		local there = place(d)
		assert.error(coroutine.wrap(function() return d:read(6) end))
		assert.is_true(place(d) ~= there)
		assert.equal(there, tonumber(ffi.cast('intptr_t', d.left_behind)))
		assert.equal('hello', d:read(5))
		close(c, d)
	end)

	it('is kept for 64 sockets, and not what has grown', function()
		local alive = setmetatable({}, {__mode = 'k'})
		local function count()
			collectgarbage()
			collectgarbage()
			local n = 0
			for _ in pairs(alive) do n = n + 1 end
			return n
		end
		local function buffers(pieces)
			local t = {}
			for i = 1, 80 do
				t[i] = script(pieces())
				t[i]:peek(#t[i].pieces[1])
				alive[t[i].rbuf] = true
			end
			for i = 1, 80 do
				assert(t[i]:readall())
				assert.is_false(t[i].rbuf)
			end
		end
		spec.run(function()
			buffers(function() return {'x'} end)
		end)
		assert.equal(64, count())
		spec.run(function()
			buffers(function() return {('x'):rep(CHUNK + 1)} end)
		end)
		assert.equal(0, count())
	end)

end)

describe('over a stream of any class', function()

	runs('reads come out the same however the text is cut', function()
		local text = 'a\r\nb\n\r\r\n--c-\r-\n----\r\n'
		local function results(pieces)
			local s, t = script(pieces), {}
			local function add(...)
				t[#t + 1] = {...}
			end
			add(s:readline(1))
			add(s:readline(1))
			add(s:readline(0))
			add(s:readline(1))
			add(s:readuntil'--')
			add(s:readuntil('--', 2))
			add(s:readuntil'--')
			add(s:peek(3))
			add(recvn(s, 1))
			add(s:read(1))
			add(s:read(3))
			add(s:read(2))
			add(s:readall(0))
			assert.is_false(s.rbuf)
			return t
		end
		local expected = results{text}
		assert.same({'a'}, expected[1])
		assert.same({'--\r'}, expected[8])
		assert.same(expected, results(bytes(text)))
		for i = 1, #text do
			for j = i, #text do
				local pieces = {text:sub(1, i)}
				pieces[#pieces + 1] = j > i and text:sub(i + 1, j) or nil
				pieces[#pieces + 1] = j < #text and text:sub(j + 1) or nil
				assert.same(expected, results(pieces))
			end
		end
	end)

	runs('a failure in the middle loses nothing', function()
		for name, read in pairs(reads) do
			local s = script{'one ', timeout, timeout, 'two', timeout, 'three\n', timeout, 'end'}
			local got = {}
			repeat
				local r, err = read(s)
				assert.is_true(r ~= nil or err == 'timeout' or err == 'end_of_stream', name)
				got[#got + 1] = r
			until s.i > #s.pieces
			local text = table.concat(got) .. s:readall()
			assert.equal('one twothreeend', (text:gsub('\n', '')))
		end
	end)

	runs('nothing touches the memory that is received into', function()
		for name, read in pairs(reads) do
			local there
			local function pending(self, buf, maxlen)
				local b = self.rbuf
				local mem, size, first, last = b.mem, b.size, b.first, b.last
				for _, other in pairs(reads) do
					fails('busy', other(self))
				end
				fails('busy', recv(self, 1))
				assert.is_true(b == self.rbuf and mem == b.mem and size == b.size)
				assert.is_true(first == b.first and last == b.last)
				there = maxlen
				return self.receive(self, buf, maxlen)
			end
			local text = ('x'):rep(CHUNK - 1)
			local s = script{'ab', pending, text, pending, text, pending, '\n--'}
			s:peek(1)
			for _ = 1, 3 do
				read(s)
			end
			assert.is_true(there > 0, name)
			local closed = script{'begun', function(self)
				self:drop_buffer()
				assert.is_table(self.rbuf) -- the operation points to it
				fails('closed', read(self))
				return nil, 'closed', C.SOCKET2_ECLOSED
			end}
			fails('closed', read(closed))
			assert.is_false(closed.rbuf)
			-- the operation was over before the close
			closed = script{'begun', function(self, buf)
				self:drop_buffer()
				ffi.copy(buf, '\n--', 3)
				return 3
			end}
			fails('closed', read(closed))
			assert.is_false(closed.rbuf)
		end
	end)

	runs('what was searched is not searched again', function()
		local size, more = 2e7, 3e4 -- the second byte by byte
		local beginning = ('x'):rep(size)
		for _, read in ipairs{
			function(s) return s:readline(1/0) end,
			function(s) return s:readuntil('\n--', 1/0) end,
		} do
			local s = script{beginning}
			local given = 0
			function s.receive(self, buf, maxlen)
				if self.i == 1 then
					return scripted.receive(self, buf, maxlen)
				end
				given = given + 1
				ffi.copy(buf, given <= more and 'x' or ('\n--'):sub(given - more), 1)
				return 1
			end
			local t = os.clock()
			assert.equal(size + more, #read(s))
			assert.is_true(os.clock() - t < 10) -- else it would be a minute
		end
	end)

	runs('the delimiter is looked for in all that may be one', function()
		for _, delim in ipairs{'aab', 'aaa', 'aba', 'abab', 'a'} do
			for n = 0, 2^9 - 1 do
				local text = {}
				for i = 1, 9 do
					text[i] = math.floor(n / 2^i) % 2 < 0.5 and 'a' or 'b'
				end
				local whole = table.concat(text)
				local at = whole:find(delim, 1, true)
				for _, pieces in ipairs{{whole}, text} do
					local s = script(pieces)
					local r, err = s:readuntil(delim)
					assert.equal(at and whole:sub(1, at - 1) or 'end_of_stream', r or err)
					assert.equal(at and whole:sub(at + #delim) or whole, s:readall())
				end
			end
		end
	end)

end)

describe('reads of all kinds, mixed', function()

	-- Random numbers that are the same on every system: 1 to n.
	local function generator(seed)
		return function(n)
			seed = (seed * 16807) % 2147483647
			return seed % n + 1
		end
	end

	local function random_text(random, n)
		local words = {'\n', '\r\n', '\r', '--', '-', '\0', 'word', ' ', ('long'):rep(100), ('x'):rep(5000)}
		local t, size = {}, 0
		while size < n do
			t[#t + 1] = words[random(#words)]
			size = size + #t[#t]
		end
		return table.concat(t)
	end

	-- Each: s, the text, where we are in it, random -> what was read, how far it went, and what should
	-- have been read; nothing when it failed as it should.
	local kinds = {
		function(s, text, at, random)
			local got = recv(s, random(3000))
			return got, #got, text:sub(at, at + #got - 1)
		end,
		function(s, text, at, random)
			local n = random(random(8) == 1 and 60000 or 300) - 1
			local got, err = (random(2) == 1 and s.read or recvn)(s, n)
			assert.is_true(got ~= nil or err == 'end_of_stream' and at + n > #text + 1)
			return got, n, text:sub(at, at + n - 1)
		end,
		function(s, text, at, random)
			local n = random(300)
			local got, err = s:peek(n)
			assert.is_true(got ~= nil or err == 'end_of_stream' and at + n > #text + 1)
			return got, 0, text:sub(at, at + n - 1)
		end,
		function(s, text, at, random)
			local max = random(4) == 1 and random(100) - 1 or 65536
			local got, err = s:readline(max)
			local line, ending = text:match('^([^\n]*)(\n)', at)
			line = line and line:gsub('\r$', '')
			if not got then
				assert.is_true(err == 'too_long' and #(line or text:sub(at)) > max
					or err == 'end_of_stream' and not ending)
				return
			end
			return got, text:find('\n', at, true) - at + 1, line
		end,
		function(s, text, at, random)
			local max = random(4) == 1 and random(100) - 1 or 65536
			local delim = ({'--', '\0', '\r\n', 'word ', '\n\r\n'})[random(5)]
			local got, err = s:readuntil(delim, max)
			local i, j = text:find(delim, at, true)
			if not got then
				assert.is_true(err == 'too_long' and (i or #text + 1) - at > max or err == 'end_of_stream' and not i)
				return
			end
			return got, j - at + 1, text:sub(at, i - 1)
		end,
	}

	for seed = 1, 20 do
		runs(('give the whole text, seed %d'):format(seed), function()
			local random = generator(seed * 7919)
			local text = random_text(random, 3e5)
			local c, d = pair()
			go(function()
				local send_random = generator(seed)
				local at = 1
				while at <= #text do
					local n = send_random(send_random(3) == 1 and 30000 or 500)
					assert(c:send(text:sub(at, at + n - 1)))
					at = at + n
					if send_random(20) == 1 then
						turn()
					end
				end
				c:close()
			end)
			local at = 1
			while at <= #text do
				local got, n, expected = kinds[random(#kinds)](d, text, at, random)
				if got then
					if got ~= expected then -- equal() would print them
						error(('at %d: got %q, expected %q'):format(at, got:sub(1, 80), expected:sub(1, 80)))
					end
					at = at + n
				end
			end
			assert.equal('', d:readall())
			assert.is_false(d.rbuf)
			d:close()
		end)
	end

end)
