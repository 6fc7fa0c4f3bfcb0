-- ltn12 beside the original: the results, and which functions are called with what.

local coro = require'coro'
local both, _, ours = require'both''ltn12'
local new_random = require'random'

describe('ltn12', function()
	if not both then
		pending'lua-socket is not installed'
		return
	end

	local random

	before_each(function()
		random = new_random(12)
	end)

	-- A function that gives the scripted results one by one, then `rest`, and notes its arguments in the log.
	local function scripted(log, name, script, rest)
		local i = 0
		return function(...)
			local call = {name, select('#', ...), ...}
			log[#log + 1] = call
			assert(#log < 200, 'too many calls')
			i = i + 1
			local results = script[i] or rest or {}
			if results.raise then
				error(results.raise, 0)
			end
			return unpack(results, 1, results.n or table.maxn(results))
		end
	end

	-- What f gives and what it raises, with the log.
	local function logged(log, f, ...)
		local t = {n = select('#', ...), ...}
		local results = {pcall(f, unpack(t, 1, t.n))}
		if not results[1] then
			results[2] = results[2]:gsub('^.-:%d+: ', '')
		end
		log[#log + 1] = {'results', table.maxn(results), unpack(results, 2, table.maxn(results))}
		if not results[1] then
			error(results[2], 0)
		end
	end

	local CHUNKS = {'', '', 'a', 'bb', false}
	local function random_script(n, failing)
		local script = {}
		for i = 1, n do
			local chunk = CHUNKS[random(#CHUNKS)]
			script[i] = chunk and {chunk} or {nil, n = 1}
			if failing and random(6) == 1 then
				script[i] = {nil, 'failed', n = 2}
			end
		end
		return script
	end

	it('has the same fields', function()
		both(function(m) return m end)
		both(function() return rawget(_G, 'ltn12') ~= nil end)
	end)

	it('cycles through low-level filters the same', function()
		both(function(m)
			local log = {}
			local filter = m.filter.cycle(scripted(log, 'low', {{'a', 1}, {'b', nil, 5}, {nil, 'x'}}), 'ctx', 'extra')
			return log, filter'1', filter'2', filter(nil), filter(), select('#', filter(1, 2, 3))
		end)
		both(function(m) return m.filter.cycle() end)
		both(function(m) return m.filter.cycle(false) end)
		both(function(m) return m.filter.cycle(5)'x' end)
	end)

	it('chains random filters the same', function()
		for _ = 1, 4000 do
			local n, calls = random(4), random(6)
			local scripts = {}
			for i = 1, n do
				scripts[i] = random_script(random(8))
			end
			local inputs = random_script(calls)
			both(function(m)
				local log, filters = {}, {}
				for i = 1, n do
					filters[i] = scripted(log, i, scripts[i], {nil, n = 1})
				end
				local chain = m.filter.chain(unpack(filters))
				for i = 1, calls do
					logged(log, chain, inputs[i][1])
				end
				return log
			end)
		end
		both(function(m) return m.filter.chain() end)
		both(function(m) return m.filter.chain()'x' end)
		both(function(m) return m.filter.chain(5)'x' end)
	end)

	it('chains proper filters the same', function()
		-- Gives its input in pieces of n bytes, doubled at the end.
		local function pieces(n, log)
			local held = ''
			return function(chunk)
				log[#log + 1] = {n, chunk or 'nil'}
				held = held .. (chunk or '')
				if #held >= n or chunk == nil and held ~= '' then
					local piece = held:sub(1, n)
					held = held:sub(n + 1)
					return piece
				end
				return chunk and '' or nil
			end
		end
		for n = 1, 4 do
			for a = 1, 5 do
				for b = 1, 5 do
					both(function(m)
						local log, out = {}, {}
						local filter = m.filter.chain(pieces(a, log), pieces(b, log), pieces(3, log))
						local src = m.source.chain(m.source.string(('abcdefg'):rep(n)), filter)
						local result, err = m.pump.all(src, m.sink.chain(pieces(b, log), pieces(a, log), m.sink.table(out)))
						return log, out, result, err
					end)
				end
			end
		end
	end)

	it('chains sources and sinks the same', function()
		for _ = 1, 3000 do
			local script, filtering, sinking = random_script(6, true), random_script(random(12)), {}
			local second = random_script(random(8))
			for i = 1, random(8) do
				sinking[i] = random(8) == 1 and {nil, 'sink failed'} or {1}
			end
			local count = random(2)
			both(function(m)
				local log = {}
				local src = scripted(log, 'source', script, {nil, n = 1})
				local f = scripted(log, 'f', filtering, {nil, n = 1})
				local g = scripted(log, 'g', second, {nil, n = 1})
				local chain = count == 1 and m.source.chain(src, f) or m.source.chain(src, f, g)
				for _ = 1, 5 do
					local ok = pcall(logged, log, chain)
					if not ok then
						break
					end
				end
				return log
			end)
			both(function(m)
				local log = {}
				local f = scripted(log, 'f', filtering, {nil, n = 1})
				local g = scripted(log, 'g', second, {nil, n = 1})
				local snk = scripted(log, 'sink', sinking, {1})
				local chain = count == 1 and m.sink.chain(f, snk) or m.sink.chain(f, g, snk)
				for i = 1, 5 do
					local ok = pcall(logged, log, chain, script[i][1], script[i][2])
					if not ok then
						break
					end
				end
				return log
			end)
			both(function(m)
				local log = {}
				local src, snk = scripted(log, 'source', script, {nil, n = 1}), scripted(log, 'sink', sinking, {1})
				logged(log, m.pump.step, src, snk)
				logged(log, m.pump.all, src, snk)
				return log
			end)
		end
	end)

	it('has the same simple sources', function()
		local function drain(src, n)
			local t = {}
			for i = 1, n do
				t[i] = {select('#', src()), src()}
			end
			return t
		end
		both(function(m) return drain(m.source.empty(), 2), m.source.empty() == m.source.empty() end)
		both(function(m) return drain(m.source.error'e', 2), drain(m.source.error(), 2) end)
		for _, value in ipairs{'', 'abc', ('x'):rep(2048), ('x'):rep(5000), 5, 12345, true, {}} do
			both(function(m) return drain(m.source.string(value), 3) end)
			both(function(m)
				m.BLOCKSIZE = 2
				local t = drain(m.source.string(value), 3)
				m.BLOCKSIZE = 2048
				return t
			end)
		end
		both(function(m) return drain(m.source.string(), 1), drain(m.source.string(false), 1) end)
		both(function(m) return drain(m.source.table{'a', '', 'b', false, 'c'}, 4) end)
		both(function(m) return m.source.table() end)
		both(function(m) return m.source.table'x' end)
		both(function(m) return drain(m.source.cat(), 1) end)
		both(function(m)
			return drain(m.source.cat(m.source.string'a', m.source.empty(), m.source.string'b'), 3)
		end)
		both(function(m)
			return drain(m.source.cat(m.source.string'a', m.source.error'e', m.source.string'b'), 3)
		end)
		both(function(m)
			local src = m.source.rewind(m.source.table{'a', 'b', 'c'})
			local log = {src(), src'x', select('#', src'y'), src(), src(), src(), src'', src(), src(), src()}
			log.failing = drain(m.source.rewind(m.source.error'e'), 2)
			return log
		end)
		both(function(m) return m.source.rewind() end)
		both(function(m) return m.source.simplify() end)
		both(function(m)
			local function third() return nil end
			local function second() return 'b', third end
			return drain(m.source.simplify(function() return 'a', second end), 3)
		end)
		both(function(m) return drain(m.source.simplify(function() return nil, 'e' end), 1) end)
		both(function(m)
			local src = m.source.simplify(function() return nil, 'e' end)
			return src(), (pcall(src))
		end)
		for _, f in ipairs{'chain', 'error', 'cat', 'file'} do
			both(function(m) return m.source[f]() end)
			both(function(m) return m.source[f](print) end)
			both(function(m) return m.source[f](nil, print) end)
		end
		both(function(m)
			local src = m.source.chain(m.source.empty(), function(chunk) return chunk end)
			return src(), (pcall(src))
		end)
	end)

	it('has the same simple sinks', function()
		both(function(m)
			local snk, t = m.sink.table()
			return snk('a', 'e'), snk(), snk'', snk(nil, 'e'), t, select('#', m.sink.table(t)), select('#', snk'x')
		end)
		both(function(m)
			local t = {'x'}
			local snk, u = m.sink.table(t)
			snk'y'
			return t, t == u
		end)
		both(function(m) return m.sink.null()('a'), m.sink.null()(), m.sink.null() == m.sink.null() end)
		both(function(m) return m.sink.error'e'('a') end)
		both(function(m) return m.sink.error()() end)
		both(function(m) return m.sink.simplify() end)
		both(function(m)
			local log = {}
			local second = scripted(log, 'second', {{1}, {nil, 'e'}, {}}, {1})
			local snk = m.sink.simplify(scripted(log, 'first', {{1}, {true, second}}))
			for i = 1, 6 do
				logged(log, snk, i, 'err')
			end
			return log
		end)
		for _, f in ipairs{'chain', 'file'} do
			both(function(m) return m.sink[f]() end)
			both(function(m) return m.sink[f](print) end)
			both(function(m) return m.sink[f](nil, print) end)
		end
		local function none() return nil end
		local values = {'missing', false, none}
		local function call(f, a, b, c, d)
			local t = {a, b, c, d}
			for i = 4, 1, -1 do
				t[i] = t[i] ~= 'missing' and t[i] or nil
			end
			local chain = f(t[1], t[2], t[3], t[4])
			return chain, pcall(chain, '')
		end
		for _, a in ipairs(values) do
			for _, b in ipairs(values) do
				for _, c in ipairs(values) do
					for _, d in ipairs(values) do
						-- The original takes the length of a list of these, which one with holes does not have.
						if d ~= none or a == none and b == none and c == none then
							both(function(m) return (pcall(call, m.sink.chain, a, b, c, d)) end)
							both(function(m) return (pcall(call, m.source.chain, a, b, c, d)) end)
						end
					end
				end
			end
		end
	end)

	it('reads and writes files the same', function()
		-- A handle that notes what is done to it.
		local function handle(log, chunks)
			return {
				read = scripted(log, 'read', chunks or {}),
				write = scripted(log, 'write', {{true}, {nil, 'full', 28}}),
				close = scripted(log, 'close', {{true}}),
			}
		end
		both(function(m)
			local log = {}
			local src = m.source.file(handle(log, {{'a'}, {''}, {nil, 'broken'}}))
			for _ = 1, 4 do
				logged(log, src)
			end
			for _, call in ipairs(log) do
				call[3] = call[1] == 'results' and call[3] or nil -- the handle, which is each one's own
			end
			return log
		end)
		both(function(m)
			local log = {}
			local snk = m.sink.file(handle(log))
			logged(log, snk, 'a')
			logged(log, snk, 'b', 'e')
			logged(log, snk, nil, 'e')
			for _, call in ipairs(log) do
				call[3] = call[1] == 'results' and call[3] or call[4]
			end
			return log
		end)
		both(function(m) return m.source.file(nil, 'e')() end)
		both(function(m) return m.source.file(nil)() end)
		both(function(m) return m.sink.file(nil, 'e')() end)
		both(function(m) return m.sink.file(nil)() end)
		local name = os.tmpname()
		both(function(m)
			local a = m.pump.all(m.source.string(('abc'):rep(3000)), m.sink.file(io.open(name, 'w')))
			local snk, t = m.sink.table()
			return a, m.pump.all(m.source.file(io.open(name)), snk), t
		end)
		os.remove(name)
	end)

	it('pumps the same', function()
		both(function(m) return m.pump.all() end)
		both(function(m) return m.pump.all(print) end)
		both(function(m) return m.pump.all(nil, print) end)
		both(function(m) return m.pump.step() end)
		both(function(m)
			local log = {}
			return m.pump.all('source', 'sink', scripted(log, 'step', {{1}, {true}, {nil, 'e'}})), log
		end)
		both(function(m)
			local log = {}
			return m.pump.all('source', 'sink', scripted(log, 'step', {{1}, {nil}})), log
		end)
	end)

	it('may be switched away from in each of its functions', function()
		local function pass(chunk)
			coro.yield'waiting'
			return chunk
		end
		local out = {}
		local main = coro.wrap(function()
			local src = ours.source.chain(ours.source.cat(ours.source.rewind(ours.source.simplify(function()
				return pass(table.remove(out.input, 1))
			end))), pass, ours.filter.cycle(function(ctx, chunk) return pass(chunk), ctx end))
			local snk = ours.sink.chain(pass, pass, ours.sink.simplify(function(chunk)
				out[#out + 1] = pass(chunk)
				return 1
			end))
			return ours.pump.all(src, snk)
		end)
		out.input = {'a', 'b'}
		local waits, result = 0
		repeat
			result = main()
			waits = waits + 1
		until result ~= 'waiting'
		assert.equal(1, result)
		assert.same({'a', '', 'b', '', input = {}}, out) -- the filters pass on what they are asked with
		assert.is_true(waits > 10)
	end)
end)
