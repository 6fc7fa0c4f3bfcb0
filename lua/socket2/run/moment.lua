-- What a program gives for `expires`: a time of clock().

local lib = require'socket2.lib'

local C, raise = lib.C, lib.raise
local type, min = type, math.min

local moment = {}

-- When the first Lua state of the process loaded the library. A positive time well before that is not a
-- moment but a length. A time shortly before it can come from clock() - 1. What counts as "well before" is
-- less on a machine that has just started.
moment.began = package.loaded['socket2.began'] or C.socket2_clock()
local LENGTHS = moment.began - min(60, moment.began / 2)

-- of(expires) -> the time for C
function moment.of(expires)
	if type(expires) ~= 'number' then
		raise('bad expires (number expected, got %s)', type(expires))
	elseif expires < LENGTHS then
		if expires > 0 then
			raise('bad expires (a time of socket.clock() expected, got a length?): socket.clock() + %.14g', expires)
		end
		expires = 0 -- C has a meaning of its own for -1/0
	end
	return expires
end

return moment
