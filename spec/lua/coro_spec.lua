-- The whole suite runs twice: on this Lua, and on one that pretends to have
-- the coroutine.running() and status() of Lua 5.2.

local native = coroutine
local unpack = unpack

local function fresh()
	local saved = package.loaded.coro
	package.loaded.coro = nil
	local coro = require'coro'
	package.loaded.coro = saved
	return coro
end

-- load coro while coroutine.running() returns an object for the main thread.
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

local function collect()
	collectgarbage()
	collectgarbage()
end

local function pack(...)
	return {n = select('#', ...), ...}
end

local function suite(load)
	local coro, create, transfer, ptransfer, resume, yield, root, ismain

	before_each(function()
		coro = load()
		create, transfer, ptransfer = coro.create, coro.transfer, coro.ptransfer
		resume, yield = coro.resume, coro.yield
		root, ismain = coro.running()
	end)

	-- the message of the error of f(...).
	local function fails(msg, f, ...)
		local ok, err = pcall(f, ...)
		assert.is_false(ok)
		assert.matches(msg, tostring(err), 1, true)
		return err
	end

	-- run f in a coro thread; returns its results to the root.
	local function inside(f)
		return transfer(create(function()
			transfer(root, f())
		end))
	end

	-- run f in a native coroutine; returns its results.
	local function natively(f)
		local t = native.create(f)
		local r = pack(native.resume(t))
		if not r[1] then
			error(r[2], 0)
		end
		return unpack(r, 2, r.n)
	end

	local values = {'a string', {}, 42, false, print}

	describe('create', function()
		it('makes native threads', function()
			local t = create(function() end)
			assert.equal('thread', type(t))
			assert.equal('suspended', native.status(t))
		end)
		it('wants a function', function()
			assert.has_error(function() create(1) end)
			assert.has_error(function() create() end)
		end)
	end)

	describe('transfer', function()
		it('passes values, nils included, both ways', function()
			local t = create(function(...)
				local r = pack(transfer(root, select('#', ...), ...))
				r = pack(transfer(root, r.n, unpack(r, 1, r.n)))
				transfer(root, r.n)
			end)
			assert.same({n = 4, 3, 1, nil, nil}, pack(transfer(t, 1, nil, nil)))
			assert.same({n = 3, 2, nil, 7}, pack(transfer(t, nil, 7)))
			assert.same({n = 1, 0}, pack(transfer(t)))
		end)
		it('goes from any thread to any other', function()
			local log, a, b, c = {}
			a = create(function(x)
				log[#log + 1] = 'a' .. x
				x = transfer(b, x + 1)
				log[#log + 1] = 'a' .. x
				transfer(root, x + 1)
			end)
			b = create(function(x)
				log[#log + 1] = 'b' .. x
				x = transfer(c, x + 1)
				log[#log + 1] = 'b' .. x
				transfer(a, x + 1)
			end)
			c = create(function(x)
				log[#log + 1] = 'c' .. x
				transfer(b, x + 1)
			end)
			assert.equal(6, transfer(a, 1))
			assert.equal('a1 b2 c3 b4 a5', table.concat(log, ' '))
		end)
		it('is not bound by a stack: chain', function()
			local n = 100000
			local function f(i)
				if i == n then
					transfer(root, i)
				end
				transfer(create(f), i + 1)
			end
			assert.equal(n, transfer(create(f), 1))
		end)
		it('is not bound by a stack: ping-pong', function()
			local n, a, b = 0
			a = create(function()
				while n < 100000 do
					n = n + 1
					transfer(b)
				end
				transfer(root, 'done')
			end)
			b = create(function()
				while true do transfer(a) end
			end)
			assert.equal('done', transfer(a))
		end)
		it('enters native threads that have not started', function()
			local t = native.create(function(x) transfer(root, x + 1) end)
			assert.equal(2, transfer(t, 1))
		end)
		it('enters threads suspended in yield, which then have no resumer', function()
			local t = create(function()
				local x = yield()
				transfer(root, x, pcall(yield))
			end)
			assert.is_true(resume(t))
			local x, ok, err = transfer(t, 5)
			assert.equal(5, x)
			assert.is_false(ok)
			assert.matches("yielding from a non-resumed thread", err, 1, true)
		end)

		it('raises errors in the root, whatever their type', function()
			for _, v in ipairs(values) do
				local ok, err = pcall(transfer, create(function() error(v, 0) end))
				assert.is_false(ok)
				assert.equal(v, err)
			end
			local r = pack(pcall(transfer, create(function() error() end)))
			assert.is_false(r[1])
			assert.is_nil(r[2])
		end)
		it('raises errors of the last thread of a chain in the root', function()
			local e, reached = {}, false
			local b = create(function() error(e) end)
			local a = create(function()
				transfer(b)
				reached = true
				transfer(root, 'alive')
			end)
			local ok, err = pcall(transfer, a)
			assert.is_false(ok)
			assert.equal(e, err)
			assert.is_false(reached)
			assert.equal('dead', coro.status(b))
			assert.equal('suspended', coro.status(a))
			assert.equal('alive', transfer(a))
		end)
		it('works again after an error', function()
			for _ = 1, 3 do
				fails('boom', transfer, create(function() error'boom' end))
				assert.equal('ok', inside(function() return 'ok' end))
				assert.equal(root, (coro.running()))
			end
		end)
		it('works inside pcall', function()
			local t = create(function()
				transfer(root, pcall(transfer, root, 'out'))
			end)
			assert.equal('out', transfer(t))
			assert.same({true, 'in'}, {transfer(t, 'in')})
		end)
		it('wants the thread to end by a transfer', function()
			fails('ended without transferring control', transfer, create(function() end))
			local a = create(function() end)
			local b = create(function() transfer(a) end)
			fails('ended without transferring control', transfer, b)
		end)

		-- in the root and in a thread.
		local function refused(msg, t)
			fails(msg, transfer, t)
			assert.equal('here', inside(function()
				fails(msg, transfer, t)
				return 'here'
			end))
		end
		it('refuses what is not a thread', function()
			for _, v in ipairs{1, 'x', {}, false, print} do
				refused('thread expected, got ' .. type(v), v)
			end
			refused('thread expected, got nil')
		end)
		it('refuses threads that have left', function()
			local t = coro.create(function() return coro.leave(root) end)
			coro.transfer(t)
			assert.equal('dead', coro.status(t))
			refused('dead thread', t)
		end)

		it('refuses dead threads', function()
			local t = create(function() end)
			resume(t)
			refused('dead thread', t)
			t = create(function() error'x' end)
			pcall(transfer, t)
			refused('dead thread', t)
			t = native.create(function() end)
			native.resume(t)
			refused('dead thread', t)
		end)
		it('refuses the running thread', function()
			fails('running thread', transfer, root)
			inside(function() fails('running thread', transfer, (coro.running())) end)
		end)
		it('refuses threads suspended by the native yield', function()
			local t = native.create(native.yield)
			native.resume(t)
			refused('native coroutine.yield', t)
			t = create(function() native.yield() end)
			resume(t)
			refused('native coroutine.yield', t)
		end)
		it('refuses threads waiting in resume', function()
			local p = create(function()
				resume(create(function() transfer(root) end))
			end)
			transfer(p)
			refused('waiting in resume', p)
		end)
		it('refuses a root waiting in resume', function()
			local ok, err = resume(create(function() transfer(root) end))
			assert.is_false(ok)
			assert.matches('waiting in resume', err, 1, true)
		end)
		it('refuses threads that a native coroutine runs in', function()
			inside(function()
				local me = coro.running()
				natively(function()
					fails('native coroutine.resume', transfer, me)
					fails('native coroutine.resume', transfer, root)
				end)
			end)
		end)
		it('survives failing inside a C call', function()
			assert.equal('ok', inside(function()
				fails('a C function', string.gsub, 'x', 'x', function() transfer(root) end)
				return 'ok'
			end))
			-- with a resumer, whose state must be right too.
			local g = create(function()
				fails('a C function', string.gsub, 'x', 'x', function() transfer(root) end)
				yield(1)
				return 2
			end)
			inside(function()
				assert.same({true, 1}, {resume(g)})
				assert.same({true, 2}, {resume(g)})
			end)
		end)
	end)

	describe('ptransfer', function()
		it('returns true and the values', function()
			local t = create(function(x) transfer(root, x, nil) end)
			assert.same({n = 3, true, 1, nil}, pack(ptransfer(t, 1)))
			assert.is_true(inside(function()
				local me = coro.running()
				local r = pack(ptransfer(create(function(x) transfer(me, x, nil) end), 1))
				assert.same({n = 3, true, 1, nil}, r)
				return true
			end))
		end)
		it('returns errors in the root', function()
			for _, v in ipairs(values) do
				assert.same({false, v}, {ptransfer(create(function() error(v, 0) end))})
			end
			local e = {}
			local b = create(function() error(e) end)
			local a = create(function() transfer(b) end)
			local ok, err = ptransfer(a)
			assert.is_false(ok)
			assert.equal(e, err)
		end)
		it('returns errors in a thread', function()
			inside(function()
				for _, v in ipairs(values) do
					local ok, err = ptransfer(create(function() error(v, 0) end))
					assert.is_false(ok)
					assert.equal(v, err)
				end
			end)
		end)
		it('returns an error after the thread was away', function()
			local e, t = {}
			local p = create(function()
				transfer(root, select(2, ptransfer(t)))
			end)
			t = create(function()
				transfer(root, 'away')
				error(e)
			end)
			assert.equal('away', transfer(p))
			assert.equal(e, transfer(t))
		end)
		it('returns that the thread ended without a transfer', function()
			local function test()
				local ok, err = ptransfer(create(function() end))
				assert.is_false(ok)
				assert.matches('ended without transferring control', err, 1, true)
			end
			test()
			inside(test)
		end)
		it('returns that the target is wrong', function()
			local dead = create(function() end)
			resume(dead)
			local function test()
				for _, t in ipairs{dead, 'x', (coro.running())} do
					local ok, err = ptransfer(t)
					assert.is_false(ok)
					assert.matches('cannot transfer', err, 1, true)
				end
			end
			test()
			inside(test)
		end)
		it('returns that it is inside a C call', function()
			inside(function()
				string.gsub('x', 'x', function()
					local ok, err = ptransfer(root)
					assert.is_false(ok)
					assert.matches('a C function', err, 1, true)
				end)
			end)
		end)
		it('reaches a thread from inside a C call', function()
			inside(function()
				local me = coro.running()
				string.gsub('x', 'x', function()
					local t = create(function(...) transfer(me, select('#', ...)) end)
					assert.same({2}, {transfer(t, nil, nil)})
					t = create(function(...) transfer(me, select('#', ...)) end)
					assert.same({true, 1}, {ptransfer(t, nil)})
				end)
			end)
		end)
		it('leaves errors of further threads to the root', function()
			local e = {}
			local b = create(function() error(e) end)
			local a = create(function() transfer(b) end)
			local p = create(function() ptransfer(a) end)
			local ok, err = pcall(transfer, p)
			assert.is_false(ok)
			assert.equal(e, err)
		end)
		it('leaves errors to the root once the caller is back', function()
			local e, p = {}
			local t = create(function()
				transfer(p)
				error(e)
			end)
			p = create(function()
				assert.is_true(ptransfer(t))
				ptransfer(root)
				transfer(root, 'wrong')
			end)
			transfer(p)
			local ok, err = pcall(transfer, t)
			assert.is_false(ok)
			assert.equal(e, err)
		end)
		it('lets the caller keep its resumer', function()
			local g = create(function()
				yield(ptransfer(create(function() error('x', 0) end)))
				yield(ptransfer(root, 'out'))
			end)
			local p = create(function()
				assert.same({true, false, 'x'}, {resume(g)})
				transfer(root, resume(g))
			end)
			assert.equal('out', transfer(p))
			assert.same({false, 'cannot resume running coroutine'}, {resume(g)})
			assert.same({true, true, 'in'}, {transfer(g, 'in')})
		end)
		it('lets another thread resume the target', function()
			local t = create(function()
				transfer(root)
				yield(1)
				return 2
			end)
			transfer(create(function() ptransfer(t) end))
			inside(function()
				assert.same({true, 1}, {resume(t)})
				assert.same({true, 2}, {resume(t)})
			end)
		end)
	end)

	describe('resume and yield', function()
		-- each test in the root and in a thread.
		local function both(name, f)
			it(name .. ' (root)', f)
			it(name .. ' (thread)', function()
				local done = inside(function()
					f()
					return 'done'
				end)
				assert.equal('done', done)
			end)
		end
		both('pass values', function()
			local t = create(function(...)
				local r = pack(yield(select('#', ...), ...))
				return r.n, unpack(r, 1, r.n)
			end)
			assert.same({n = 4, true, 2, 1, nil}, pack(resume(t, 1, nil)))
			assert.same({n = 4, true, 2, nil, 3}, pack(resume(t, nil, 3)))
			assert.same({false, 'cannot resume dead coroutine'}, {resume(t)})
			assert.equal('dead', coro.status(t))
		end)
		both('return the error and the traceback', function()
			for _, v in ipairs(values) do
				local function culprit()
					error(v, 0)
				end
				local ok, err, tb = resume(create(function() culprit() end))
				assert.is_false(ok)
				assert.equal(v, err)
				assert.matches('stack traceback', tb, 1, true)
				assert.matches('culprit', tb, 1, true)
			end
		end)
		both('refuse what cannot be resumed', function()
			local function refused(t)
				local r = pack(resume(t))
				assert.same({n = 2, false, 'cannot resume running coroutine'}, r)
			end
			refused(root)
			refused((coro.running()))
			local me = coro.running()
			local t = create(function()
				refused(me)
				refused((coro.running()))
				assert(resume(create(function()
					refused(me)
					refused(root)
				end)))
			end)
			assert(resume(t))
		end)
		both('want a thread', function()
			for _, v in ipairs{1, 'x', {}, false} do
				fails('coroutine expected', resume, v)
			end
			fails('coroutine expected', resume)
		end)
		both('are not bound by the native stack', function()
			local function f(n)
				if n == 0 then
					return 0
				end
				return 1 + select(2, assert(resume(create(f), n - 1)))
			end
			assert.equal(10000, f(10000))
		end)
		both('resume native threads', function()
			local t = native.create(function(x)
				x = yield(x + 1)
				x = native.yield(x + 1)
				return x + 1
			end)
			assert.same({true, 2}, {resume(t, 1)})
			assert.same({true, 3}, {resume(t, 2)})
			assert.equal('suspended', coro.status(t))
			assert.same({true, 4}, {resume(t, 3)})
			t = native.create(native.yield)
			native.resume(t)
			assert.same({true, 'last'}, {resume(t, 'last')})
		end)
		both('work in a callback from C', function()
			local s = string.gsub('abc', '.', function(c)
				return select(2, resume(create(function() yield(c .. c) end)))
			end)
			assert.equal('aabbcc', s)
		end)
		both('propagate errors in a chain', function()
			local e = {}
			local c = create(function() error(e) end)
			local b = create(function()
				local ok, err = resume(c)
				assert.is_false(ok)
				error(err)
			end)
			local ok, failed, err = resume(create(function()
				return not resume(b), select(2, resume(create(error), e))
			end))
			assert.is_true(ok)
			assert.is_true(failed)
			assert.equal(e, err)
			assert.equal('dead', coro.status(b))
			assert.equal('dead', coro.status(c))
		end)

		it('make generators that transfer in the middle', function()
			local waiting, got = {}, {}
			local function read()
				local me = coro.running()
				waiting[#waiting + 1] = me
				return transfer(root)
			end
			local function lines(n)
				return coro.wrap(function()
					for i = 1, n do
						yield(i .. ':' .. read())
					end
				end)
			end
			for k = 1, 3 do
				transfer(create(function()
					for s in lines(3) do
						got[#got + 1] = k .. '/' .. s
					end
					transfer(root)
				end))
			end
			local n = 0
			while waiting[1] do
				n = n + 1
				transfer(table.remove(waiting, 1), 'x' .. n)
			end
			assert.same({'1/1:x1', '2/1:x2', '3/1:x3', '1/2:x4', '2/2:x5', '3/2:x6',
				'1/3:x7', '2/3:x8', '3/3:x9'}, got)
		end)
		it('keep the resumer of every level', function()
			local g
			local p = create(function()
				local ok, v = resume(create(function()
					g = create(function()
						local x = transfer(root, 'io')
						yield(x)
						error('late', 0)
					end)
					local _, x = resume(g)
					local ok, err = resume(g)
					return ok, err .. x
				end))
				transfer(root, ok, v)
			end)
			assert.equal('io', transfer(p))
			assert.equal(true, (transfer(g, 7)))
		end)
		it('return the error of a generator that was away', function()
			local e, g = {}
			local p = create(function()
				local ok, err, tb = resume(g)
				transfer(root, ok, err, tb)
			end)
			g = create(function()
				transfer(root)
				error(e)
			end)
			transfer(p)
			local ok, err, tb = transfer(g)
			assert.is_false(ok)
			assert.equal(e, err)
			assert.equal('string', type(tb))
		end)
		it('do not resume a thread that is resumed and away', function()
			local g = create(function() transfer(root) end)
			local p = create(function() resume(g) end)
			transfer(p)
			assert.same({false, 'cannot resume running coroutine'}, {resume(g)})
			assert.same({false, 'cannot resume running coroutine'}, {resume(p)})
		end)
		it('resume a thread suspended in transfer', function()
			local t = create(function()
				local x = transfer(root)
				yield(x)
				return 'end'
			end)
			transfer(t)
			inside(function()
				assert.same({true, 1}, {resume(t, 1)})
				assert.same({true, 'end'}, {resume(t)})
			end)
		end)
		it('know when an error made the root leave resume', function()
			local e = {}
			local bad = create(function() error(e) end)
			local g = create(function()
				transfer(bad)
				yield(1)
			end)
			local ok, err = pcall(resume, g)
			assert.is_false(ok)
			assert.equal(e, err)
			assert.equal('suspended', coro.status(g))
			fails('yielding from a non-resumed thread', transfer, g)
			-- nor is the resumer of another thread taken for its own.
			g = create(function()
				transfer(bad)
				yield(1)
			end)
			bad = create(function() error(e) end)
			pcall(resume, g)
			fails('yielding from a non-resumed thread', resume, create(function() transfer(g) end))
		end)
		it('refuse to yield without a resumer', function()
			fails('yielding from a non-resumed thread', transfer, create(function() yield() end))
			if ismain then
				fails('attempt to yield', yield, 1)
				fails('attempt to yield', yield)
			end
		end)
		it('raise a native yield without a resumer in the root', function()
			local t = create(function() native.yield(1) end)
			fails('native coroutine.yield', transfer, t)
			inside(function()
				local ok, err = ptransfer(create(function() native.yield() end))
				assert.is_false(ok)
				assert.matches('native coroutine.yield', err, 1, true)
			end)
		end)
	end)

	describe('wrap', function()
		it('makes iterators', function()
			local sum = 0
			for i in coro.wrap(function() for i = 1, 10 do yield(i) end end) do
				sum = sum + i
			end
			assert.equal(55, sum)
		end)
		it('passes values', function()
			local w = coro.wrap(function(...)
				local x, y = yield(...)
				return y, x
			end)
			assert.same({n = 2, 1, nil}, pack(w(1, nil)))
			assert.same({n = 2, nil, 3}, pack(w(3, nil)))
			fails('cannot resume dead coroutine', w)
		end)
		it('raises the original error', function()
			for _, v in ipairs(values) do
				local w = coro.wrap(function() error(v, 0) end)
				local ok, err = pcall(w)
				assert.is_false(ok)
				assert.equal(v, err)
				fails('cannot resume dead coroutine', w)
			end
		end)
		it('raises through a chain of wrappers', function()
			local e = {}
			local w = function() error(e) end
			for _ = 1, 100 do
				w = coro.wrap(w)
			end
			local ok, err = pcall(w)
			assert.is_false(ok)
			assert.equal(e, err)
		end)
		it('does not resume itself', function()
			local w
			w = coro.wrap(function() w() end)
			fails('running coroutine', w)
		end)
		it('wants a function', function()
			assert.has_error(function() coro.wrap() end)
		end)
	end)

	describe('safewrap', function()
		it('passes values', function()
			local w = coro.safewrap(function(out, ...)
				local r = pack(out(...))
				return r.n, unpack(r, 1, r.n)
			end)
			assert.same({n = 3, 1, nil, nil}, pack(w(1, nil, nil)))
			assert.same({n = 3, 2, 4, nil}, pack(w(4, nil)))
			fails('dead', w)
			fails('dead', w)
		end)
		it('yields past nested threads', function()
			local w = coro.safewrap(function(out, x)
				local inner = coro.wrap(function(y)
					local deep = coro.wrap(function(z)
						z = out(z + 1)
						yield(z + 1)
						return out(z + 2)
					end)
					yield(deep(y))
					yield(deep())
				end)
				return inner(x), inner()
			end)
			assert.equal(2, w(1))
			assert.equal(12, w(10))
			assert.same({11, 'back'}, {w('back')})
			fails('dead', w)
		end)
		it('yields from threads transferred into', function()
			local w = coro.safewrap(function(out, x)
				local me = coro.running()
				return transfer(create(function()
					transfer(me, out(x))
				end))
			end)
			assert.equal(1, w(1))
			assert.equal(2, w(2))
		end)
		it('works in threads and with transfers in the middle', function()
			local g
			local t = create(function()
				local w = coro.safewrap(function(out)
					g = coro.running()
					out(transfer(root, 'io'))
					return 'end'
				end)
				transfer(root, w(), w())
			end)
			assert.equal('io', transfer(t))
			assert.same({1, 'end'}, {transfer(g, 1)})
		end)
		it('can be called from a different thread each time', function()
			local w = coro.safewrap(function(out, x)
				while true do
					x = out(x + 1)
				end
			end)
			assert.equal(2, w(1))
			assert.equal(3, inside(function() return w(2) end))
			assert.equal(4, natively(function() return w(3) end))
			assert.equal(5, w(4))
		end)
		it('raises the original error in the caller', function()
			for _, v in ipairs(values) do
				local function test()
					local w = coro.safewrap(function(out)
						out()
						error(v, 0)
					end)
					w()
					local ok, err = pcall(w)
					assert.is_false(ok)
					assert.equal(v, err)
					fails('dead', w)
				end
				test()
				inside(test)
			end
		end)
		it('does not resume itself', function()
			local w
			w = coro.safewrap(function() w() end)
			fails('running coroutine', w)
		end)
		it('has no yield when nobody waits', function()
			local g
			local w = coro.safewrap(function(out)
				g = coro.running()
				out()
				out()
			end)
			w()
			fails('nobody waits', transfer, g)
		end)
		it('can be called inside a C call', function()
			local w = coro.safewrap(function(out) out(1) out(2) end)
			inside(function()
				assert.equal('1', (('x'):gsub('x', function() return w() end)))
				assert.equal(2, w())
			end)
		end)
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

	describe('garbage collection', function()
		local function count(t)
			local n = 0
			for _ in pairs(t) do n = n + 1 end
			return n
		end
		it('takes suspended threads', function()
			local weak = setmetatable({}, {__mode = 'k'})
			for _ = 1, 100 do
				local t = create(function() transfer(root) end)
				weak[t] = true
				transfer(t)
				t = create(function() yield() end)
				weak[t] = true
				resume(t)
				weak[create(print)] = true
			end
			collect()
			assert.equal(0, count(weak))
		end)
		it('takes abandoned generators with their resumers', function()
			local weak, made = setmetatable({}, {__mode = 'k'}), 0
			local function watch(t)
				weak[t] = true
				made = made + 1
			end
			for _ = 1, 100 do
				local p = create(function()
					local g = create(function()
						transfer(root)
						yield()
					end)
					watch(g)
					resume(g)
				end)
				watch(p)
				transfer(p)
				-- and a safe wrapper, which waits in ptransfer.
				p = create(function()
					coro.safewrap(function()
						watch((coro.running()))
						transfer(root)
					end)()
				end)
				watch(p)
				transfer(p)
			end
			assert.equal(400, made)
			collect()
			assert.equal(0, count(weak))
		end)
		it('takes the last root and the last callers of ptransfer and resume', function()
			local weak = setmetatable({}, {__mode = 'k'})
			natively(function()
				local me = coro.running()
				weak[me] = true
				transfer(create(function() transfer(me) end))
			end)
			collect()
			assert.equal(0, count(weak))
			transfer(create(function()
				weak[coro.running()] = true
				ptransfer(create(function() transfer(root) end))
			end))
			collect()
			assert.equal(0, count(weak))
			transfer(create(function()
				weak[coro.running()] = true
				resume(create(yield))
				transfer(root)
			end))
			collect()
			assert.equal(0, count(weak))
		end)
		it('keeps resumers that only the resumed thread refers to', function()
			local weak = setmetatable({}, {__mode = 'k'})
			local waiting = {}
			for i = 1, 100 do
				local p = create(function()
					local outer = coro.wrap(function()
						local inner = coro.wrap(function()
							waiting[i] = coro.running()
							yield(transfer(root))
						end)
						yield(inner() + 1)
					end)
					transfer(root, outer() + 1)
				end)
				weak[p] = true
				transfer(p)
			end
			collect()
			assert.equal(100, count(weak))
			for i = 1, 100 do
				collect()
				assert.equal(i + 2, transfer(waiting[i], i))
				waiting[i] = nil
			end
			collect()
			assert.equal(0, count(weak))
		end)
		it('keeps the caller of a ptransfer', function()
			local waiting = {}
			for i = 1, 10 do
				transfer(create(function()
					local _, err = ptransfer(create(function()
						waiting[i] = coro.running()
						error(transfer(root), 0)
					end))
					transfer(root, err + 1)
				end))
			end
			collect()
			for i = 1, 10 do
				assert.equal(i + 1, transfer(waiting[i], i))
			end
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
end

describe('coro', function()
	suite(fresh)

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
	suite((fresh52))

	it('takes the main thread for what coroutine.running() returns', function()
		local coro, running = fresh52()
		assert.equal((running()), (coro.running()))
		assert.equal(select(2, running()), select(2, coro.running()))
	end)
end)
