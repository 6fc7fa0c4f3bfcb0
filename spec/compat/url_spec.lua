-- socket.url beside the original.

local both, theirs, ours = require'both''socket.url'
local new_random = require'random'

describe('socket.url', function()
	if not both then
		pending'lua-socket is not installed'
		return
	end

	local random

	before_each(function()
		random = new_random(7)
	end)

	local function text(words, most)
		local t = {}
		for i = 1, random(most + 1) - 1 do
			t[i] = words[random(#words)]
		end
		return table.concat(t)
	end

	-- Whether its authority ends later in the original, or the authority's user ends earlier.
	local function is_understood_otherwise(s)
		local authority = s:gsub('^%w[%w+.-]*:', ''):match'^//([^/]*)'
		return authority and (authority:find'[?#]' or authority:find'@.*@')
	end

	local ODD = {'', 'a', 5, -1.5, {}, true, print}

	it('has the same fields', function()
		both(function(m) return m end)
	end)

	it('escapes the same', function()
		for i = 0, 255 do
			local c = string.char(i)
			both(function(m) return m.escape(c), m.unescape(c) end)
			both(function(m) return m.unescape('%' .. c), m.unescape('%4' .. c), m.unescape('%' .. c .. '1') end)
			both(function(m) return m.build_path{c}, m.build_path({c}, true), m.parse_path(c) end)
		end
		for _ = 1, 500 do
			local t = {}
			for i = 1, random(100) do
				t[i] = string.char(random(256) - 1)
			end
			local s = table.concat(t)
			both(function(m) return m.escape(s), m.unescape(s), m.unescape(m.escape(s)) end)
			assert.equal(s, ours.unescape(ours.escape(s)))
			s = text({'%', '%', '4', 'a', 'F', 'g', '\0', '+', '%41'}, 20)
			both(function(m) return m.unescape(s) end)
		end
		local long = ('a/ %'):rep(50000)
		both(function(m) return m.escape(long), m.unescape(m.escape(long)) end)
		for _, name in ipairs{'escape', 'unescape', 'parse_path', 'build_path'} do
			both(function(m) return m[name]() end)
			for _, value in ipairs(ODD) do
				both(function(m) return m[name](value) end)
				both(function(m) return (pcall(m[name], value, value)) end)
			end
		end
	end)

	it('parses and builds paths the same', function()
		for _ = 1, 2000 do
			local path = text({'/', '/', 'a', 'b c', '%41', '..', '.', '%', ';', '%2F', '\255'}, 8)
			both(function(m)
				local parsed = m.parse_path(path)
				return parsed, m.build_path(parsed), m.build_path(parsed, 1)
			end)
		end
		for _, parsed in ipairs{{is_absolute = 1}, {is_directory = 1}, {is_absolute = 1, is_directory = 1},
			{'a', is_absolute = false, is_directory = true}, {5, 'b'}, {'', ''},
			{'', '', is_absolute = 1}, {{}}} do
			both(function(m) return m.build_path(parsed) end)
		end
	end)

	local PARTS = {':', ':', '/', '/', '//', '?', '#', ';', '@', '[', ']', 'a', 'b1', '80', '%41', '.', '..',
		'+', 'http://', 'user:pw@', '::1', '\n', ' '}

	it('parses and builds the same', function()
		for _ = 1, 10000 do
			local s = text(PARTS, 10)
			if not is_understood_otherwise(s) then
				both(function(m)
					local parsed, err = m.parse(s)
					return parsed, err, parsed and m.build(parsed)
				end)
			end
		end
		for _ = 1, 1000 do
			local s = text(PARTS, 8)
			local default = {}
			for _, name in ipairs{'scheme', 'authority', 'userinfo', 'user', 'password', 'host', 'port', 'path',
				'params', 'query', 'fragment', 'other'} do
				if random(3) == 1 then
					default[name] = text(PARTS, 4)
				end
			end
			if not is_understood_otherwise(s) and not (default.authority or ''):find'@.*@' then
				both(function(m) return m.parse(s, default), m.build(default) end)
			end
		end
		for _, value in ipairs(ODD) do
			both(function(m) return m.parse(value) end)
			both(function(m) return m.parse(value, value) end)
			both(function(m) return m.parse('http://a:5/', value) end)
			both(function(m) return m.build(value) end)
			for _, name in ipairs{'scheme', 'authority', 'userinfo', 'user', 'password', 'host', 'port', 'path',
				'params', 'query', 'fragment'} do
				both(function(m) return m.build{host = name ~= 'authority' and 'h' or nil, [name] = value} end)
				both(function(m) return m.build{[name] = value} end)
			end
		end
		both(function(m) return m.parse() end)
		both(function(m) return m.parse(nil, 5) end)
		both(function(m) return m.parse('', 5) end)
		both(function(m) return m.parse(false, {a = 1}) end)
		both(function(m) return m.build() end)
		both(function(m)
			local default = {a = 1}
			return m.parse('x', default) == default
		end)
	end)

	-- RFC 3986, 5.4, and more.
	local REFERENCES = {'g:h', 'g', './g', 'g/', '/g', '//g', '?y', 'g?y', '#s', 'g#s', 'g?y#s', ';x', 'g;x',
		'g;x?y#s', '', '.', './', '..', '../', '../g', '../..', '../../', '../../g', '../../../g', '../../../../g',
		'/./g', '/../g', 'g.', '.g', 'g..', '..g', './../g', './g/.', 'g/./h', 'g/../h', 'g;x=1/./y', 'g;x=1/../y',
		'http:g', 'http://a', 'http://a/b//c', '//g//', '/', '//', '///', 'a//../b'}

	it('resolves references the same', function()
		local bases = {'http://a/b/c/d;p?q', 'http://a', 'http://a/', 'http://a//b//c', 'a', 'a/b/', '/a/b', '',
			'mailto:x', 'http://u:p@h:80/x/y?q#f', '//h/p', 'http://a/b/../c', '../../a/b'}
		for _, base in ipairs(bases) do
			for _, reference in ipairs(REFERENCES) do
				both(function(m) return m.absolute(base, reference) end)
				both(function(m) return m.absolute(m.parse(base) or {}, reference) end)
			end
		end
		both(function(m) return m.absolute({scheme = 's', host = 'h', path = '/a/b'}, 'c') end)
		both(function(m) return m.absolute({scheme = 's', host = 'h', path = '/a/b'}, '') end)
		both(function(m) return m.absolute({}, 'x') end)
		both(function(m) return m.absolute({}) end)
		both(function(m) return m.absolute('http://a/b') end)
		both(function(m) return m.absolute(nil, 'x') end)
		both(function(m) return m.absolute('x', 5) end)
		both(function(m) return m.absolute(5, 'x') end)
		assert.is_false(pcall(ours.absolute))
		assert.is_false(pcall(theirs.absolute))
	end)

	it('takes the dots out of random paths the same', function()
		local words = {'/', '/', '/', '..', '..', '.', 'a', 'b', '...', '//', '/../', '/./'}
		local starts = {'', '/', 'http://h', 'http://h/', '//h/', '//h', 'x:', 'x:/'}
		local ends = {'', '', '?q', '#f'}
		for _ = 1, 5000 do
			local base = starts[random(#starts)] .. text({'/', '/', 'a', 'b', '//', 'c;d'}, 8) .. ends[random(#ends)]
			local reference = text(words, 12)
			-- What begins with // has an authority, in which the original looks for dots.
			if not reference:find'^//' and not is_understood_otherwise(base) then
				both(function(m) return m.absolute(base, reference) end)
				both(function(m) return m.absolute('', reference) end)
			end
		end
	end)

	it('ends the authority where all who look at the host end it', function()
		local function parts(u)
			local p = ours.parse(u)
			return {p.host, p.port or '', p.user or '', p.path or '', p.query or '', p.fragment or ''}
		end
		for u, p in pairs{
			['http://good?@evil/'] = {'good', '', '', '', '@evil/', ''},
			['http://good#@evil/'] = {'good', '', '', '', '', '@evil/'},
			['http://h:8071?token=x&type=y'] = {'h', '8071', '', '', 'token=x&type=y', ''},
			['http://h?a=/b@c'] = {'h', '', '', '', 'a=/b@c', ''},
			['http://u:p@h:1?x#y'] = {'h', '1', 'u', '', 'x', 'y'},
			['//h?x'] = {'h', '', '', '', 'x', ''},
			['http://a@b@c/'] = {'c', '', 'a@b', '/', '', ''},
			['http://a:b@c:d@e:1/x@y'] = {'e', '1', 'a:b@c', '/x@y', '', ''},
		} do
			assert.same(p, parts(u))
			assert.equal(u, ours.build(ours.parse(u)))
		end
		for _, u in ipairs{'http://evil\\@good/', '//good\\.evil/', 'http://h\\'} do
			assert.same({nil, 'invalid url', n = 2}, {n = 2, ours.parse(u)})
		end
		assert.equal('/a\\b?c\\d', ours.parse'http://h/a\\b?c\\d'.path .. '?c\\d')
		assert.equal('http://h?q=/a/../b', ours.absolute('http://a/b', '//h?q=/a/../b'))
		assert.equal('http://h/c', ours.absolute('http://h?x', 'c'))
	end)

	it('leaves what is not the path as it is', function()
		-- The original takes them out of the whole URL.
		assert.equal('http://d', theirs.absolute('http://a/b', 'http://c/../d'))
		assert.equal('http://c/d', ours.absolute('http://a/b', 'http://c/../d'))
		assert.equal('http://c/d', ours.absolute('http://a/b', 'http://c/../../d'))
		assert.equal('http://a/c?y', theirs.absolute('http://a/b', 'c?to=/x/../y'):gsub('to=/', ''))
		assert.equal('http://a/c?to=/x/../y', ours.absolute('http://a/b', 'c?to=/x/../y'))
		assert.equal('http://a/c#/x/../y', ours.absolute('http://a/b', 'c#/x/../y'))
		assert.equal('http://a/b?u=http://x/../y', ours.absolute('http://a/b', '?u=http://x/../y'))
		assert.equal('//../d', ours.absolute('', '//../d'))
		assert.equal('http://', theirs.absolute('http://h/x/y', '/;/../..'))
		assert.equal('http://h/', ours.absolute('http://h/x/y', '/;/../..'))
	end)
end)
