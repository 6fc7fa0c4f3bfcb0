-- coro.install() changed what programs get from `coroutine`: a coroutine that ended with no value or one gave
-- two, running() in the main program was a table, and a failed resume() had a third result.

local coro = require'coro'

local native = coroutine

local function pack(...)
	return {n = select('#', ...), ...}
end

-- Those that are not equal in value only by what they are: threads and functions.
local function results(ok, ...)
	local r = pack(...)
	for i = 1, r.n do
		if type(r[i]) == 'thread' or type(r[i]) == 'function' then
			r[i] = type(r[i])
		end
	end
	r.ok = ok
	return r
end

-- Each gets a coroutine library.
local cases = {
	['end of a wrapped one without a value'] = function(c)
		return c.wrap(function() end)()
	end,
	['end with nil'] = function(c)
		return c.wrap(function() return nil end)()
	end,
	['end with nil, nil'] = function(c)
		return c.wrap(function() return nil, nil end)()
	end,
	['end with one value'] = function(c)
		return c.wrap(function() return 1 end)()
	end,
	['end with three values'] = function(c)
		return c.wrap(function() return 1, nil, nil end)()
	end,
	['end by a tail call'] = function(c)
		return c.wrap(function() return tostring(1) end)()
	end,
	['end after a yield'] = function(c)
		local f = c.wrap(function() c.yield(1) end)
		f()
		return f()
	end,
	['value after a yield'] = function(c)
		local f = c.wrap(function() c.yield() return 2 end)
		f()
		return f()
	end,
	['yield of nothing'] = function(c)
		return c.wrap(function() c.yield() end)()
	end,
	['yield of nils'] = function(c)
		return c.wrap(function() c.yield(nil, nil) end)()
	end,
	['what yield returns'] = function(c)
		local counts = {}
		local t = c.create(function()
			counts[1] = select('#', c.yield())
			counts[2] = select('#', c.yield())
		end)
		c.resume(t, 1)
		c.resume(t)
		c.resume(t, nil, nil)
		return counts[1], counts[2]
	end,
	['end of a resumed one'] = function(c)
		return c.resume(c.create(function() end))
	end,
	['value of a resumed one'] = function(c)
		return c.resume(c.create(function() return 1 end))
	end,
	['function of C'] = function(c)
		return c.resume(c.create(select), 2, 'a', nil)
	end,
	['resume of a dead one'] = function(c)
		local t = c.create(function() end)
		c.resume(t)
		return c.status(t), c.resume(t)
	end,
	['resume of oneself'] = function(c)
		return c.resume(c.create(function() return c.resume(c.running()) end))
	end,
	['resume of the resumer'] = function(c)
		local outer
		outer = c.create(function()
			return c.resume(c.create(function() return c.status(outer), c.resume(outer) end))
		end)
		return c.resume(outer)
	end,
	['nested ones'] = function(c)
		return c.wrap(function()
			return c.wrap(function() return c.wrap(function() return 1 end)() end)()
		end)()
	end,
	['a failed resume'] = function(c)
		return c.resume(c.create(function() error'failed' end))
	end,
	['a failed resume without an error'] = function(c)
		return c.resume(c.create(function() error() end))
	end,
	['an error of a wrapped one'] = function(c)
		local x = c.wrap(function() error'failed' end)()
		return x
	end,
	['an error of a wrapped one to C'] = function(c)
		return pcall(c.wrap(function() error('failed', 0) end))
	end,
	['an error that is no text'] = function(c)
		local x = c.wrap(function() error({7}) end)()
		return x
	end,
	['a call of a dead wrapped one'] = function(c)
		local f = c.wrap(function() end)
		f()
		local x = f()
		return x
	end,
	['running() in the main program'] = function(c)
		return c.running()
	end,
	['running() in a coroutine'] = function(c)
		return c.wrap(function() return c.running() end)()
	end,
	['status() of the running one'] = function(c)
		return c.wrap(function() return c.status(c.running()) end)()
	end,
	['isyieldable()'] = function(c)
		local below
		return c.isyieldable(), c.wrap(function()
			string.gsub('x', 'x', function() below = c.isyieldable() end)
			return c.isyieldable(), below
		end)()
	end,
	['yield in the main program'] = function(c)
		local x = c.yield(1)
		return x
	end,
	['yield below C'] = function(c)
		return c.resume(c.create(function()
			string.gsub('x', 'x', function() c.yield() end)
		end))
	end,
	['resume below C'] = function(c)
		return c.wrap(function()
			local r
			string.gsub('x', 'x', function()
				r = pack(c.resume(c.create(function() c.yield(1, nil) end)))
			end)
			return unpack(r, 1, r.n)
		end)()
	end,
	['create of no function'] = function(c)
		local x = c.create(1)
		return x
	end,
	['wrap of no function'] = function(c)
		local x = c.wrap'x'
		return x
	end,
	['resume of no coroutine'] = function(c)
		local x = c.resume{}
		return x
	end,
	['status of no coroutine'] = function(c)
		local x = c.status()
		return x
	end,
	['overflow of the stack'] = function(c)
		return (c.resume(c.create(function()
			local function f() return 1 + f() end
			return f()
		end)))
	end,
}

describe('coroutine after coro.install()', function()
	local installed

	setup(function()
		coro.install()
		installed = coroutine
		_G.coroutine, package.loaded.coroutine = native, native
	end)

	it('has the names that it had', function()
		local function names(t)
			local list = {}
			for name in pairs(t) do
				list[#list + 1] = name
			end
			table.sort(list)
			return list
		end
		assert.same(names(native), names(installed))
	end)

	for what, f in pairs(cases) do
		it('gives the results that it gave: ' .. what, function()
			assert.same(results(pcall(f, native)), results(pcall(f, installed)))
		end)
	end

	it('gives them inside of a coroutine', function()
		for what, f in pairs(cases) do
			local expected = results(native.wrap(pcall)(f, native))
			assert.same(expected, results(coro.wrap(pcall)(f, installed)), what)
		end
	end)
end)
