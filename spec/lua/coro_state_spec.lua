-- Symmetric coroutines: loading and installing them, and what they tell.

local coros = require'coros'

local native = coroutine
local fails, natively, fresh, fresh52 = coros.fails, coros.natively, coros.fresh, coros.fresh52

coros.both(function(load)
	local coro, create, transfer, resume, yield, root, ismain, inside

	before_each(function()
		coro = load()
		create, transfer = coro.create, coro.transfer
		resume, yield = coro.resume, coro.yield
		root, ismain = coro.running()
		inside = coros.inside(coro)
	end)

	describe('running', function()
		it('is current', function()
			assert.equal(coro.running, coro.current)
		end)
		it('tells the root', function()
			assert.equal(root, (coro.running()))
			assert.is_boolean(ismain)
			assert.equal(native.running() == nil or select(2, native.running()) == true, ismain)
		end)
		it('tells a thread', function()
			local t
			t = create(function()
				local r, m = coro.running()
				transfer(root, r == t, m)
			end)
			assert.same({true, false}, {transfer(t)})
		end)
		it('tells a native coroutine', function()
			local function test()
				local t
				t = native.create(function()
					local r, m = coro.running()
					return r == t, m
				end)
				assert.same({true, true, false}, {native.resume(t)})
			end
			test()
			inside(test)
		end)
	end)

	describe('status', function()
		it('tells all states', function()
			local t
			local function now()
				return coro.status(t)
			end
			t = create(function()
				assert.equal('running', now())
				yield()
				resume(create(function() assert.equal('normal', now()) end))
				yield()
				transfer(create(function() transfer(root, now()) end))
			end)
			assert.equal('suspended', now())
			resume(t)
			assert.equal('suspended', now())
			resume(t)
			assert.equal('suspended', transfer(t))
			assert.equal('suspended', now())
			fails('ended without', transfer, t)
			assert.equal('dead', now())
			t = create(function() error() end)
			pcall(transfer, t)
			assert.equal('dead', now())
		end)
		it('is normal while the resumed thread is away', function()
			local g
			local p = create(function()
				g = create(function() transfer(root) end)
				resume(g)
			end)
			transfer(p)
			assert.equal('normal', coro.status(p))
			assert.equal('suspended', coro.status(g))
			transfer(create(function()
				assert.equal('normal', coro.status(p))
				transfer(root)
			end))
		end)
		it('tells the root', function()
			assert.equal('running', coro.status(root))
			assert.equal('suspended', inside(function() return coro.status(root) end))
			local _, s = resume(create(function() return coro.status(root) end))
			assert.equal('normal', s)
			assert.equal('normal', natively(function() return coro.status(root) end))
			assert.equal('normal', inside(function()
				return natively(function() return coro.status(root) end)
			end))
		end)
		it('wants a thread', function()
			fails('coroutine expected', coro.status)
			fails('coroutine expected', coro.status, 1)
		end)
	end)

	describe('isyieldable', function()
		it('tells whether yield works', function()
			if ismain then
				assert.is_false(coro.isyieldable())
			end
			assert.is_false(inside(coro.isyieldable))
			assert.same({true, true}, {resume(create(coro.isyieldable))})
			assert.is_true(natively(coro.isyieldable))
			assert.is_true(inside(function() return natively(coro.isyieldable) end))
			resume(create(function()
				string.gsub('x', 'x', function() assert.is_false(coro.isyieldable()) end)
			end))
		end)
	end)

	describe('install', function()
		after_each(function()
			_G.coroutine, package.loaded.coroutine = native, native
		end)
		it('replaces the library and returns the old one', function()
			assert.equal(native, coro.install())
			local installed = _G.coroutine
			assert.are_not_equal(native, installed)
			assert.equal(installed, require'coroutine')
			assert.equal(native, coro.install())
			assert.equal(installed, _G.coroutine)
			for name in pairs(native) do
				assert.is_function(installed[name])
			end
			for name in pairs(installed) do
				assert.is_function(native[name])
			end
			local sum = 0
			for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do
				sum = sum + i
			end
			assert.equal(6, sum)
			assert.equal('ok', inside(function()
				return coroutine.wrap(function() coroutine.yield(transfer(root, 'ok')) end)()
			end))
		end)
	end)
end)

describe('coro', function()
	it('can be loaded inside a native coroutine', function()
		local coro
		native.wrap(function() coro = fresh() end)()
		local root = coro.running()
		local _, ismain = coro.running()
		assert.equal(native.running() == nil or select(2, native.running()) == true, ismain)
		assert.equal(5, coro.transfer(coro.create(function(x) coro.transfer(root, x) end), 5))
		if ismain then
			assert.matches('attempt to yield', select(2, pcall(coro.yield)), 1, true)
		end
	end)
	it('can be loaded inside a thread of another copy', function()
		local a, b = fresh()
		local root = a.running()
		a.transfer(a.create(function()
			b = fresh()
			a.transfer(root)
		end))
		assert.same({true, 1}, {b.resume(b.create(function() b.yield(1) end))})
	end)
	it('has one stable token for the main thread', function()
		local coro = fresh()
		assert.equal((coro.running()), (coro.running()))
		assert.is_string(tostring((coro.running())))
	end)
end)

describe('coro with the running() of Lua 5.2', function()
	it('takes the main thread for what coroutine.running() returns', function()
		local coro, running = fresh52()
		assert.equal((running()), (coro.running()))
		assert.equal(select(2, running()), select(2, coro.running()))
	end)
end)
