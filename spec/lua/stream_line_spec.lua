-- Buffered reads of lines.

local connections = require'connections'
local streams = require'streams'
local spec = require'spec'

local fails, go, pair, buffer, runs = spec.fails, spec.go, spec.pair, spec.buffer, spec.runs
local close = connections.close
local CHUNK, having, drip, bytes, soon =
	streams.CHUNK, streams.having, streams.drip, streams.bytes, streams.soon

describe('stream:readline', function()

	runs('gives lines without their ends', function()
		local d, c = having'one\ntwo\r\n\n\r\nthree\rstill three\r\r\n\0\n'
		assert.equal('one', d:readline())
		assert.equal('two', d:readline())
		assert.equal('', d:readline())
		assert.equal('', d:readline())
		assert.equal('three\rstill three\r', d:readline())
		assert.equal('\0', d:readline())
		assert.equal(0, d:buffered())
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
			assert.equal(0, d:buffered())
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
			assert.equal(0, d:buffered())
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
			assert.equal(0, d:buffered())

			for _, text in ipairs{'', 'x', delim:sub(1, -2) .. '!'} do
				local reading = go(function() return d:readuntil(delim) end)
				drip(c, d, bytes(text .. delim))
				assert.equal(text, reading())
				assert.equal(0, d:buffered())
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
				assert.equal(0, d:buffered())
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
			assert.equal(0, d:buffered())
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
		return err:match'^[^:]*stream_line_spec%.lua:%d+: (.*)$'
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
