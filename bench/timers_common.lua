-- What the programs of bench/timers share: dofile(path)(n) returns when n timers fire, as fractions of the
-- window, and the functions below.

local ffi = require'ffi'
local table_new = require'table.new'

return function(n)
	local it = {timers = table_new(n, 0), parts = ffi.new('double[?]', n)}
	math.randomseed(1)
	for i = 0, n - 1 do
		it.parts[i] = math.random()
	end

	-- The order in which they are canceled.
	function it.shuffle()
		local timers = it.timers
		for i = n, 2, -1 do
			local j = math.random(i)
			timers[i], timers[j] = timers[j], timers[i]
		end
	end

	-- Prints the CPU time per timer of f(...).
	local function measure(f, ...)
		local start = os.clock()
		f(...)
		print('time', (os.clock() - start) / n * 1e9)
	end
	it.measure = measure

	local function pss()
		collectgarbage()
		collectgarbage()
		for line in io.lines'/proc/self/smaps_rollup' do
			local kb = line:match'^Pss:%s*(%d+)'
			if kb then
				return kb * 1024
			end
		end
	end

	-- Prints the CPU time of f(...), and the memory per timer that f left in use.
	function it.measure_memory(f, ...)
		local memory, heap = pss(), collectgarbage'count'
		measure(f, ...)
		print('memory', (pss() - memory) / n)
		print('heap', (collectgarbage'count' - heap) * 1024 / n)
	end

	return it
end
