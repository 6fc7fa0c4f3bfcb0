-- Buffered reads of all kinds, in any order.

local streams = require'streams'
local spec = require'spec'

local go, pair, turn, runs = spec.go, spec.pair, spec.turn, spec.runs
local recv, recvn = streams.recv, streams.recvn

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
			assert.equal(0, d:buffered())
			d:close()
		end)
	end

end)
