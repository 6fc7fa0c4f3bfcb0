-- Symmetric coroutines and the collector.

local coros = require'coros'

local natively = coros.natively

local function collect()
	collectgarbage()
	collectgarbage()
end

coros.both(function(load)
	local coro, create, transfer, ptransfer, resume, yield, root

	before_each(function()
		coro = load()
		create, transfer, ptransfer = coro.create, coro.transfer, coro.ptransfer
		resume, yield = coro.resume, coro.yield
		root = coro.running()
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
end)
