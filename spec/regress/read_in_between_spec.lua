-- A finalizer or a hook can come between a buffered read that was over at once and its string. When it read
-- from another stream, the string had bytes of that one; when it closed the stream, bytes of freed memory.

local spec = require'spec'

local SCRIPT = [[
jit.off()
local socket = require'socket2'
local spec = require'spec'

-- between(n, action, f): calls f() with action() after n of its instructions -> was it called, result of f
local function between(n, action, f)
	local reached = false
	debug.sethook(function()
		debug.sethook()
		reached = true
		action()
	end, '', n)
	local result = f()
	debug.sethook()
	return reached, result
end

-- check(action, or_nil): calls action(other stream, the stream) at every point of a read
local function check(action, or_nil)
	local n, reached, line = 0, true, nil
	while reached do
		n = n + 1
		local a, b = spec.pair()
		local c, d = spec.pair()
		assert(a:send'other 1\nother 2\nother 3\n')
		assert(c:send'line 1\nline 2\n')
		assert(b:readline() == 'other 1' and d:peek(14))
		reached, line = between(n, function() action(b, d) end, function()
			return (d:readline())
		end)
		assert(line == 'line 1' or or_nil and line == nil, line)
		for _, s in ipairs{a, b, c, d} do s:close() end
	end
	assert(n > 20)
end

spec.run(function()
	check(function(other) assert(other:readline()) end)
	check(function(other) assert(not other:readline(3)) end)
	check(function(_, s)
		s:close()
		local memory = {}
		for i = 1, 20 do memory[i] = ('x'):rep(1000) .. i end
	end, true)
end)
io.write'well']]

describe('what comes between a buffered read and its string', function()
	it('does not change the string', function()
		assert.equal('well', (spec.luajit(SCRIPT)))
	end)
end)
