-- The classic API blocks where it cannot wait: below a function of C that calls back. Inside a coroutine of
-- coro that failed, and left an operation behind; its event broke the loop.

local api = require'socket2'
local coro = require'coro'
local core = require'socket2.luasocket.udp'
local tcp = require'socket2.luasocket.tcp'.tcp
local object = require'socket2.luasocket.object'
local select_ready = require'socket2.luasocket.select'
local spec = require'spec'

local native = coroutine
local nobody_runs = false -- in a finalizer: a wait blocks all threads

-- kind -> function(f) -> result of f, which it calls from C
local below = {
	gsub = function(f)
		return (('x'):gsub('x', f))
	end,
	sort = function(f)
		local result
		table.sort({2, 1}, function(a, b)
			result = result or f()
			return a < b
		end)
		return result
	end,
	require = function(f)
		package.preload['blocks below require'] = f
		local result = require'blocks below require'
		package.loaded['blocks below require'] = nil
		return result
	end,
	load = function(f)
		local parts = 0
		return load(function()
			parts = parts + 1
			return parts == 1 and ('return %q'):format(f()) or nil
		end)()
	end,
	dofile = function(f)
		local path = os.tmpname()
		local file = io.open(path, 'w')
		file:write'return blocks_below_dofile()'
		file:close()
		rawset(_G, 'blocks_below_dofile', f)
		local result = dofile(path)
		rawset(_G, 'blocks_below_dofile', nil)
		os.remove(path)
		return result
	end,
	['an xpcall handler'] = function(f)
		return (select(2, xpcall(error, f)))
	end,
	['a finalizer'] = function(f)
		local result, err
		getmetatable(newproxy(true)).__gc = function()
			nobody_runs = true
			result, err = f()
			nobody_runs = false
		end
		collectgarbage()
		collectgarbage()
		return result, err
	end,
	__tostring = function(f)
		return tostring(setmetatable({}, {__tostring = f}))
	end,
}

local contexts = {
	['the main program'] = function(f)
		return f()
	end,
	['a coroutine'] = function(f)
		return coro.wrap(f)()
	end,
	['a coroutine in a coroutine'] = function(f)
		return coro.wrap(function()
			return coro.wrap(f)()
		end)()
	end,
	['a coroutine of Lua'] = function(f)
		return native.wrap(f)()
	end,
	['a thread'] = spec.run,
	['a coroutine in a thread'] = function(f)
		return spec.run(function()
			return coro.wrap(f)()
		end)
	end,
}

local a, b

local function later(f)
	if nobody_runs then
		return f()
	end
	api.newthread(function()
		api.sleep(0.001)
		f()
	end)
end

local function send(data)
	assert(b:sendto(data, a:getsockname()))
end

local calls = {
	receive = function()
		later(function()
			send'data'
		end)
		return a:receive()
	end,
	select = function()
		later(function()
			send'data'
		end)
		return select_ready({a}, nil, 10)[1] == a and a:receive() or nil
	end,
	sleep = function()
		object.sleep(0.002)
		return 'data'
	end,
	connect = function()
		local server = assert(tcp())
		assert(server:bind('127.0.0.1', 0))
		assert(server:listen())
		local c = assert(tcp())
		assert(c:connect('localhost', (select(2, server:getsockname()))))
		c:settimeout(10)
		local d = assert(server:accept())
		later(function()
			assert(d:send'data\n')
		end)
		local line = c:receive()
		c:close()
		d:close()
		server:close()
		return line
	end,
}

local function sorted_pairs(t)
	local names, i = {}, 0
	for name in pairs(t) do
		names[#names + 1] = name
	end
	table.sort(names)
	return function()
		i = i + 1
		return names[i], t[names[i]]
	end
end

describe('a blocking call', function()
	before_each(function()
		a, b = core.udp'inet', core.udp'inet'
		assert(a:setsockname('127.0.0.1', 0))
		a:settimeout(10)
	end)

	after_each(function()
		a:close()
		b:close()
		assert.is_true(api.start(10))
	end)

	for where, context in sorted_pairs(contexts) do
		for kind, call_below in sorted_pairs(below) do
			for name, call in sorted_pairs(calls) do
				it(('of %s below %s in %s blocks, and all works afterwards'):format(name, kind, where), function()
					assert.equal('data', context(function()
						return call_below(call)
					end))
					assert.equal('data', call())
					assert.equal('data', coro.wrap(call)())
					assert.equal('data', spec.run(call))
				end)
			end
		end
	end

	it('times out below a C function', function()
		a:settimeout(0.001)
		local err
		coro.wrap(function()
			string.gsub('x', 'x', function()
				err = select(2, a:receive())
			end)
		end)()
		assert.equal('timeout', err)
	end)

	it('is told of the error of a thread below a C function, too', function()
		later(function()
			error'oops'
		end)
		local ok, err = coro.resume(coro.create(function()
			return (string.gsub('x', 'x', function()
				return a:receive()
			end))
		end))
		assert.is_false(ok)
		assert.matches('oops', err, 1, true)
		api.poll(0) -- ends the operation
		assert.equal('data', calls.receive())
	end)
end)

describe('a thread', function()
	it('starts below a C function inside a coroutine and inside a thread', function()
		for _, context in ipairs{contexts['a coroutine'], contexts['a thread']} do
			local steps = {}
			context(function()
				string.gsub('x', 'x', function()
					api.newthread(function()
						steps[1] = 'started'
						api.sleep(0.001)
						steps[2] = 'went on'
					end)
				end)
			end)
			assert.equal('started', steps[1])
			assert.is_true(api.start(10))
			assert.same({'started', 'went on'}, steps)
		end
	end)

	it('may wait below a C function while others do', function()
		local order = {}
		spec.run(function()
			local over = {}
			for i = 1, 3 do
				over[i] = spec.go(function()
					string.gsub('x', 'x', function()
						object.sleep(0.002 * i)
						order[#order + 1] = i
					end)
				end)
			end
			for i = 1, 3 do
				over[i]()
			end
		end)
		table.sort(order)
		assert.same({1, 2, 3}, order)
	end)
end)
