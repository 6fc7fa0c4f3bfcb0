-- Exceptions of the classic API: newtry and protect, in which threads can wait.

local type, error, pcall, select, setmetatable, getmetatable =
	type, error, pcall, select, setmetatable, getmetatable

local object = require'socket2.luasocket.object'

local protect = {}

-- What try raises and protect catches: {err}.
local exception = {__tostring = function(self)
	return tostring(self[1])
end}

local function finish(finalizer, ...)
	if (...) then
		return ...
	end
	if type(finalizer) == 'function' then
		pcall(finalizer)
	end
	error(setmetatable({(select(2, ...))}, exception), 0)
end

-- newtry([finalizer]) -> try: returns its arguments if the first is neither nil nor false. Otherwise it calls
-- the finalizer, drops an error of that, and raises the second argument.
function protect.newtry(finalizer)
	return function(...)
		return finish(finalizer, ...)
	end
end

local function caught(ok, ...)
	if ok then
		return ...
	end
	local err = ...
	if getmetatable(err) == exception then
		return nil, err[1]
	end
	error(err, 0)
end

-- protect(f) -> function: works like f, but returns nil, err where a try in f raised err; other errors are
-- passed on.
function protect.protect(f)
	return function(...)
		return caught(pcall(f, ...))
	end
end

-- skip(n, ...) -> ... without the first n
function protect.skip(n, ...)
	return select(object.number(1, n) + 1, ...)
end

return protect
