-- URLs, like LuaSocket's socket.url.

local ffi = require'ffi'
local socket = require'socket'

local type, pairs, tostring = type, pairs, tostring
local find, match, gmatch, gsub, sub = string.find, string.match, string.gmatch, string.gsub, string.sub
local char, format, concat, remove = string.char, string.format, table.concat, table.remove
local string_of, cast, copy = ffi.string, ffi.cast, ffi.copy
local bytes, new_bytes = ffi.typeof'const uint8_t *', ffi.typeof'uint8_t[?]'

local PERCENT, INVALID = 37, 255

local url = {_VERSION = 'URL 1.0.3'}
socket.url = url

-- Escapes -------------------------------------------------------------------------------------------------

-- How bytes are escaped: three bytes for each byte, of which the first `size` count.
local function escapes(plain, hexadecimal)
	local made, size = ffi.new'uint8_t[256][3]', ffi.new'uint8_t[256]'
	for c = 0, 255 do
		local is_plain = find(char(c), plain)
		copy(made[c], is_plain and char(c, 0, 0) or format(hexadecimal, c), 3)
		size[c] = is_plain and 1 or 3
	end
	return {made = made, size = size}
end

local in_text = escapes('^[A-Za-z0-9_]$', '%%%02x')
local in_segment = escapes("^[A-Za-z0-9_.!~*'():@&=+$,-]$", '%%%02X')

local nibble = ffi.new'uint8_t[256]' -- a character's hexadecimal value, or INVALID
ffi.fill(nibble, 256, INVALID)
for v = 0, 15 do
	nibble[format('%x', v):byte()] = v
	nibble[format('%X', v):byte()] = v
end

-- Memory for results. A string is made from it before anything else can be called.
local KEPT = 16384
local kept = new_bytes(KEPT)

local function escaped(s, how)
	local n = #s
	local out = 3 * n <= KEPT and kept or new_bytes(3 * n)
	local made, size = how.made, how.size
	local p = cast(bytes, s)
	local o = 0
	for i = 0, n - 1 do
		local c = p[i]
		local e = made[c]
		out[o], out[o + 1], out[o + 2] = e[0], e[1], e[2]
		o = o + size[c]
	end
	return o == n and s or string_of(out, o)
end

-- escape(s) -> s
function url.escape(s)
	return escaped(type(s) == 'string' and s or gsub(s, '', ''), in_text)
end

-- unescape(s) -> s
function url.unescape(s)
	if type(s) ~= 'string' then
		s = gsub(s, '', '')
	end
	if not find(s, '%', 1, true) then
		return s
	end
	local n = #s
	local out = n <= KEPT and kept or new_bytes(n)
	local p = cast(bytes, s)
	local i, o = 0, 0
	while i < n do
		local c = p[i]
		i = i + 1
		if c == PERCENT and i + 1 < n then
			local high, low = nibble[p[i]], nibble[p[i + 1]]
			if high < 16 and low < 16 then
				c = high * 16 + low
				i = i + 2
			end
		end
		out[o] = c
		o = o + 1
	end
	return string_of(out, o)
end

-- Paths ---------------------------------------------------------------------------------------------------

-- parse_path([path]) -> {segment..., is_absolute = 1 | nil, is_directory = 1 | nil}
function url.parse_path(path)
	path = path or ''
	local parsed = {}
	for segment in gmatch(path, '[^/]+') do
		parsed[#parsed + 1] = url.unescape(segment)
	end
	if sub(path, 1, 1) == '/' then
		parsed.is_absolute = 1
	end
	if sub(path, -1) == '/' then
		parsed.is_directory = 1
	end
	return parsed
end

-- build_path(parsed, [unsafe]) -> path; the segments are escaped unless `unsafe`
function url.build_path(parsed, unsafe)
	local n = #parsed
	local segments = {}
	for i = 1, n do
		local segment = parsed[i]
		segments[i] = unsafe and segment or
			escaped(type(segment) == 'string' and segment or gsub(segment, '', ''), in_segment)
	end
	if n > 0 and parsed.is_directory then
		segments[n + 1] = ''
	end
	return (parsed.is_absolute and '/' or '') .. concat(segments, '/')
end

-- A path without dot segments. Like in the original, a `..` removes the segment before it only if another
-- segment or nothing follows; the segment that it removes may be another `..`.
local function without_dots(path)
	local s, n, from = {}, 0, 1
	local rooted = sub(path, 1, 1) == '/' -- then s[1] is '', which is not a segment
	repeat
		local slash = find(path, '/', from, true)
		local segment = sub(path, from, (slash or 0) - 1)
		local first, last = from == 1, not slash
		-- An empty string is a segment if it is between two slashes.
		local is_one = segment ~= '' or not first and not last
		if first or last or segment ~= '.' then
			if n >= 2 and s[n] == '..' and is_one and (n > 2 or not rooted) then
				n = n - 2
			end
			n = n + 1
			s[n] = segment
		end
		from = (slash or 0) + 1
	until not slash
	local to = n > 1 and s[n] == '' and n - 1 or n
	if to > 1 and s[to] == '..' and (to > 2 or not rooted) then
		n = to - 1
		s[n] = ''
	elseif n > 1 and (s[n] == '..' or s[n] == '.') then
		s[n] = ''
	end
	if rooted and n > 2 and s[2] == '..' then
		remove(s, 2)
		n = n - 1
	end
	return concat(s, '/', 1, n)
end

-- The same for a whole URL: in its path and in what follows that, up to `?` or `#`.
local function clean(s)
	local from = match(s, '^%w[%w+.-]*:()') or 1
	from = match(s, '^//[^/?#]*()', from) or from
	local to = (find(s, '[?#]', from) or 0) - 1
	local path = sub(s, from, to)
	return sub(s, 1, from - 1) .. without_dots(path) .. sub(s, from + #path)
end

-- The path of a reference, relative to the base's path.
local function absolute_path(base, path)
	if sub(path, 1, 1) ~= '/' then
		base = gsub(base, '[^/]*$', '')
		path = (base == '' and '/' or base) .. path
	end
	return without_dots(path)
end

-- URLs ----------------------------------------------------------------------------------------------------

local TAILS = { -- what follows a path, beginning at the end
	{mark = '#', name = 'fragment'}, {mark = '?', name = 'query'}, {mark = ';', name = 'params'}
}

-- [user[:password]@]host[:port], of which every part may be missing. The last @ ends the user, so that this
-- agrees with code that has checked the host before.
local function parse_authority(parsed, authority)
	local userinfo, rest = match(authority, '^(.*)@([^@]*)$')
	if userinfo then
		parsed.userinfo, authority = userinfo, rest
	end
	local host, port = match(authority, '^(.*):([^:%]]*)$')
	if port then
		parsed.port, authority = port, host
	end
	if authority ~= '' then
		parsed.host = match(authority, '^%[(.+)%]$') or authority
	end
	userinfo = parsed.userinfo -- it may be a default
	if userinfo then
		local user, password = match(userinfo, '^(.*):([^:]*)$')
		parsed.user, parsed.password = user or userinfo, password or parsed.password
	end
end

-- parse(url, [default]) -> {scheme, authority, userinfo, user, password, host, port, path, params, query,
-- fragment: strings}, with the fields of `default` where the url has none | nil, 'invalid url'
function url.parse(text, default)
	local parsed = {}
	for k, v in pairs(default or parsed) do
		parsed[k] = v
	end
	if not text or text == '' then
		return nil, 'invalid url'
	end

	local scheme, authority, rest, more
	rest = gsub(text, '', '') -- a number is a string
	scheme, more = match(rest, '^(%w[%w+.-]*):(.*)$')
	if scheme then
		parsed.scheme, rest = scheme, more
	end
	authority, more = match(rest, '^//([^/?#]*)(.*)$')
	if authority then
		if find(authority, '\\', 1, true) then -- some programs end the host there, others do not
			return nil, 'invalid url'
		end
		parsed.authority, rest = authority, more
	end
	for i = 1, #TAILS do
		local tail = TAILS[i]
		local at = find(rest, tail.mark, 1, true)
		if at then
			parsed[tail.name], rest = sub(rest, at + 1), sub(rest, 1, at - 1)
		end
	end
	if rest ~= '' then
		parsed.path = rest
	end
	if parsed.authority then
		parse_authority(parsed, parsed.authority)
	end
	return parsed
end

-- build(parsed) -> url. `host` and its fields override `authority`, and `user` overrides `userinfo`.
function url.build(parsed)
	local s = parsed.path or ''
	if parsed.params then
		s = s .. ';' .. parsed.params
	end
	if parsed.query then
		s = s .. '?' .. parsed.query
	end
	local authority, host = parsed.authority, parsed.host
	if host then
		authority = find(host, ':', 1, true) and '[' .. host .. ']' or host
		if parsed.port then
			authority = authority .. ':' .. tostring(parsed.port)
		end
		local userinfo = parsed.userinfo
		if parsed.user then
			userinfo = parsed.user
			if parsed.password then
				userinfo = userinfo .. ':' .. parsed.password
			end
		end
		if userinfo then
			authority = userinfo .. '@' .. authority
		end
	end
	if authority then
		s = '//' .. authority .. s
	end
	if parsed.scheme then
		s = parsed.scheme .. ':' .. s
	end
	if parsed.fragment then
		s = s .. '#' .. parsed.fragment
	end
	return s
end

-- absolute(base, reference) -> url; the base may be a table from parse()
function url.absolute(base, reference)
	local text, from = base, base
	if type(base) == 'table' then
		text = url.build(base)
	else
		from = url.parse(base)
	end
	local to = url.parse(reference)
	if not from then
		return clean(reference)
	elseif not to then
		return clean(text)
	elseif to.scheme then
		return clean(reference)
	end
	to.scheme = from.scheme
	if not to.authority then
		to.authority = from.authority
		if to.path then
			to.path = absolute_path(from.path or '', to.path)
		else
			to.path = from.path
			if not to.params then
				to.params = from.params
				if not to.query then
					to.query = from.query
				end
			end
		end
	end
	return clean(url.build(to))
end

return url
