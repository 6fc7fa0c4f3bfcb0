-- What the specs of coro share: copies of coro, each with its own main thread. The cases run twice: on this
-- Lua, and on one that pretends to have the coroutine.running() and status() of Lua 5.2.

local assert = require'luassert'

local native = coroutine
local unpack = unpack

local coros = {}

-- Values that have to pass through unchanged.
coros.values = {'a string', {}, 42, false, print}

-- fresh() -> coro: a new copy.
local function fresh()
	local saved = package.loaded.coro
	package.loaded.coro = nil
	local coro = require'coro'
	package.loaded.coro = saved
	return coro
end

-- fresh52() -> coro, running: a copy that was loaded while coroutine.running() returns an object for the main
-- thread, and that running().
local function fresh52()
	local running, status = native.running, native.status
	local stand_in = native.create(function() end)
	rawset(native, 'running', function()
		local t, ismain = running()
		if not t or ismain then
			return stand_in, true
		end
		return t, false
	end)
	rawset(native, 'status', function(t)
		if t == stand_in then
			return native.running() == t and 'running' or 'normal'
		end
		return status(t)
	end)
	local ok, coro = pcall(fresh)
	local running52 = native.running
	native.running, native.status = running, status
	assert(ok, coro)
	return coro, running52
end

coros.fresh, coros.fresh52 = fresh, fresh52

-- both(suite): makes the cases of suite(load), with a load() of each kind.
function coros.both(suite)
	local describe = getfenv(2).describe -- the spec's
	describe('coro', function() suite(fresh) end)
	describe('coro with the running() of Lua 5.2', function() suite(fresh52) end)
end

local function pack(...)
	return {n = select('#', ...), ...}
end

coros.pack = pack

-- fails(message, f, ...) -> the error that f(...) raises; its message contains `message`
function coros.fails(msg, f, ...)
	local ok, err = pcall(f, ...)
	assert.is_false(ok)
	assert.matches(msg, tostring(err), 1, true)
	return err
end

-- inside(coro) -> function(f): runs f in a thread of that copy, and returns its results to the main thread.
function coros.inside(coro)
	local transfer, root = coro.transfer, coro.running()
	return function(f)
		return transfer(coro.create(function()
			transfer(root, f())
		end))
	end
end

-- natively(f): runs f in a native coroutine, and returns its results.
function coros.natively(f)
	local t = native.create(f)
	local r = pack(native.resume(t))
	if not r[1] then
		error(r[2], 0)
	end
	return unpack(r, 2, r.n)
end

return coros
