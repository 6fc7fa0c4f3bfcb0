-- Buffered reads of what comes in pieces.

local socket = require'socket2'
local streams = require'streams'
local spec = require'spec'

local go, pair, turn, runs = spec.go, spec.pair, spec.turn, spec.runs
local bytes, soon, recvn, reads, feed =
	streams.bytes, streams.soon, streams.recvn, streams.reads, streams.feed

describe('what comes in pieces', function()

	runs('comes out the same however it is cut', function()
		local text = 'a\r\nb\n\r\r\n--c-\r-\n----\r\n'
		local function results(pieces)
			local s, t = feed(pieces), {}
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
			assert.equal(0, s:buffered())
			s:close()
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

	runs('is not lost by failures in the middle', function()
		for name, read in pairs(reads) do
			local c, d = pair()
			local got = {}
			for _, piece in ipairs{'one ', 'two', 'three\n', 'end'} do
				assert(c:send(piece))
				for _, expires in ipairs{0, soon()} do
					local r, err = read(d, expires)
					assert.is_true(r ~= nil or err == 'timeout', name)
					got[#got + 1] = name ~= 'peek' and r or nil
				end
			end
			c:close()
			local text = table.concat(got) .. d:readall()
			assert.equal('one twothreeend', (text:gsub('\n', '')))
			d:close()
		end
	end)

	runs('is not searched again', function()
		local size, more = 2e7, spec.few(1e4) -- the second byte by byte
		local beginning = ('x'):rep(size)
		for _, read in ipairs{
			function(s) return s:readline(1/0) end,
			function(s) return s:readuntil('\n--', 1/0) end,
			function(s) -- ends and begins again for each byte
				local line, err
				repeat
					line, err = s:readline(1/0, 0)
					if err == 'timeout' then
						assert(s:more())
					end
				until err ~= 'timeout'
				return line
			end,
		} do
			local c, d = pair()
			local reading = go(read, d)
			assert(c:send(beginning))
			local t = os.clock()
			for _ = 1, more do
				assert(c:send'x')
				turn()
			end
			assert(c:send'\n--')
			assert.equal(size + more, #reading())
			assert.is_true(os.clock() - t < 8) -- else it would be a minute
			c:close()
			d:close()
		end
	end)

	runs('has its delimiter found wherever it may begin', function()
		local c, d = pair()
		for _, delim in ipairs{'aab', 'aaa', 'aba', 'abab', 'a'} do
			for n = 0, 2^9 - 1 do
				local text = {}
				for i = 1, 9 do
					text[i] = math.floor(n / 2^i) % 2 < 0.5 and 'a' or 'b'
				end
				text[10] = delim
				local whole = table.concat(text)
				local at = whole:find(delim, 1, true)
				for _, pieces in ipairs{{whole}, n % 8 == 0 and text or nil} do
					local reading = go(function() return d:readuntil(delim) end)
					for _, piece in ipairs(pieces) do
						assert(c:send(piece))
						turn()
					end
					assert.equal(whole:sub(1, at - 1), reading())
					local rest = whole:sub(at + #delim)
					assert.equal(rest, d:read(#rest))
				end
			end
		end
		c:close()
		d:close()
	end)

end)

describe('two reads of one stream', function()

	runs('in one turn do not disturb each other', function()
		-- The first one is over, but its thread runs after the second's.
		local c, d = pair()
		local e, f = pair()
		local first = go(function() return d:readline() end)
		local result
		local other = go(function()
			f:read(1)
			result = {d:recv(spec.buffer(10), 10)}
			result.waited = d:wait('r', socket.clock())
			return true
		end)
		assert(e:send'x')
		assert(c:send'line\nmore')
		assert.equal('line', first())
		assert.is_true(other())
		assert.is_true(result[1] == 4 or result[2] == 'busy')
		assert.equal(result[1] and 0 or 4, d:buffered())
		for _, s in ipairs{c, d, e, f} do
			s:close()
		end
	end)

end)
