-- What a second object of one descriptor can do was nowhere said.

local socket = require'socket2'
local spec = require'spec'

local fails = spec.fails

describe('a descriptor that is wrapped twice', function()
	-- Windows reports to all that wait.
	local it_where_one_waits = spec.with('a poller that knows a descriptor once', it, spec.windows)

	it_where_one_waits('works through both, and one at a time is told that it is ready', spec.threaded(function()
		local a, b = spec.pair()
		local fd = assert(assert(b):detach())
		local first, second = assert(socket.wrapfd(fd)), assert(socket.wrapfd(fd))
		local over = spec.go(first.wait, first, 'r')
		fails('busy', second:wait'r')
		assert.equal(2, second:send'ok')
		assert.equal('ok', spec.recv_all(a, 2))
		local read = spec.go(second.readline, second)
		assert(a:send'one\n')
		assert.equal('r', over())
		assert.equal('one', read())
		first:close()
		over = spec.go(second.wait, second, 'r')
		assert.is_false(over'done?')
		assert(a:send'two\n')
		assert.equal('r', over())
		assert.equal('two', second:readline())
		second:close()
		assert(socket.attach(fd, 'tcp')):close()
		a:close()
	end))

	it_where_one_waits('is not told of while a socket waits for it', spec.threaded(function()
		local a, b = spec.pair()
		local over = spec.go(b.readline, b)
		local wrapped = assert(socket.wrapfd(b:fd()))
		fails('busy', wrapped:wait'r')
		assert(a:send'line\n')
		assert.equal('line', over())
		wrapped:close()
		assert(a:send'more\n')
		assert.equal('more', b:readline())
		a:close()
		b:close()
	end))
end)
