-- The filters under `mime`, like LuaSocket's mime.core: base64, quoted-printable, line breaking, line ends,
-- and the dots of SMTP. Each filter takes what is left of the chunk before (`C`), or a number that stands for
-- it, and a chunk. It returns its output and what is left for the next call. A chunk that is nil is the end
-- of the input.
--
-- The filters read strings in place and write to memory that all calls share, so they make no other string
-- while they work. No call can interrupt another, because nothing here calls back or waits.

local ffi = require'ffi'
local bit = require'bit'

local type, tostring, tonumber, select, pairs, error = type, tostring, tonumber, select, pairs, error
local getinfo, setmetatable = debug.getinfo, setmetatable
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local byte, char, find, format, gsub, sub =
	string.byte, string.char, string.find, string.format, string.gsub, string.sub
local band, bor, lshift, rshift, tobit = bit.band, bit.bor, bit.lshift, bit.rshift, bit.tobit
local cast, copy, string_of = ffi.cast, ffi.copy, ffi.string
local bytes, new_bytes = ffi.typeof'const uint8_t *', ffi.typeof'uint8_t[?]'

local TAB, LF, CR, SPACE, DOT, EQUALS = 9, 10, 13, 32, 46, 61
local CRLF, SOFT_BREAK = '\r\n', '=\r\n'
local INVALID = 256

local core = {_VERSION = 'MIME 1.0.3'}
local public = {} -- the module's functions -> true

-- Raises the error that LuaSocket's C function raises, for argument i of our function that was called, at
-- that function's caller.
local function bad(i, expected, actual)
	local level = 3
	while not public[getinfo(level, 'f').func] do
		level = level + 1
	end
	local call = getinfo(level, 'n')
	if call.namewhat == 'method' then
		i = i - 1
	end
	local what = i == 0 and 'calling' or format('bad argument #%d to', i)
	local where = i == 0 and ' on bad self' or ''
	error(format("%s '%s'%s (%s expected, got %s)", what, call.name or '?', where, expected, actual), level + 1)
end

-- A string or nil; a number is a string.
local function optional_string(v, i)
	local what = type(v)
	if what == 'string' or what == 'nil' then
		return v
	elseif what ~= 'number' then
		bad(i, 'string', what)
	end
	return tostring(v)
end

-- A string as C reads it: up to the first NUL.
local function marker_of(v, i)
	local marker = optional_string(v, i) or CRLF
	local zero = find(marker, '\0', 1, true)
	return zero and sub(marker, 1, zero - 1) or marker
end

-- A whole number, from a call with n arguments. A string may be a number.
local function integer(v, i, n)
	local number = type(v) == 'number' and v or type(v) == 'string' and tonumber(v)
	if not number then
		bad(i, 'number', n < i and 'no value' or type(v))
	end
	return number >= 0 and floor(number) or ceil(number)
end

-- A whole number that fits into 32 bits, so that the loops are fast; a larger one becomes the largest that
-- fits.
local function count_of(v, i, n)
	local whole = type(v) == 'number' and tobit(v)
	return whole == v and whole or tobit(max(-2^31, min(integer(v, i, n), 2^31 - 1)))
end

-- The string C .. D; nil when C is nil. D may be nil, too. If either is empty, nothing is copied.
local function input(C, D)
	C = optional_string(C, 1)
	D = C and optional_string(D, 2)
	if not D or D == '' then
		return C
	end
	return C == '' and D or C .. D
end

local function occurrences(s, pattern)
	local _, n = gsub(s, pattern, '')
	return n
end

-- The memory that results are written to.
local KEPT = 65536
local small = new_bytes(KEPT)
local large = setmetatable({}, {__mode = 'v'}) -- the last larger memory, until it is collected

local function memory(size)
	if size <= KEPT then
		return small
	end
	local m = large[1]
	if not m or ffi.sizeof(m) < size then
		m = new_bytes(size)
		large[1] = m
	end
	return m
end

-- The results of a filter: at the end of the input (D is nil) an empty output is nil; before that, the output
-- and what is left of s.
local function results(out, o, D, s, i)
	local result = (D or o > 0) and string_of(out, o) or nil
	return result, D and sub(s, i + 1) or nil
end

-- The two characters for twelve bits.
local pairs_of = ffi.new'uint8_t[8192]'
-- The six bits of a character, or -1 when it is not base64. '=' is not, but counts as a character of a group.
local six_bits = ffi.new'int32_t[256]'
-- What quoted-printable makes of a byte: three bytes, of which the first `quoted_size` count. The size is 0
-- when the result depends on what follows.
local quoted, quoted_size = ffi.new'uint8_t[256][3]', ffi.new'uint8_t[256]'
-- The hexadecimal value of a character, as the left digit and as the right one, or INVALID.
local high_nibble, low_nibble = ffi.new'uint16_t[256]', ffi.new'uint16_t[256]'
-- 1 for a byte that unqp lets through, otherwise 0.
local printable = ffi.new'uint8_t[256]'
-- For a byte: wrp and qpwrp need more room in a line than this.
local hard_room, soft_room = ffi.new'uint8_t[256]', ffi.new'uint8_t[256]'

do
	local alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
	ffi.fill(six_bits, ffi.sizeof(six_bits), 255)
	for v = 0, 63 do
		six_bits[byte(alphabet, v + 1)] = v
		for w = 0, 63 do
			copy(pairs_of + 2 * (64 * v + w), sub(alphabet, v + 1, v + 1) .. sub(alphabet, w + 1, w + 1), 2)
		end
	end
	for c = 0, 255 do
		local v = find('0123456789ABCDEF', char(c):upper(), 1, true)
		high_nibble[c], low_nibble[c] = v and 16 * (v - 1) or INVALID, v and v - 1 or INVALID
		local plain = c > SPACE and c < 127 and c ~= EQUALS
		copy(quoted[c], plain and char(c, 0, 0) or format('=%02X', c), 3)
		quoted_size[c] = plain and 1 or 3
		printable[c] = (c == TAB or c >= SPACE and c < 127) and 1 or 0
	end
	quoted_size[TAB], quoted_size[SPACE], quoted_size[CR] = 0, 0, 0
	ffi.fill(soft_room, 256, 1)
	soft_room[EQUALS] = 3
end

-- b64(C, [D]) -> s, left
function core.b64(C, D)
	local s = input(C, D)
	if not s then
		return nil, nil
	end
	local padding = D == nil and -#s % 3 or 0
	if padding > 0 then
		s = s .. sub('\0\0', 1, padding)
	end
	local whole = #s - #s % 3
	local out = memory(whole / 3 * 4)
	local p = cast(bytes, s)
	local o = 0
	for i = 0, whole - 1, 3 do
		local v = bor(lshift(p[i], 16), lshift(p[i + 1], 8), p[i + 2])
		local high, low = rshift(v, 12) * 2, band(v, 0xfff) * 2
		out[o], out[o + 1] = pairs_of[high], pairs_of[high + 1]
		out[o + 2], out[o + 3] = pairs_of[low], pairs_of[low + 1]
		o = o + 4
	end
	ffi.fill(out + (o - padding), padding, EQUALS)
	return results(out, o, D, s, whole)
end

local group = new_bytes(4)

-- unb64(C, [D]) -> s, left. Bytes that are not base64 are skipped; less than a group is left.
function core.unb64(C, D)
	local s = input(C, D)
	if not s then
		return nil, nil
	end
	local n = #s
	local out = memory(n)
	local p = cast(bytes, s)
	local i, o, have = 0, 0, 0
	while i < n do
		-- Whole groups without '=' and without bytes to skip.
		while i + 4 <= n do
			local v = bor(lshift(six_bits[p[i]], 18), lshift(six_bits[p[i + 1]], 12),
				lshift(six_bits[p[i + 2]], 6), six_bits[p[i + 3]])
			if v < 0 then
				break
			end
			out[o], out[o + 1], out[o + 2] = rshift(v, 16), rshift(v, 8), v
			i, o = i + 4, o + 3
		end
		-- A group with '=' or with bytes to skip.
		while i < n and have < 4 do
			local c = p[i]
			if c == EQUALS or six_bits[c] >= 0 then
				group[have] = c
				have = have + 1
			end
			i = i + 1
		end
		if have == 4 then
			local v = 0
			for k = 0, 3 do
				v = v * 64 + max(six_bits[group[k]], 0)
			end
			out[o], out[o + 1], out[o + 2] = rshift(v, 16), rshift(v, 8), v
			o = o + (group[2] == EQUALS and 1 or group[3] == EQUALS and 2 or 3)
			have = 0
		end
	end
	return results(out, o, D, string_of(group, have), 0)
end

-- qp(C, [D], [marker = CRLF]) -> s, left. CRLF becomes the marker. A CR waits for one byte more, and blanks
-- wait for two, because they are quoted only before a CRLF. At the end they are quoted, too, and a soft break
-- follows.
function core.qp(C, D, marker)
	C, marker = optional_string(C, 1), marker_of(marker, 3)
	local s = input(C, D)
	if not s then
		return nil, nil
	end
	local n, breaks = #s, #marker
	local out = memory(3 * n + 3 + (breaks > 6 and occurrences(s, CRLF) * breaks or 0))
	local p = cast(bytes, s)
	local i, o = 0, 0
	while i < n do
		while i < n do
			local c = p[i]
			local q, size = quoted[c], quoted_size[c]
			if size == 0 then
				break
			end
			out[o], out[o + 1], out[o + 2] = q[0], q[1], q[2]
			i, o = i + 1, o + size
		end
		if i < n then
			local c = p[i]
			local to = c == CR and i or i + 1 -- where a CRLF would be
			if to + 2 > n then
				break
			end
			local ends = p[to] == CR and p[to + 1] == LF
			if ends == (i < to) then
				copy(out + o, quoted[c], 3)
				o = o + 3
			elseif i < to then
				out[o] = c
				o = o + 1
			end
			if ends then
				copy(out + o, marker, breaks)
				i, o = to + 1, o + breaks
			end
			i = i + 1
		end
	end
	if D == nil and i < n then
		for k = i, n - 1 do
			local size = quoted_size[p[k]]
			copy(out + o, quoted[p[k]], 3)
			o = o + (size == 0 and 3 or size)
		end
		copy(out + o, SOFT_BREAK, 3)
		o = o + 3
	end
	return results(out, o, D, s, i)
end

-- unqp(C, [D]) -> s, left. A '=' that begins no escape stays as it is. Bytes that quoted-printable cannot
-- have are dropped, and so are a CR without its LF and the byte that stands in the place of the LF.
function core.unqp(C, D)
	local s = input(C, D)
	if not s then
		return nil, nil
	end
	local n = #s
	local out = memory(n + 1)
	local p = cast(bytes, s)
	local i, o = 0, 0
	while i < n do
		while i < n do
			local c = p[i]
			if c == EQUALS or c == CR then
				break
			end
			out[o] = c
			i, o = i + 1, o + printable[c]
		end
		while i + 3 <= n and p[i] == EQUALS do
			local a, b = p[i + 1], p[i + 2]
			local v = bor(high_nibble[a], low_nibble[b])
			if v < INVALID then
				out[o] = v
				o = o + 1
			elseif a ~= CR or b ~= LF then
				out[o], out[o + 1], out[o + 2] = EQUALS, a, b
				o = o + 3
			end
			i = i + 3
		end
		local c = i < n and p[i]
		if c == CR and i + 2 <= n then
			if p[i + 1] == LF then
				out[o], out[o + 1] = CR, LF
				o = o + 2
			end
			i = i + 2
		elseif c == CR or c == EQUALS and i + 3 > n then
			break
		end
	end
	return results(out, o, D, s, i)
end

-- Breaks lines. With soft breaks a line has room for the '=' of a break, and no escape is split.
local function wrapped(soft, ...)
	local n, B, size = ...
	n = count_of(n, 1, select('#', ...))
	B = optional_string(B, 2)
	size = size == nil and 76 or count_of(size, 3, 3)
	if B == nil then
		return n < size and (soft and SOFT_BREAK or CRLF) or nil, size
	end
	local count = #B
	local out, room = memory(4 * count), soft and soft_room or hard_room
	local p = cast(bytes, B)
	-- While no line ends, the sum of i and the remaining room stays the same, and so does the distance by which
	-- the output is ahead; that saves work for each byte.
	local edge, ahead = n, 0
	for i = 0, count - 1 do
		local c = p[i]
		if c > CR or c ~= LF and c ~= CR then
			if i + room[c] >= edge then
				local o = i + ahead
				if soft then
					out[o] = EQUALS
					o = o + 1
				end
				out[o], out[o + 1] = CR, LF
				edge, ahead = i + size, o + 2 - i
			end
			out[i + ahead] = c
		elseif c == LF then
			out[i + ahead], out[i + ahead + 1] = CR, LF
			edge, ahead = i + 1 + size, ahead + 1
		else
			edge, ahead = edge + 1, ahead - 1
		end
	end
	return string_of(out, count + ahead), edge - count
end

-- wrp(n, [B], [length = 76]) -> s, n. Lines have at most `length` bytes; n is how many still fit into the
-- last line.
function core.wrp(...)
	local s, n = wrapped(false, ...)
	return s, n
end

-- qpwrp(n, [B], [length = 76]) -> s, n. The same for quoted-printable.
function core.qpwrp(...)
	local s, n = wrapped(true, ...)
	return s, n
end

-- eol(C, [B], [marker = CRLF]) -> s, C. CR, LF, CRLF and LFCR become the marker; C is the last byte if it may
-- be the first half of a pair.
function core.eol(...)
	local C, B, marker = ...
	local before = C == 0 and 0 or tobit(integer(C, 1, select('#', ...)))
	B = optional_string(B, 2)
	marker = marker_of(marker, 3)
	if B == nil then
		return nil, 0
	end
	local n, size = #B, #marker
	local out = memory(n + (size > 2 and occurrences(B, '[\r\n]') or n) * size)
	local p = cast(bytes, B)
	local ahead = 0 -- how far the output is
	for i = 0, n - 1 do
		local c = p[i]
		if c > CR or c ~= LF and c ~= CR then
			out[i + ahead] = c
			before = 0
		elseif c ~= before and (before == LF or before == CR) then
			before, ahead = 0, ahead - 1
		else
			copy(out + (i + ahead), marker, size)
			before, ahead = c == before and 0 or c, ahead + size - 1
		end
	end
	return string_of(out, n + ahead), before
end

-- dot(m, [B]) -> s, m. A dot that begins a line becomes two; m is 2 where a line begins, 1 after a CR.
function core.dot(...)
	local m, B = ...
	m = integer(m, 1, select('#', ...))
	B = optional_string(B, 2)
	if B == nil then
		return nil, 2
	end
	if B == '' then
		return B, m
	end
	-- The first dot depends on m, which says what is before it. Elsewhere only dots that are doubled need work.
	local s = (m == 2 and CRLF or m == 1 and '\r' or '') .. B
	local _, to = find(s, '\r\n.', 1, true)
	local result = B
	if to then
		local out = memory(2 * #s)
		local p = cast(bytes, s)
		local from, o = #s - #B, 0
		while to do
			copy(out + o, p + from, to - from)
			o = o + to - from
			out[o] = DOT
			from, o = to, o + 1
			_, to = find(s, '\r\n.', from + 1, true)
		end
		copy(out + o, p + from, #s - from)
		result = string_of(out, o + #s - from)
	end
	return result, sub(s, -2) == CRLF and 2 or byte(s, -1) == CR and 1 or 0
end

for _, f in pairs(core) do
	public[f] = true
end

-- LuaJIT compiles what a loop does when it gets hot. In eol() that should not be the end of a line.
core.eol(0, ('x'):rep(200))

return core
