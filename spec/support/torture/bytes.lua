-- What a run of spec/lua/torture_spec.lua sends, and whether what arrives is right for its place.

local ffi, bit = require'ffi', require'bit'
local counts = require'torture.counts'
local seed = require'torture.seed'

local fill, string_of, check = ffi.fill, ffi.string, seed.check
local tobit, bxor, lshift, rshift = bit.tobit, bit.bxor, bit.lshift, bit.rshift
local bytes_of = ffi.typeof'uint8_t[?]'

ffi.cdef'int spec_memcmp(const void *, const void *, size_t) __asm__("memcmp");'
local memcmp = ffi.C.spec_memcmp

local bytes = {memcmp = memcmp}

-- The data: words that are their own number, mixed, so that no two are the same. Each direction of a
-- connection starts at another word; after the last word comes the first.
local WORDS, LARGEST = 262139, 2^21
local PERIOD = 4 * WORDS
local pattern = bytes_of(PERIOD + LARGEST + 4)
for i = 0, (PERIOD + LARGEST) / 4 do
	local x = tobit((i % WORDS + 1) * 2654435761)
	x = bxor(x, rshift(x, 15))
	ffi.cast('int32_t *', pattern)[i] = bxor(x, lshift(x, 7))
end
bytes.LARGEST = LARGEST

-- Memory to receive into, filled with a value that has to stay wherever no receive may write.
local FILL, GUARD, MOST = 0xA5, 8, 65536
local untouched = bytes_of(MOST + GUARD)
fill(untouched, MOST + GUARD, FILL)
bytes.GUARD, bytes.MOST = GUARD, MOST

-- guarded(n) -> memory of n bytes and GUARD more
function bytes.guarded(n)
	local buf = bytes_of(n + GUARD)
	fill(buf, n + GUARD, FILL)
	return buf
end

-- is_untouched(buf, from, to) -> boolean
function bytes.is_untouched(buf, from, to)
	return memcmp(buf + from, untouched, to - from) == 0
end

-- direction(n) -> the n-th direction of a connection: `sent` is what the system took, according to send(),
-- `offered` the end of what is being sent.
function bytes.direction(n)
	return {start = 4 * (n * 7919 % WORDS), offered = 0, sent = 0, received = 0}
end

-- at(dir, position) -> pointer to the right bytes for there
local function at(dir, position)
	return pattern + (dir.start + position) % PERIOD
end

bytes.at = at

-- arrived(dir, data, n, [consumed]): checks n bytes that came; `consumed` of them were consumed.
function bytes.arrived(dir, data, n, consumed)
	local position = dir.received
	if memcmp(data, at(dir, position), n) ~= 0 then
		local got, want, i = string_of(data, n), string_of(at(dir, position), n), 1
		while got:byte(i) == want:byte(i) do i = i + 1 end
		local from = string_of(pattern, PERIOD):find(got:sub(i, i + 3), 1, true)
		check(false, 'byte %d is wrong; of those sent, it is %s', position + i - 1,
			from and (from - 1 - dir.start) % PERIOD or 'none')
	end
	check(position + n <= dir.offered, 'received %d bytes of %d', position + n, dir.offered)
	dir.received = position + (consumed or n)
	counts.bytes(n)
end

-- settle(dir): checks the totals when its writer and reader are both over.
function bytes.settle(dir)
	if dir.writer_over and dir.reader_over then
		check(dir.received <= dir.sent and (not dir.complete or dir.received == dir.sent),
			'received %d bytes of %d, complete: %s', dir.received, dir.sent, dir.complete)
		counts.count('direction', dir.complete and 'complete' or 'cut')
	end
end

return bytes
