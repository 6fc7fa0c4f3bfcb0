-- socket: timeouts of tcp objects, and threads that go on meanwhile.

local api = require'socket2'
local oracle = require'oracle'
local spec = require'spec'

local ours, case, HOST, listener, pair = oracle.ours, oracle.case, oracle.HOST, oracle.listener, oracle.pair

describe('tcp objects', function()
	case('two timeouts', function(m, log)
		local c, a = pair(m)
		log(c:settimeout(5, 'b'), c:settimeout(0.01, 't'))
		log(c:receive())
		log(c:settimeout(0.01, 'b'), c:settimeout(5, 't'))
		log(c:receive())
		log(c:gettimeout())
		log(c:settimeout(0, 'b'), c:receive())
		log(c:settimeout(5, 'b'))
		a:send'line\n'
		log(c:receive())
		log(c:send(('x'):rep(20000)))
	end)

	case('timeouts', function(m, log)
		local c = pair(m)
		local s = listener(m)
		local function timed(seconds, f, ...)
			local began = m.gettime()
			log(f(...))
			local took = m.gettime() - began
			log(took >= seconds * 0.9 and took < seconds + 0.4)
		end
		for _, t in ipairs{{0}, {0.05}, {0.05, 'b'}, {0.05, 't'}, {0, 'b'}, {0, 't'}, {0.05, 'total'}} do
			local o = pair(m)
			log(o:settimeout(t[1], t[2]))
			log(o:gettimeout())
			timed(t[1], o.receive, o)
			timed(t[1], o.receive, o, 3)
			s:settimeout(t[1], t[2])
			timed(t[1], s.accept, s)
		end
		log(c:settimeout(0.2))
		log(c:settimeout(0.05, 't'))
		timed(0.05, c.receive, c)
		log(c:settimeout())
		log(c:gettimeout())
		log(c:settimeout(-5, 'r'))
		log(c:gettimeout())
		log(c:settimeout('0.5'))
		log(c:gettimeout())
		log(pcall(c.settimeout, c, 1, 'x'))
		log(pcall(c.settimeout, c, 1, ''))
		log(pcall(c.settimeout, c, {}))
		log(pcall(c.settimeout, c, 'x'))
		log(pcall(c.settimeout, c, 1, {}))
		log(pcall(c.settimeout, c, true))
		log(pcall(c.settimeout, c, false))
		log(c:gettimeout())
	end)

	it('lets other threads go on while it waits', function()
		local c, peer = pair(ours)
		local a, reader = pair(ours)
		local s, u, t = listener(ours), ours.udp4(), ours.tcp4()
		assert(u:setsockname(HOST, 0))
		for _, o in ipairs{c, a, s, u, t} do
			o:settimeout(0.05)
		end
		local hole, free
		spec.run(function() hole, free = spec.hole() end)
		local waits = {
			receive = function() return c:receive() end,
			accept = function() return s:accept() end,
			['receive of datagrams'] = function() return u:receive() end,
			send = function() return a:send(('x'):rep(2e7)) end,
			connect = function() return t:connect(HOST, hole:port()) end,
			select = function() return nil, select(3, ours.select({c}, nil, 0.05)) end,
		}
		local ok, message
		local ticks = 0
		api.newthread(function()
			while ok == nil do
				ticks = ticks + 1
				api.sleep(0.002)
			end
		end)
		api.newthread(function()
			ok, message = pcall(function()
				for name, f in pairs(waits) do
					local before = ticks
					local _, err = f()
					assert.equal('timeout', err, name)
					assert.is_true(ticks > before, name)
				end
			end)
		end)
		api.start()
		free()
		assert(ok, message)
		peer:close()
		reader:close()
	end)
end)
