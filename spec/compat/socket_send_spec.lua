-- socket: what tcp objects send.

local oracle = require'oracle'

local ours, case, pair, gone = oracle.ours, oracle.case, oracle.pair, oracle.gone

describe('tcp objects', function()
	case('send ranges', function(m, log)
		local c, a = pair(m)
		for _, r in ipairs{{}, {2}, {2, 3}, {-2}, {-3, -2}, {3, 2}, {0, 2}, {10}, {2, 100}, {-100}, {5, 0},
				{1, -100}, {7, 3}, {1.7, 2.9}, {'2', '3'}} do
			log(c:send('hello', r[1], r[2]))
		end
		log(c:send(''))
		log(c:send(12))
		log(pcall(c.send, c))
		log(pcall(c.send, c, {}))
		log(pcall(c.send, c, 'x', 'y'))
		log(pcall(c.send, c, true))
		c:close()
		log(a:receive'*a')
	end)

	case('send that fills the peer', function(m, log)
		local c, a = pair(m)
		c:settimeout(0)
		local data = ('x'):rep(20000000)
		local n, err, last = c:send(data)
		log(n, err, last > 0 and last < #data)
		local before = last
		c:settimeout(0.05)
		n, err, last = c:send(data, before + 1)
		log(n, err, last >= before)
		n, err, last = c:send(data, 100, 10000000)
		log(n, err, last >= 99)
		a:close()
		gone(m, c)
		n, err, last = c:send(data, 100, 200)
		log(n, err, last)
		n, err, last = c:send(data, 100, 200)
		log(n, err, last)
	end)

	it('counts what went out of a send that timed out', function()
		local c, a = pair(ours)
		c:settimeout(0.02)
		local sent, err, part = c:send(('x'):rep(2e7))
		assert.same({nil, 'timeout'}, {sent, err})
		assert.is_true(part > 0)
		assert.equal(part, (select(2, c:getstats())))
		c:close()
		a:close()
	end)
end)
