-- Symmetric coroutines and native ones.

local coros = require'coros'

local native = coroutine
local fails, natively, pack = coros.fails, coros.natively, coros.pack

coros.both(function(load)
	local coro, create, transfer, ptransfer, resume, yield, root, inside

	before_each(function()
		coro = load()
		create, transfer, ptransfer = coro.create, coro.transfer, coro.ptransfer
		resume, yield = coro.resume, coro.yield
		root = coro.running()
		inside = coros.inside(coro)
	end)

	describe('a native coroutine', function()
		-- run f in a native coroutine in the root and in a thread.
		local function both(name, f)
			it(name .. ' (in the root)', function() natively(f) end)
			it(name .. ' (in a thread)', function()
				assert.equal('fine', inside(function()
					natively(f)
					return 'fine'
				end))
				assert.equal(root, (coro.running()))
			end)
		end
		both('is a root of its own', function()
			local me = coro.running()
			assert.equal(3, transfer(create(function(x) transfer(me, x + 1) end), 2))
			fails('boom', transfer, create(function() error'boom' end))
			fails('ended without', transfer, create(function() end))
			assert.same({true, 1}, {resume(create(function() yield(1) end))})
			assert.is_false(ptransfer(create(error)))
			assert.equal('suspended', transfer(create(function() transfer(me, coro.status(me)) end)))
			fails('running thread', transfer, me)
			local ok, err = transfer(create(function() transfer(me, pcall(transfer, root)) end))
			assert.is_false(ok)
			assert.matches('native coroutine.resume', err, 1, true)
		end)
		it('yields natively', function()
			local function test()
				local w = native.wrap(function(x)
					while true do
						x = yield(x + 1)
					end
				end)
				assert.equal(2, w(1))
				assert.equal(3, w(2))
			end
			test()
			inside(test)
		end)
		it('can be left and entered between transfers', function()
			inside(function()
				local w = native.wrap(function()
					local me = coro.running()
					local t = create(function()
						for i = 1, 3 do transfer(me, i) end
					end)
					for _ = 1, 3 do
						native.yield(transfer(t))
					end
				end)
				for i = 1, 3 do
					assert.equal(i, w())
				end
			end)
		end)
		it('cannot take control back to a resumer below it', function()
			local function test()
				local ok, err = resume(create(function()
					local g = coro.running()
					assert.is_true(coro.isyieldable())
					-- g runs on below, and cannot be entered from above.
					natively(function() fails('native coroutine.resume', transfer, g) end)
					return 'kept'
				end))
				assert.is_true(ok)
				assert.equal('kept', err)
			end
			test()
			inside(test)
			local g, t
			g = create(function()
				transfer(t)
				yield'wrong'
			end)
			t = create(function()
				natively(function() fails('yielding from a non-resumed thread', transfer, g) end)
				error('seen', 0)
			end)
			fails('seen', resume, g)
		end)
		it('can be a coro thread resumed natively', function()
			local t
			t = create(function()
				local me = coro.running()
				assert.equal(t, me)
				assert.equal(1, transfer(create(function() transfer(me, 1) end)))
				local ok, err = resume(create(function() transfer(me) end))
				assert.is_false(ok)
				assert.matches('waiting in resume', err, 1, true)
				local r = pack(transfer(create(function() transfer(me, resume(me)) end)))
				assert.same({n = 2, false, 'cannot resume running coroutine'}, r)
				native.yield(2)
			end)
			assert.same({true, 2}, {native.resume(t)})
			t = create(function()
				local me = coro.running()
				return transfer(create(function() transfer(me, resume(me)) end))
			end)
			assert.same({true, false, 'cannot resume running coroutine'}, {native.resume(t)})
		end)
		it('must not resume a thread waiting in coro', function()
			local p = create(function() resume(create(function() transfer(root) end)) end)
			transfer(p)
			local ok, err = native.resume(p)
			assert.is_false(ok)
			assert.matches('resumed by native', err, 1, true)
			assert.equal('ok', inside(function() return 'ok' end))
		end)
		it('that is made dead or running natively is noticed', function()
			local t = create(function() end)
			native.resume(t)
			assert.is_false((resume(t)))
			fails('dead', transfer, t)
			t = create(function()
				natively(function()
					fails('cannot resume', transfer, t)
					assert.is_false((resume(t)))
				end)
			end)
			assert.is_true(native.resume(t))
		end)
	end)
end)
