-- Buffered reads over a stream of any class, scripted.

local ffi = require'ffi'
local C = require'socket2.lib'.C
local streams = require'streams'
local spec = require'spec'

local fails, runs = spec.fails, spec.runs
local CHUNK, bytes, recv, recvn, reads, scripted, script =
	streams.CHUNK, streams.bytes, streams.recv, streams.recvn, streams.reads, streams.scripted, streams.script

local function timeout()
	return nil, 'timeout', C.SOCKET2_ETIMEOUT
end

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
