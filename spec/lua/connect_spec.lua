-- Connecting to hosts with several addresses: Happy Eyeballs, RFC 8305.
-- Runs alone: it measures time.

local socket = require'socket2'
local coro = require'coro'
local spec = require'spec'
local namespace = require'namespace'

local fails, go, turn = spec.fails, spec.go, spec.turn

local PORT = 7777       -- nobody else is in the namespace
local HEAD_START = 0.25 -- seconds that each address has before the next is tried, too
local LONG = 5          -- seconds; nothing in here takes that

local hosts = {
	'::1 both.test', '127.0.0.1 both.test',
	'fd00::1 four.test', 'fd00::2 four.test', '127.0.0.1 four.test', '127.0.0.2 four.test',
	'127.0.0.2 three.test', '127.0.0.3 three.test', '127.0.0.4 three.test',
	'127.0.0.2 half.test', '10.1.1.1 half.test', -- to which there is no route
	'fd00::1 six.test',
	'127.0.0.9 one.test',
}
local MANY = 12 -- addresses
for i = 1, MANY do
	hosts[#hosts + 1] = ('127.0.1.%d many.test'):format(i)
end
local FILES = {
	['/etc/hosts'] = table.concat(hosts, '\n') .. '\n',
	['/etc/nsswitch.conf'] = 'hosts: files\n',
}

-- An it() that runs its function in a socket thread of a process that has these hosts.
local function alone(what, f, needs)
	local it = needs and spec.with(needs, it) or it
	it(what, function()
		local ok, reason = namespace.run(FILES, function() spec.run(f, 30) end)
		if not ok then pending(reason) end
	end)
end

local function ips(ai)
	local list = {}
	for a in ai:addrs() do list[#list + 1] = a:ip() end
	return list
end

-- The addresses of a name, in the order that the system's resolver gives.
local function addresses(name)
	return ips(assert(socket.addr(name, PORT, 'tcp', 'unspec')))
end

local function family_of(ip)
	return ip:find':' and 'inet6' or 'inet'
end

local function listen(ip)
	local s = assert(socket.tcp(family_of(ip)))
	assert(s:listen(ip, PORT))
	return s
end

local function black_hole(ip)
	return namespace.black_hole(ip, PORT, family_of(ip))
end

-- The peer that the socket is connected to, after a byte went each way.
local function peer(s, listener)
	local d = assert(listener:accept(socket.clock() + LONG))
	assert(s:send'a')
	assert.equal('a', spec.recv_all(d, 1))
	assert(d:send'b')
	assert.equal('b', spec.recv_all(s, 1))
	d:close()
	return s:remoteaddr():ip()
end

-- How many attempts are under way, says the system.
local function attempts()
	local SYN_SENT, n = '02', 0
	for _, name in ipairs{'tcp', 'tcp6'} do
		for line in io.lines('/proc/self/net/' .. name) do
			if line:match'^%s*%d+: %x+:%x+ %x+:%x+ (%x+)' == SYN_SENT then n = n + 1 end
		end
	end
	return n
end

local function wait_for_attempts(n)
	spec.wait_until(function() return attempts() == n end)
end

-- Whether a connect after one that was called off came to a connection, which not all systems grant.
local function takes_another(connected, err)
	if spec.windows and err == 'not_supported' then return false end
	assert.is_true(connected)
	return true
end

-- Nothing is left of the attempts: descriptors beyond the `before`, connections, threads.
local function nothing_left(before)
	turn()
	turn()
	assert.equal(0, attempts())
	assert.equal(before, spec.fds())
	assert.equal('', tostring(socket.threads()))
end

-- race(f, ...) -> thread, over: f(...), which connects, in a thread of its own; it is at it.
local function race(f, ...)
	local thread
	local over = go(function(...)
		thread = socket.currentthread()
		return f(...)
	end, ...)
	assert.is_false(over'done?')
	return thread, over
end

describe('tcp:connect to a host of both families', function()

	alone('takes IPv4 soon when IPv6 does not answer', function()
		assert.same({'::1', '127.0.0.1'}, addresses'both.test')
		local hole, listener = black_hole'::1', listen'127.0.0.1'
		local s = assert(socket.tcp())
		local fds, start = spec.fds(), socket.clock()
		assert.is_true(s:connect('both.test', PORT))
		local time = socket.clock() - start
		assert.is_true(time >= HEAD_START and time < 2, ('it took %.3f s'):format(time))
		assert.equal('inet', s:family())
		nothing_left(fds)
		assert.equal('127.0.0.1', peer(s, listener))
		hole.close()
	end)

	alone('takes the first when both answer, and bothers nobody else', function()
		local first, second = listen'::1', listen'127.0.0.1'
		local s = assert(socket.tcp())
		local fds = spec.fds()
		assert.is_true(s:connect('both.test', PORT))
		assert.equal('inet6', s:family())
		nothing_left(fds)
		assert.equal('::1', peer(s, first))
		assert.equal('::1', s:localaddr():ip())
		fails('timeout', first:accept(0))
		fails('timeout', second:accept(0))
	end)

	alone('tries the families in turn', function()
		local list = addresses'four.test'
		local first, second, other = list[1], list[2], list[3]
		assert.equal(family_of(first), family_of(second))
		assert.not_equal(family_of(first), family_of(other))
		local hole, late, listener = black_hole(first), listen(second), listen(other)
		local s = assert(socket.tcp())
		local fds = spec.fds()
		assert.is_true(s:connect('four.test', PORT))
		nothing_left(fds)
		assert.equal(other, peer(s, listener))
		fails('timeout', late:accept(0))
		hole.close()
	end)

	alone('goes on at once after a refusal', function()
		local listener = listen'127.0.0.1'
		local s = assert(socket.tcp())
		assert.is_true(s:connect('both.test', PORT))
		assert.equal('127.0.0.1', peer(s, listener))
	end)

	alone('uses no other family than the one that the socket was made with', function()
		local six, unique = listen'::1', listen'fd00::1'
		local s = assert(socket.tcp'inet')
		fails('connection_refused', s:connect('both.test', PORT))
		fails('unknown_host', s:connect('six.test', PORT))
		fails('address_family_not_supported', s:connect('::1', PORT))
		fails('connection_refused', s:connect(socket.addr('both.test', PORT, 'tcp', 'unspec')))
		fails('address_family_not_supported', s:connect(socket.addr('six.test', PORT, 'tcp', 'inet6')))
		assert.equal('inet', s:family())
		for _, listener in ipairs{six, unique} do
			fails('timeout', listener:accept(0))
			listener:close()
		end
		local four = listen'127.0.0.1'
		local t = assert(socket.tcp'inet6')
		fails('connection_refused', t:connect('both.test', PORT))
		fails('unknown_host', t:connect('one.test', PORT))
		fails('timeout', four:accept(0))
		assert.is_true(s:connect('both.test', PORT))
		assert.equal('127.0.0.1', peer(s, four))
	end)

	alone('becomes an inet6 socket where there is nothing else', function()
		local listener = listen'fd00::1'
		for _, host in ipairs{'six.test', 'fd00::1'} do
			local s = assert(socket.tcp())
			local fds = spec.fds()
			assert.equal('inet', s:family())
			assert.is_true(s:connect(host, PORT))
			assert.equal('inet6', s:family())
			nothing_left(fds)
			assert.equal('fd00::1', peer(s, listener))
			s:close()
			assert.equal('tcp closed', tostring(s))
		end
	end)

end)

describe('tcp:connect to a host with several addresses', function()

	alone('goes on at once after each refusal, though another is under way', function()
		local list = addresses'many.test'
		assert.equal(MANY, #list)
		local hole, listener = black_hole(list[1]), listen(list[MANY])
		local s = assert(socket.tcp())
		local fds, start = spec.fds(), socket.clock()
		assert.is_true(s:connect('many.test', PORT))
		local time = socket.clock() - start
		assert.is_true(time < (MANY - 1) * HEAD_START / 2, ('it took %.3f s'):format(time))
		nothing_left(fds)
		assert.equal(list[MANY], peer(s, listener))
		hole.close()
	end)

	alone('gives each a head start, and the first the chance to answer late', function()
		local list = addresses'three.test'
		local holes, listener = {black_hole(list[1]), black_hole(list[2])}, listen(list[3])
		local s = assert(socket.tcp())
		local fds, start = spec.fds(), socket.clock()
		assert.is_true(s:connect('three.test', PORT))
		local time = socket.clock() - start
		assert.is_true(time >= 2 * HEAD_START and time < LONG, ('it took %.3f s'):format(time))
		nothing_left(fds)
		assert.equal(list[3], peer(s, listener))
		for _, hole in ipairs(holes) do hole.close() end
		listener:close()
		-- all attempts stay under way: the system tries the first again, after a second
		s = assert(socket.tcp())
		local first = black_hole(list[1])
		holes = {black_hole(list[2]), black_hole(list[3])}
		local _, over = race(s.connect, s, 'three.test', PORT)
		wait_for_attempts(3)
		local s1 = first[1]
		local filler = assert(s1:accept())
		assert.is_true(over())
		assert.equal(list[1], s:remoteaddr():ip())
		filler:close()
		for _, hole in ipairs(holes) do hole.close() end
	end)

	alone('fails as the most telling did, and can be tried again', function()
		local list = addresses'half.test'
		assert.same({'127.0.0.2', '10.1.1.1'}, list)
		local s = assert(socket.tcp())
		local fds = spec.fds()
		fails('connection_refused', s:connect('half.test', PORT))
		fails('connection_refused', s:connect('three.test', PORT))
		fails('connection_refused', s:connect('four.test', PORT))
		nothing_left(fds)
		local listener = listen(list[1])
		assert.is_true(s:connect('half.test', PORT))
		assert.equal(list[1], peer(s, listener))
	end)

	alone('ends when its time is over, and can be tried again', function()
		local ways = {
			function(s) return s:connect('three.test', PORT, socket.clock() + 0.35) end,
			function(s)
				assert(s:settimeout(nil, 0.1))
				return s:connect('three.test', PORT)
			end,
			function(s) return socket.deadline(socket.clock() + 0.1, s.connect, s, 'three.test', PORT) end,
			function(s) return s:connect('three.test', PORT, socket.clock() - 1) end,
			function(s) return s:connect('three.test', PORT, 0) end,
		}
		local holes = {}
		for i, ip in ipairs(addresses'three.test') do holes[i] = black_hole(ip) end
		local listener, one = listen'127.0.0.9', assert(socket.addr('127.0.0.9', PORT)) -- needs no lookup
		for _, way in ipairs(ways) do
			local s = assert(socket.tcp())
			local fds, start = spec.fds(), socket.clock()
			fails('timeout', way(s))
			assert.is_true(socket.clock() - start < LONG)
			assert.equal(fds, spec.fds())
			if takes_another(s:connect(one, socket.clock() + LONG)) then
				nothing_left(fds)
				assert.equal('127.0.0.9', peer(s, listener))
			end
			s:close()
		end
		for _, hole in ipairs(holes) do hole.close() end
	end)

	alone('ends with all its attempts by cancel(), and can be tried again', function()
		local holes = {}
		for i, ip in ipairs(addresses'three.test') do holes[i] = black_hole(ip) end
		local listener, one = listen'127.0.0.9', assert(socket.addr('127.0.0.9', PORT)) -- needs no lookup
		for n = 1, 3 do
			local s = assert(socket.tcp())
			local fds = spec.fds()
			local thread, over = race(function()
				fails('canceled', s:connect('three.test', PORT))
				return s:connect(one)
			end)
			wait_for_attempts(n)
			local list = socket.threads()
			assert.equal(1, #list)
			assert.same({'connect', thread, s}, {list[1].what, list[1].thread, list[1].socket})
			assert.is_true(socket.cancel(thread))
			if takes_another(over()) then
				nothing_left(fds)
				assert.equal('127.0.0.9', peer(s, listener))
			end
			s:close()
		end
		for _, hole in ipairs(holes) do hole.close() end
	end)

	alone('ends with all its attempts by close()', function()
		-- the second is with a socket of its own; so is the first of both.test, and the second is not
		for _, case in ipairs{{'three.test', 1}, {'three.test', 2}, {'both.test', 1}, {'both.test', 2}} do
			local name, n = unpack(case)
			local holes, others = {}, {}
			for i, ip in ipairs(addresses(name)) do
				if i <= n then holes[i] = black_hole(ip) else others[#others + 1] = listen(ip) end
			end
			local s = assert(socket.tcp())
			local fds = spec.fds()
			local _, over = race(s.connect, s, name, PORT)
			wait_for_attempts(n)
			s:close()
			fails('closed', over())
			assert.equal('tcp closed', tostring(s))
			nothing_left(fds - 1)
			for _, hole in ipairs(holes) do hole.close() end
			for _, listener in ipairs(others) do
				fails('timeout', listener:accept(0))
				listener:close()
			end
		end
	end)

	alone('keeps a second one away', function()
		local list = addresses'three.test'
		local hole, listener = black_hole(list[1]), listen(list[2])
		local s = assert(socket.tcp())
		local _, over = race(s.connect, s, 'three.test', PORT)
		for n = 0, 1 do -- it looks the name up, then connects
			wait_for_attempts(n)
			fails('busy', s:connect('three.test', PORT))
			fails('busy', s:connect(list[2], PORT))
		end
		assert.is_true(over())
		assert.equal(list[2], peer(s, listener))
		hole.close()
	end)

	alone('hands the options on to whichever socket wins', function()
		local list = addresses'four.test'
		for i = 1, 4 do
			local holes = {}
			local listener = listen(list[i])
			for _, ip in ipairs(list) do
				if ip ~= list[i] and i == 3 then holes[#holes + 1] = black_hole(ip) end
			end
			local s, plain = assert(socket.tcp()), assert(socket.tcp())
			local options = {tcp_nodelay = false, keepalive = true, rcvbuf = 20000, linger = 3}
			options.tcp_keepidle = not spec.windows and 77 or nil -- which Wine lacks
			local expected = {}
			for name, value in pairs(options) do
				assert.is_true(s:setopt(name, value))
				expected[name] = s:getopt(name)
				assert.not_equal(plain:getopt(name), expected[name])
			end
			assert.is_true(s:connect('four.test', PORT))
			local actual = {}
			for name in pairs(options) do actual[name] = s:getopt(name) end
			assert.same(expected, actual)
			assert.equal(list[i], peer(s, listener))
			listener:close()
			for _, hole in ipairs(holes) do hole.close() end
		end
	end)

	alone('keeps the local address of a bound socket', function()
		local list = addresses'three.test'
		for n = 1, 2 do -- the first answers; refuses
			local listener = listen(list[n])
			local s = assert(socket.tcp())
			assert(s:bind('127.0.0.1', PORT + n))
			assert.is_true(s:connect('three.test', PORT))
			assert.equal('127.0.0.1:' .. PORT + n, s:localaddr():tostring())
			assert.equal(list[n], peer(s, listener))
			listener:close()
		end
	end)

	alone('goes no further with a bound socket whose connect is canceled', function()
		local list = addresses'three.test'
		local hole, listener = black_hole(list[1]), listen(list[2])
		local s = assert(socket.tcp())
		assert(s:bind('127.0.0.1', 0))
		local thread, over = race(s.connect, s, 'three.test', PORT)
		wait_for_attempts(1)
		assert.is_true(socket.cancel(thread))
		fails('canceled', over())
		fails('timeout', listener:accept(0))
		hole.close()
	end)

	alone('stays closed when it is closed just as an attempt succeeds', function()
		local list = addresses'three.test'
		local hole, listener = black_hole(list[1]), listen(list[2])
		for rounds = 0, 2 do -- between the accept and the close
			local s, e = assert(socket.tcp()), socket.event()
			local fds = spec.fds()
			socket.newthread(function()
				e:wait()
				s:close()
			end)
			socket.newthread(function()
				local d = listener:accept(socket.clock() + LONG)
				local last = e
				for _ = 1, rounds do
					local next_event, after = socket.event(), last
					socket.newthread(function()
						next_event:wait()
						after:set()
					end)
					last = next_event
				end
				last:set()
				if d then d:close() end
			end)
			s:connect('three.test', PORT)
			spec.wait_until(function() return tostring(s) == 'tcp closed' end)
			nothing_left(fds - 1)
			assert.equal('tcp closed', tostring(s))
		end
		hole.close()
	end)

	alone('keeps a bound socket in its family', function()
		local listeners = {listen'::1', listen'fd00::1'}
		local s = assert(socket.tcp())
		assert(s:bind('127.0.0.1', 0))
		fails('connection_refused', s:connect('both.test', PORT))
		fails('unknown_host', s:connect('six.test', PORT))
		for _, listener in ipairs(listeners) do fails('timeout', listener:accept(0)) end
	end)

	alone('works in generators', function()
		local list = addresses'three.test'
		local hole, listener = black_hole(list[1]), listen(list[2])
		local s = assert(socket.tcp())
		for ok in coro.wrap(function() coro.yield(s:connect('three.test', PORT)) end) do
			assert.is_true(ok)
		end
		assert.equal(list[2], peer(s, listener))
		hole.close()
	end)

	alone('refuses a socket that is connected', function()
		local list = addresses'three.test'
		local listener, other = listen(list[1]), listen(list[2])
		local s = assert(socket.tcp())
		assert.is_true(s:connect('three.test', PORT))
		local fds = spec.fds()
		fails('already_connected', s:connect('three.test', PORT))
		fails('already_connected', s:connect(list[2], PORT))
		fails('already_connected', s:connect('four.test', PORT))
		nothing_left(fds)
		assert.equal(list[1], peer(s, listener))
		fails('timeout', other:accept(0))
	end)

	alone('takes a list of addresses, from any place in it', function()
		local list = addresses'three.test'
		local listeners = {listen(list[1]), listen(list[2])}
		local ai = assert(socket.addr('three.test', PORT))
		for i, a in ipairs{ai, (ai:next())} do
			local s = assert(socket.tcp())
			assert.is_true(s:connect(a))
			assert.equal(list[i], peer(s, listeners[i]))
		end
		local hole = black_hole(list[3])
		local s = assert(socket.tcp())
		fails('timeout', s:connect(ai:next():next(), socket.clock() + 0.05))
		assert.is_true(s:connect(ai, socket.clock() + LONG))
		local both = assert(socket.addr('both.test', PORT, 'tcp', 'unspec'))
		local six = listen'::1'
		s = assert(socket.tcp())
		assert.is_true(s:connect(both))
		assert.equal('::1', peer(s, six))
		both:free()
		fails('closed', assert(socket.tcp()):connect(both))
		hole.close()
	end)

end)

describe('connect', function()

	alone('makes a socket and connects it', function()
		local listener, six = listen'127.0.0.1', listen'::1'
		local s = assert(socket.connect('127.0.0.1', PORT))
		assert.equal('127.0.0.1', peer(s, listener))
		s = assert(socket.connect('both.test', PORT, socket.clock() + LONG))
		assert.equal('::1', peer(s, six))
		assert.equal('inet6', s:family())
		six:close()
		s = assert(socket.connect(assert(socket.addr('both.test', PORT, 'tcp', 'unspec'))))
		assert.equal('127.0.0.1', peer(s, listener))
		assert.equal('inet', s:family())
	end)

	alone('of an object that is bound, as there, keeps its local address', function()
		require'socket2.dropin'
		local classic = require'socket'
		local list = addresses'three.test'
		local listener = listen(list[2]) -- the first refuses
		local t = classic.tcp()
		assert.equal(1, t:bind('127.0.0.1', PORT + 1))
		assert.equal(1, t:connect('three.test', PORT))
		assert.equal(list[2], (t:getpeername()))
		local ip, port = t:getsockname()
		assert.same({'127.0.0.1', PORT + 1}, {ip, tonumber(port)})
		local d, ai = assert(listener:accept(socket.clock() + LONG))
		assert.equal(PORT + 1, ai:port())
		d:close()
		t:close()
	end)

	alone('leaves nothing behind when it fails', function()
		local list = addresses'both.test'
		local fds = spec.fds()
		fails('connection_refused', socket.connect('both.test', PORT))
		fails('connection_refused', socket.connect('127.0.0.1', PORT))
		fails('invalid_port', socket.connect('127.0.0.1', 65536))
		fails('unknown_host', socket.connect('nosuch.test', PORT))
		nothing_left(fds)
		local holes = {black_hole(list[1]), black_hole(list[2])}
		fds = spec.fds()
		fails('timeout', socket.connect('both.test', PORT, socket.clock() + 0.3))
		fails('timeout', socket.connect(socket.addr('both.test', PORT), socket.clock() + 0.01))
		local thread, over = race(socket.connect, 'both.test', PORT)
		wait_for_attempts(2)
		assert.is_true(socket.cancel(thread))
		fails('canceled', over())
		nothing_left(fds)
		for _, hole in ipairs(holes) do hole.close() end
	end)

	alone('connects to unix sockets', function()
		local listener = assert(socket.tcp'unix')
		local ai = assert(socket.addr('@socket2-connect-spec', nil, 'tcp', 'unix'))
		fails('connection_refused', socket.connect(ai))
		assert(listener:listen(ai))
		local s = assert(socket.connect(ai))
		assert.equal('unix', s:family())
		assert.equal('@socket2-connect-spec', peer(s, listener))
		s = assert(socket.tcp'unix')
		assert.is_true(s:connect('@socket2-connect-spec', nil, socket.clock() + LONG))
		assert.equal('@socket2-connect-spec', peer(s, listener))
		fails('address_family_not_supported', assert(socket.tcp()):connect(ai))
		fails('file_not_found', socket.connect(assert(socket.addr('/nosuch/file', nil, 'tcp', 'unix'))))
	end, 'unix sockets')

	it('raises outside of threads', function()
		local s = assert(socket.tcp())
		assert.error_matches(function() socket.connect('127.0.0.1', 1) end, 'outside a socket thread')
		assert.error_matches(function() s:connect('127.0.0.1', 1) end, 'outside a socket thread')
		s:close()
	end)

	it('raises for arguments of a wrong type', spec.threaded(function()
		collectgarbage() -- what other cases have left
		collectgarbage()
		for _, args in ipairs{{{}, 1}, {true, 1}, {'127.0.0.1', {}}, {'127.0.0.1', 1, {}}, {'127.0.0.1', 1, 'x'}} do
			local fds = spec.fds()
			assert.error(function() socket.connect(unpack(args)) end)
			collectgarbage()
			collectgarbage()
			assert.equal(fds, spec.fds())
		end
	end))

end)
