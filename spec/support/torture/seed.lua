-- The seed of a run of spec/lua/torture_spec.lua, the random numbers that it makes, and failures that print
-- it.

local bit = require'bit'

local tobit, bxor, lshift, rshift = bit.tobit, bit.bxor, bit.lshift, bit.rshift

local SEED = tonumber(os.getenv'SOCKET2_SEED' or 1)

local seed = {}

-- check(ok, message, ...) -> ok: raises an error when it is false.
function seed.check(ok, message, ...)
	if not ok then
		error(('SOCKET2_SEED=%d: '):format(SEED) .. message:format(...), 2)
	end
	return ok
end

-- generator(n) -> random(most) -> 1 to most: the seed's n-th sequence (xorshift32).
function seed.generator(n)
	local x = bxor(tobit(SEED * 40503 + 1), tobit(n * 2654435761))
	x = x == 0 and 1 or x
	local function random(most)
		x = bxor(x, lshift(x, 13))
		x = bxor(x, rshift(x, 17))
		x = bxor(x, lshift(x, 5))
		return x % most + 1
	end
	for _ = 1, 10 do random(1) end
	return random
end

return seed
