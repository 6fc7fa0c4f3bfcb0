-- Looking up names while everything else goes on.

local ffi = require'ffi'
local socket = require'socket2'
local coro = require'coro'
local spec = require'spec'
local namespace = require'namespace'

local fails, go, wait_until = spec.fails, spec.go, spec.wait_until

local HOSTS = {['/etc/hosts'] = '127.0.0.1 known.test\n127.0.0.7 other.test\n'}
local SOON = 0.03 -- seconds
local GAP = spec.qemu and 5 or 0.5 -- seconds that are no hang, however busy the machine
local HANGING = 20 -- seconds; the resolver would be at it for longer
local AGES = 1e6 -- seconds

-- An it() that runs its function in a socket thread of a process with its own hosts file and name server.
local function alone(what, f, files, it_)
	(it_ or it)(what, function()
		local ok, reason = namespace.run(files or HOSTS, function() spec.run(f, 30) end)
		if not ok then pending(reason) end
	end)
end

-- The same for cases that need no files.
local function runs(what, f)
	it(what, spec.threaded(f))
end

local function took(f, ...)
	local start = socket.clock()
	f(...)
	return socket.clock() - start
end

local function shown(ai)
	local list = {}
	for a in assert(ai):addrs() do list[#list + 1] = a:tostring() end
	return table.concat(list, ' ')
end

-- Everything that takes a host and a port: f(expires, name) calls it, and ends as a lookup does.
local function callers()
	local udp_peer = assert(socket.udp())
	assert(udp_peer:bind('127.0.0.1', 0))
	local listener, tcp_port = spec.listener()
	local udp_port = udp_peer:localaddr():port()
	local function keep(s)
		listener = {s, listener, udp_peer} -- until all is over
		return assert(s)
	end
	return {
		addr = function(expires, name)
			return socket.addr(name, 80, 'tcp', 'inet', nil, nil, expires)
		end,
		['tcp:connect'] = function(expires, name) return keep(socket.tcp()):connect(name, tcp_port, expires) end,
		connect = function(expires, name) return socket.connect(name, tcp_port, expires) end,
		['tcp:bind'] = function(expires, name) return keep(socket.tcp()):bind(name, 0, expires) end,
		['udp:bind'] = function(expires, name) return keep(socket.udp()):bind(name, 0, expires) end,
		['udp:connect'] = function(expires, name) return keep(socket.udp()):connect(name, udp_port, expires) end,
		['udp:send'] = function(expires, name) return keep(socket.udp()):send('x', name, udp_port, expires) end,
		['udp:send, len'] = function(expires, name)
			return keep(socket.udp()):send('xyz', 1, name, udp_port, expires)
		end,
		['udp:recv'] = function(expires, name)
			local s, sender = keep(socket.udp()), keep(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			assert(sender:bind('127.0.0.1', 0))
			assert(sender:send('x', s:localaddr()))
			return s:recv(spec.buffer(1), 1, name, sender:localaddr():port(), expires)
		end,
	}
end

-- f(what, call) for each, in the order of their names.
local function for_each_caller(f)
	local all, names = callers(), {}
	for what in pairs(all) do names[#names + 1] = what end
	table.sort(names)
	for _, what in ipairs(names) do f(what, all[what]) end
end

-- A name server that says nothing, and n lookups that hang on it: their threads, over() functions, and
-- the queries that the server got.
local function hanging(n)
	local queries = namespace.silent_name_server()
	local threads, over = {}, {}
	for i = 1, n do
		over[i] = go(function()
			threads[i] = socket.currentthread()
			local ai, err, errcode = socket.addr(('hang%d.test'):format(i), 80)
			return ai, err, errcode
		end)
	end
	wait_until(function() return #queries > 0 end)
	return threads, over, queries
end

local function cancel_all(threads, over)
	for i, thread in ipairs(threads) do
		assert.is_true(socket.cancel(thread))
		fails('canceled', over[i]())
	end
end

describe('a lookup that hangs', function()

	alone('lets all others go on', function()
		local threads, over = hanging(1)
		local stop = namespace.ticker()
		assert(socket.sleep(0.3))
		local gap, count = stop()
		assert.is_true(gap < GAP, ('a gap of %.1f ms'):format(gap * 1e3))
		assert.is_true(count > 3, count .. ' ticks')
		assert.is_false(over[1]'done?')
		cancel_all(threads, over)
	end)

	alone('lets all others go on while it starts and ends', function()
		namespace.silent_name_server()
		local stop = namespace.ticker()
		for i = 1, 10 do
			fails('timeout', socket.addr('hang.test', i, 'tcp', 'inet', nil, nil, socket.clock() + 0.01))
		end
		local gap = stop()
		assert.is_true(gap < GAP, ('a gap of %.1f ms'):format(gap * 1e3))
	end)

	alone('ends when its time is over, whoever asked', function()
		namespace.silent_name_server()
		for_each_caller(function(what, call)
			local expires = socket.clock() + SOON
			local time = took(function() fails('timeout', call(expires, 'hang.test')) end)
			assert.is_true(socket.clock() >= expires, what)
			assert.is_true(time < HANGING, ('%s took %.3f s'):format(what, time))
		end)
	end)

	alone('ends at a deadline over all that the thread does', function()
		namespace.silent_name_server()
		for_each_caller(function(what, call)
			local time = took(function()
				fails('timeout', socket.deadline(socket.clock() + SOON, call, nil, 'hang.test'))
			end)
			assert.is_true(time >= SOON and time < HANGING, ('%s took %.3f s'):format(what, time))
		end)
	end)

	alone("ends at the socket's timeout", function()
		namespace.silent_name_server()
		local s, u = assert(socket.tcp()), assert(socket.udp())
		assert(u:bind('127.0.0.1', 0))
		assert(s:settimeout(nil, SOON))
		assert(u:settimeout(SOON))
		local time = took(function()
			fails('timeout', s:connect('hang.test', 80))
			fails('timeout', u:send('x', 'hang.test', 80))
			fails('timeout', u:recv(spec.buffer(1), 1, 'hang.test', 80))
		end)
		assert.is_true(time >= 3 * SOON and time < HANGING, time .. ' s')
	end)

	alone('is not begun after its time', function()
		local queries = namespace.silent_name_server()
		for_each_caller(function(_, call)
			fails('timeout', call(socket.clock() - 1, 'hang.test'))
		end)
		assert.equal(0, #queries)
	end)

	alone('is ended by cancel(), whoever asked', function()
		namespace.silent_name_server()
		for_each_caller(function(what, call)
			local thread
			local over = go(function()
				thread = socket.currentthread()
				return call(nil, 'hang.test')
			end)
			assert.is_false(over'done?', what)
			local time = took(function()
				assert.is_true(socket.cancel(thread))
				fails('canceled', over())
			end)
			assert.is_true(time < HANGING, ('%s took %.3f s'):format(what, time))
		end)
	end)

	alone('is ended by close() of the socket that asked', function()
		namespace.silent_name_server()
		local calls = {
			connect = function(s) return s:connect('hang.test', 80, socket.clock() + 0.5) end,
			bind = function(s) return s:bind('hang.test', 0, socket.clock() + 0.5) end,
		}
		for what, call in pairs(calls) do
			local s = assert(socket.tcp())
			local over = go(call, s)
			s:close()
			local _, err = over()
			assert.equal('closed', err, what)
		end
	end)

	alone('is in the list of threads', function()
		local threads, over = hanging(1)
		local t
		for _, each in ipairs(socket.threads()) do
			if each.thread == threads[1] then t = each end
		end
		assert.equal('lookup', t.what)
		assert.is_true(t.since <= socket.clock())
		assert.matches('lookup_spec', t.at)
		cancel_all(threads, over)
		for _, each in ipairs(socket.threads()) do
			assert.not_equal('lookup', each.what)
		end
	end)

	alone('may be answered after its time', function()
		local gate, answered = socket.event(), 0
		local queries = namespace.name_server(function()
			gate:wait()
			answered = answered + 1
			return {'1.2.3.4'}
		end)
		fails('timeout', socket.addr('late.test', 80, 'tcp', 'inet', nil, nil, socket.clock() + GAP))
		wait_until(function() return #queries > 0 end)
		local over = go(socket.addr, 'next.test', 80)
		gate:set()
		assert.equal('1.2.3.4:80', shown(over()))
		assert.is_true(answered >= 2) -- the resolver may ask twice
	end)

	alone('does no harm to literals and sockets, though there are twenty', function()
		local threads, over = hanging(20)
		local stop = namespace.ticker()
		for i = 1, 100 do
			assert.equal('1.2.3.4:' .. i, shown(socket.addr('1.2.3.4', i)))
			assert.equal('[::1]:' .. i, shown(socket.addr('::1', i, 'tcp', 'unspec')))
			assert.equal('/tmp/x', shown(socket.addr('/tmp/x', nil, 'tcp', 'unix')))
			assert.equal('0.0.0.0:0', shown(socket.addr()))
			assert.equal('127.0.0.1:0', shown(socket.addr(false)))
		end
		local c, d = spec.pair()
		for _ = 1, 100 do
			assert(c:send'ping')
			assert.equal('ping', spec.recv_all(d, 4))
		end
		wait_until(function() return select(2, stop()) > 0 end)
		local gap = stop()
		assert.is_true(gap < GAP, ('a gap of %.1f ms'):format(gap * 1e3))
		cancel_all(threads, over)
	end)

	alone('holds a worker, one that waits for a worker is forgotten', function()
		local queries = namespace.silent_name_server()
		local overs = {}
		for i = 1, 20 do
			overs[i] = go(function()
				return socket.addr(('hang%d.test'):format(i), 80, 'tcp', 'inet', nil, nil, socket.clock() + SOON)
			end)
		end
		for _, over in ipairs(overs) do fails('timeout', over()) end
		-- once the system has given up
		assert.equal('127.0.0.1:80', shown(socket.addr('known.test', 80)))
		-- those given up make room for a few more
		assert.is_true(#queries >= 1 and #queries <= 16, #queries .. ' queries')
	end, {
		['/etc/hosts'] = HOSTS['/etc/hosts'],
		['/etc/resolv.conf'] = 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n',
	})

	local endings = {
		['the end of the main chunk'] = function() end,
		['os.exit()'] = function() os.exit(0) end,
		['os.exit() that closes the Lua state'] = function() os.exit(0, true) end,
	}
	for what, ending in pairs(endings) do
		it('does not delay ' .. what, function()
			local ok, output = namespace.run({}, function()
				socket.newthread(hanging, 20)
				spec.poll_until(function() return #socket.threads() >= 21 end)
				socket.poll(0.01)
				print(socket.clock())
				ending()
			end)
			if not ok then pending(output) end
			local time = socket.clock() - assert(tonumber(output), output)
			assert.is_true(time < 2, ('it took %.3f s'):format(time))
		end)
	end

end)

describe('a name', function()

	alone('is looked up in a thread while the loop goes on, whoever asked', function()
		-- in this very loop: if a caller blocked it nobody would answer
		local queries = namespace.name_server(function(_, type) return type == 'A' and {'127.0.0.1'} or {} end)
		for_each_caller(function(what, call)
			local before = #queries
			local result, err = call(socket.clock() + HANGING, 'served.test')
			assert(result, ('%s: %s'):format(what, err))
			assert.is_true(#queries > before, what)
		end)
	end)

	alone('is looked up in a generator of a thread', function()
		namespace.name_server(function(name) return {name == 'one.test' and '10.0.0.1' or '10.0.0.2'} end)
		local list = {}
		for ip in coro.wrap(function()
			for _, name in ipairs{'one.test', 'two.test'} do
				coro.yield(assert(socket.addr(name)):ip())
			end
		end) do
			list[#list + 1] = ip
		end
		assert.same({'10.0.0.1', '10.0.0.2'}, list)
	end)

	alone('is looked up in a plain coroutine of a thread', function()
		local ip = coroutine.wrap(function() return assert(socket.addr'other.test'):ip() end)()
		assert.equal('127.0.0.7', ip)
	end)

	it('is looked up outside of threads', function()
		local ok, reason = namespace.run(HOSTS, function()
			assert.equal('127.0.0.7:80', tostring(assert(socket.addr('other.test', 80))))
			local co = coroutine.wrap(function() return assert(socket.addr'known.test'):ip() end)
			assert.equal('127.0.0.1', co())
			local u = assert(socket.udp())
			assert.is_true(u:bind('known.test', 0))
			assert.is_true(u:connect('known.test', 80))
			assert.equal('127.0.0.1:80', tostring(u:remoteaddr()))
		end)
		if not ok then pending(reason) end
	end)

	alone('of the hosts file is asked of nobody else', function()
		local queries = namespace.silent_name_server()
		assert.equal('127.0.0.7:80', shown(socket.addr('other.test', 80)))
		local s, port = spec.listener'127.0.0.7'
		local c = assert(socket.connect('other.test', port))
		assert.equal('127.0.0.7:' .. port, tostring(c:remoteaddr()))
		assert.equal(0, #queries)
		s:close()
	end)

	alone('has all the addresses that the server gives', function()
		namespace.name_server(function() return {'10.0.0.1', '10.0.0.2', '10.0.0.3'} end)
		local list = {}
		for a in assert(socket.addr('several.test', 80)):addrs() do list[#list + 1] = a:ip() end
		table.sort(list)
		assert.same({'10.0.0.1', '10.0.0.2', '10.0.0.3'}, list)
	end)

	alone('that the server does not know is an unknown host', function()
		namespace.name_server(function() return false end)
		for_each_caller(function(_, call)
			fails('unknown_host', call(nil, 'nosuch.test'))
		end)
		fails('unknown_host', socket.addr(('x'):rep(64) .. '.test'))
	end)

	alone('is looked for in the search domains', function()
		local queries = namespace.name_server(function(name)
			return name == 'www.second.test' and {'10.9.8.7'}
		end)
		assert.equal('10.9.8.7:80', shown(socket.addr('www', 80)))
		assert.same({'www.first.test A', 'www.second.test A'}, {unpack(queries)})
	end, {['/etc/resolv.conf'] = 'nameserver 127.0.0.1\nsearch first.test second.test\noptions timeout:30\n'},
		spec.with('resolv.conf', it))

	alone('is looked up by many threads at once', function()
		local queries = namespace.name_server(function(name)
			return {'10.0.0.' .. name:match'%d+'}
		end)
		local overs = {}
		for i = 1, 50 do overs[i] = go(socket.addr, ('n%d.test'):format(i), i) end
		for i = 1, 50 do
			assert.equal(('10.0.0.%d:%d'):format(i, i), shown(overs[i]()))
		end
		assert.equal(50, #queries)
	end)

end)

describe('lookup_cache', function()

	local function counted()
		return namespace.name_server(function(name) return name:find'^good' and {'10.0.0.1'} end)
	end

	alone('is off unless it was set', function()
		local queries = counted()
		for n = 1, 3 do
			assert.equal('10.0.0.1:80', shown(socket.addr('good.test', 80)))
			assert.equal(n, queries['good.test A'])
		end
	end)

	alone('remembers what was found', function()
		local queries = counted()
		assert.is_true(socket.lookup_cache(AGES))
		for _ = 1, 3 do
			assert.equal('10.0.0.1:80', shown(socket.addr('good.test', 80)))
		end
		assert.equal(1, #queries)
		assert.equal('10.0.0.1:80', shown(socket.addr('good1.test', 80)))
		assert.equal(2, #queries)
		-- though its time is over: it is known already
		assert.equal('10.0.0.1:80', shown(socket.addr('good.test', 80, 'tcp', 'inet', nil, nil, 0)))
		assert.equal(2, #queries)
	end)

	alone('remembers for the callers with a host and a port', function()
		local queries = namespace.name_server(function(_, type) return type == 'A' and {'127.0.0.1'} or {} end)
		assert.is_true(socket.lookup_cache(AGES))
		local s, port = spec.listener()
		assert(socket.connect('good.test', port))
		local n = #queries
		assert(socket.connect('good.test', port))
		assert(assert(socket.tcp()):connect('good.test', port))
		assert.equal(n, #queries)
		s:close()
	end)

	alone('forgets after that time', function()
		local queries = counted()
		assert.is_true(socket.lookup_cache(0.05))
		while (queries['good.test A'] or 0) < 3 do
			assert.equal('10.0.0.1:80', shown(socket.addr('good.test', 80)))
			assert(socket.sleep(0.005))
		end
	end)

	alone('forgets when it is set, or set off', function()
		local queries = counted()
		for n = 1, 3 do
			assert.is_true(socket.lookup_cache(AGES))
			for _ = 1, 2 do assert(socket.addr'good.test') end
			assert.equal(n, #queries)
		end
		assert.is_true(socket.lookup_cache(0))
		for n = 4, 5 do
			assert(socket.addr'good.test')
			assert.equal(n, #queries)
		end
	end)

	alone('does not remember failures', function()
		local queries = namespace.name_server(function() return false end)
		assert.is_true(socket.lookup_cache(AGES))
		for n = 1, 2 do
			fails('unknown_host', socket.addr'bad.test')
			assert.equal(n, #queries)
		end
	end)

	runs('takes seconds', function()
		for _, seconds in ipairs{1/0, 1e-9, 0} do
			assert.is_true(socket.lookup_cache(seconds))
		end
		fails('invalid_argument', socket.lookup_cache(-1))
		fails('invalid_argument', socket.lookup_cache(0/0))
		for _, seconds in ipairs{'1', true, {}, ffi.new'int64_t'} do
			assert.error_matches(function() socket.lookup_cache(seconds) end, 'number expected')
		end
		assert.error_matches(function() socket.lookup_cache() end, 'number expected')
	end)

end)
