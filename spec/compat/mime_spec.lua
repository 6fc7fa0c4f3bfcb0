-- mime and mime.core beside the originals.

local both, _, ours = require'both''mime'
local new_random = require'random'

local CORE = {'b64', 'unb64', 'qp', 'unqp', 'wrp', 'qpwrp', 'eol', 'dot'}

describe('mime', function()
	if not both then
		pending'lua-socket is not installed'
		return
	end

	local random

	before_each(function()
		random = new_random(20260)
	end)

	local function pick(t)
		return t[random(#t)]
	end

	-- Texts of different kinds: all bytes, mail, base64 with dirt, what the filters are about and little else.
	local kinds = {
		function() return string.char(random(256) - 1) end,
		function() return pick{'a', 'word', ' ', ' ', '\t', '\r\n', '\r\n', '.', '=', '\195\164', ','} end,
		function() return pick{'QUJD', 'QQ', 'A', '/', '+', '=', '\r\n', ' ', '-', '\0', 'z9'} end,
		function() return pick{'\r', '\n', '.', '=', ' ', 'a', '=4', '1', '=3D', '\t', '\0'} end,
	}

	local function text(n, kind)
		local t = {}
		for i = 1, n do
			t[i] = kind()
		end
		return table.concat(t)
	end

	-- The text in pieces of random lengths, some of them empty.
	local function pieces(s, most)
		local t = {}
		while s ~= '' do
			local n = random(most) - 1
			t[#t + 1] = s:sub(1, n)
			s = s:sub(n + 1)
		end
		return t
	end

	it('has the same fields', function()
		both(function(m)
			local t = {}
			for name, value in pairs(m) do
				t[name] = type(value)
				if type(value) == 'table' then
					t[name] = {}
					for key, v in pairs(value) do
						t[name][key] = type(v)
					end
				end
			end
			return t, m._VERSION
		end)
		require'both''mime.core'(function(m) return m, m._VERSION end)
		assert.equal(ours.wrapt.text, ours.wrapt.default)
	end)

	it('takes and refuses the same arguments', function()
		local NONE = {}
		local values = {NONE, '', 'x', '7', 3, -2.9, 13, 10.5, 'a\0b', ' \r', '\n', true, {}, print, '0x10', ' 5 '}
		for _, name in ipairs(CORE) do
			both(function(m) return m[name]() end)
			for _, a in ipairs(values) do
				for _, b in ipairs(name ~= 'dot' and values or {}) do
					for _, c in ipairs(values) do
						a, b, c = a ~= NONE and a or nil, b ~= NONE and b or nil, c ~= NONE and c or nil
						both(function(m) return m[name](a, b, c) end)
						both(function(m) return (m[name](a, b, c)) end)
					end
					both(function(m) return m[name](a, b) end)
				end
				both(function(m) return pcall(m[name], a) end)
				both(function(m) return m.dot(2, a) end)
			end
			both(function(m) return pcall(m[name]) end)
			both(function(m) return (m[name]({}, 1)) end)
			both(function(m) return (m[name]('a', {}, {})) end)
			both(function(m) local f = m[name] return (f({}, 1)) end)
			both(function(m) return (m[name](io.stdout, 1)) end)
			both(function(m) return (m[name]('1', '2', '3', '4')) end)
		end
	end)

	it('names the functions in errors as they were called', function()
		both(function(m) return (m.b64({})) end)
		both(function(m) return (m.unb64('', {})) end)
		both(function(m) return (m.qp('', '', {})) end)
		both(function(m) return (m:unqp()) end)
		both(function(m) return (m:wrp(1)) end)
		both(function(m) local wrp = m.wrp return (wrp()) end)
		both(function(m) local t = {f = m.qpwrp} return (t.f(1, 2, {})) end)
		both(function(m) return (m.wrp('1', m)) end)
		both(function(m) local o = {dot = m.dot} return (o:dot(1)) end)
		both(function(m)
			local function eol(...)
				return m.eol(...)
			end
			return (eol(nil))
		end)
		local message = select(2, pcall(function() return (ours.b64({})) end))
		assert.truthy(message:find("mime_spec.lua:%d+: bad argument #1 to 'b64' %(string expected, got table%)"))
	end)

	-- f(m, C, chunk) for all pairs of texts of up to n of the letters
	local function exhaust(letters, n, f)
		local texts, from = {''}, 1
		for _ = 1, n do
			local to = #texts
			for i = from, to do
				for letter in letters:gmatch'.' do
					texts[#texts + 1] = texts[i] .. letter
				end
			end
			from = to + 1
		end
		for _, s in ipairs(texts) do
			both(f, s)
			for cut = 0, #s do
				both(f, s:sub(1, cut), s:sub(cut + 1))
			end
		end
	end

	it('does the same with all short texts', function()
		exhaust('a \r\n=', 5, function(m, a, b) return m.qp(a, b) end)
		exhaust('4=\r\nz\1', 5, function(m, a, b) return m.unqp(a, b) end)
		exhaust('Qw=/-', 6, function(m, a, b) return m.unb64(a, b) end)
		exhaust('a\0\255', 5, function(m, a, b) return m.b64(a, b) end)
		for n = -1, 5 do
			exhaust('a=\r\n', 4, function(m, a) return m.wrp(n, a, 3) end)
			exhaust('a=\r\n', 4, function(m, a) return m.qpwrp(n, a, 4) end)
		end
		for _, n in ipairs{0, 10, 13, 5} do
			exhaust('a\r\n\0', 5, function(m, a) return m.eol(n, a, '<>!') end)
		end
		for n = 0, 3 do
			exhaust('a.\r\n,', 5, function(m, a) return m.dot(n, a) end)
		end
	end)

	it('does the same with every byte and every two', function()
		for i = 0, 255 do
			local c = string.char(i)
			for _, name in ipairs{'b64', 'unb64', 'qp', 'unqp'} do
				both(function(m) return m[name](c) end)
				both(function(m) return m[name]('', c) end)
				both(function(m) return m[name]('=' .. c, '=4' .. c) end)
			end
			both(function(m) return m.eol(0, c), m.dot(2, c) end)
			both(function(m) return m.wrp(0, c), m.qpwrp(0, c) end)
		end
		local all = {}
		for i = 0, 255 do
			for j = 0, 255 do
				all[#all + 1] = string.char(i, j)
			end
		end
		all = table.concat(all)
		for _, name in ipairs{'b64', 'unb64', 'qp', 'unqp'} do
			both(function(m) return m[name](all) end)
			both(function(m) return m[name]('', all) end)
			both(function(m) return m[name]('x', all) end)
		end
		both(function(m) return m.eol(0, all), m.dot(2, all) end)
		both(function(m) return m.wrp(76, all), m.qpwrp(76, all) end)
	end)

	it('does the same with random texts in random pieces', function()
		for round = 1, 400 do
			local kind = kinds[round % #kinds + 1]
			local parts = pieces(text(random(300), kind), pick{2, 5, 20, 200})
			local marker, length = pick{'\r\n', '=0D=0A', '', '<br />\r\n', '\n'}, pick{1, 2, 3, 4, 5, 20, 76, 0, -3}
			for _, name in ipairs{'b64', 'unb64', 'qp', 'unqp'} do
				both(function(m)
					local out, left, made = {}, ''
					for _, part in ipairs(parts) do
						made, left = m[name](left, part, marker)
						out[#out + 1] = made
						out[#out + 1] = left
					end
					return out, m[name](left, nil, marker)
				end)
			end
			for name, start in pairs{wrp = length, qpwrp = length, eol = 0, dot = 2} do
				local extra = name == 'eol' and marker or length
				both(function(m)
					local out, at, made = {}, start
					for _, part in ipairs(parts) do
						made, at = m[name](at, part, extra)
						out[#out + 1] = made
						out[#out + 1] = at
					end
					return out, m[name](at, nil, extra)
				end)
			end
		end
	end)

	it('does the same with long texts', function()
		for _, kind in ipairs(kinds) do
			local s = text(150000, kind)
			for _, name in ipairs{'b64', 'unb64', 'qp', 'unqp'} do
				both(function(m) return m[name](s) end)
				both(function(m) return m[name]('=', s, ('x'):rep(20)) end)
			end
			both(function(m) return m.wrp(76, s) end)
			both(function(m) return m.wrp(76, s, 1) end)
			both(function(m) return m.qpwrp(76, s) end)
			both(function(m) return m.qpwrp(76, s, 1) end)
			both(function(m) return m.eol(0, s) end)
			both(function(m) return m.eol(0, s, ('x'):rep(100)) end)
			both(function(m) return m.dot(2, s) end)
		end
		local ends = ('\r\n'):rep(40000)
		both(function(m) return m.qp(ends, '', ('x'):rep(50)) end)
		both(function(m) return m.qp('', ends, '') end)
	end)

	it('gives the same filters', function()
		local makers = {
			{'encode', 'base64'}, {'decode', 'base64'}, {'encode', 'quoted-printable'},
			{'encode', 'quoted-printable', 'text'}, {'encode', 'quoted-printable', 'binary'},
			{'decode', 'quoted-printable'}, {'wrap'}, {'wrap', 20}, {'wrap', nil, 30}, {'wrap', 'text'},
			{'wrap', 'text', 10}, {'wrap', 'base64', 12}, {'wrap', 'default', 9}, {'wrap', 'quoted-printable'},
			{'wrap', 'quoted-printable', 15}, {'wrap', 'text', '11'}, {'normalize'}, {'normalize', '\n'}, {'stuff'},
		}
		for round = 1, 40 do
			local parts = pieces(text(random(200), kinds[round % #kinds + 1]), pick{3, 40})
			for _, maker in ipairs(makers) do
				both(function(m)
					local filter = m[maker[1]](maker[2], maker[3])
					local out = {}
					for _, part in ipairs(parts) do
						out[#out + 1] = filter(part) or 'nil'
					end
					return out, filter(nil), filter(nil)
				end)
			end
		end
	end)

	it('refuses the same names', function()
		for _, name in ipairs{'encode', 'decode', 'wrap'} do
			both(function(m) return m[name]() end)
			both(function(m) return m[name]'nope' end)
			both(function(m) return m[name](false) end)
			both(function(m) return m[name]({}, 5) end)
			both(function(m) return m[name]'default' end)
			both(function(m) local f = m[name]'nope' return f end)
			both(function(m) local f = m[name](5) return f end)
			both(function(m) return m[name .. 't']['nope'] end)
		end
		both(function(m) local f = m.encode(nil) return f end)
		both(function(m) local f = m.normalize({}) return f('x') end)
		both(function(m) local f = m.wrap('text', 'x') return f('x') end)
		both(function(m) local f = m.wrap('text', false) return f('x') end)
	end)

	it('uses what a program has put in its tables', function()
		both(function(m)
			m.encodet.shout = function(a, b) return a, b, 5 end
			m.wrapt.shout = function(...) return select('#', ...), ... end
			return m.encode('shout', 1, 2, 3), m.wrap('shout'), m.wrap('shout', 1)
		end)
		for _, name in ipairs(CORE) do
			both(function(m)
				local saved = m[name]
				m[name] = function(...) return 'mine ' .. select('#', ...), ... end
				local made = {m.encode'base64''x', m.decode'base64''x', m.encode'quoted-printable''x',
					m.decode'quoted-printable''x', m.wrap'text''x', m.wrap'quoted-printable''x',
					m.normalize()'x', m.stuff()'x'}
				m[name] = saved
				return made
			end)
		end
	end)

	it('takes numbers that C cannot hold as they are', function()
		assert.equal('ab', (ours.wrp(math.huge, 'ab', math.huge)))
		assert.equal('ab', (ours.wrp(1e10, 'ab', 1e10)))
		assert.equal('a=\r\nb', (ours.qpwrp(1.5, 'b', 1e10):gsub('^', 'a')))
		assert.equal(-2, select(2, ours.dot(-2.9, '')))
	end)

	it('can be parted anywhere', function()
		local s = text(2000, kinds[1])
		local function whole(filter, parts)
			local out = {}
			for _, part in ipairs(parts) do
				out[#out + 1] = filter(part)
			end
			out[#out + 1] = filter(nil)
			return table.concat(out)
		end
		for most = 2, 30 do
			local encoded = whole(ours.encode'base64', pieces(s, most))
			assert.equal(s, whole(ours.decode'base64', pieces(encoded, most)))
			encoded = whole(ours.encode('quoted-printable', 'binary'), pieces(s, most))
			encoded = whole(ours.wrap'quoted-printable', pieces(encoded, most))
			assert.equal(s, whole(ours.decode'quoted-printable', pieces(encoded, most)))
		end
	end)

	it('does not keep memory for what was long once', function()
		collectgarbage()
		collectgarbage()
		local before = collectgarbage'count'
		local function work()
			assert.equal(16e6, #ours.b64(('x'):rep(12e6)))
		end
		work()
		collectgarbage()
		collectgarbage()
		assert.is_true(collectgarbage'count' < before + 8000) -- LuaJIT has a buffer, too
	end)
end)
