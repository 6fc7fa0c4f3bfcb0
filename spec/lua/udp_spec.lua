-- UDP sockets and unix sockets of the datagram kind, against each other and against nc.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

local threaded, fails = spec.threaded, spec.fails

local format = string.format

-- f blames a line of its own for the error. (assert.error does not look at positions.)
local function raises_here(message, f)
	local ok, err = pcall(f)
	assert.is_false(ok)
	assert.matches('^[^\n]*udp_spec%.lua:%d+: ' .. message, err)
end

local SIZE = 2048

-- recv(udp, ...) -> string, ai, [truncated]
local function recv(s, ...)
	local b = spec.buffer(SIZE)
	local n, from, cut = s:recv(b, SIZE, ...)
	if not n then
		return nil, from, cut
	end
	return ffi.string(b, n), from, cut
end

local function same(ai1, ai2)
	assert.equal(tostring(ai1), tostring(ai2))
end

local function bound(host, family)
	local s = assert(socket.udp(family))
	assert(s:bind(host, family ~= 'unix' and 0 or nil))
	return s
end

local names, paths = 0, {}
local function fresh_name()
	names = names + 1
	return format('socket2-spec-%d-%d', spec.pid(), names)
end
local function fresh_path()
	paths[#paths + 1] = '/tmp/' .. fresh_name()
	return paths[#paths]
end

local makers = {
	inet = function() return bound'127.0.0.1' end,
	inet6 = function() return bound('::1', 'inet6') end,
}
if not spec.lacks'unix datagram sockets' then -- which skips all of them once, below
	makers['unix path'] = function() return bound(fresh_path(), 'unix') end
	makers['abstract unix name'] = function() return bound('@' .. fresh_name(), 'unix') end
end

-- a port where nobody listens
local function dead_port()
	local s = bound'127.0.0.1'
	local port = s:localaddr():port()
	s:close()
	return port
end

-- fill(unix udp, [name]) -> function: sends until the receiver's queue is full and send() waits, in
-- a thread of its own. The function gives what that send came to.
local function fill(s, name)
	local sent, result = 0, {}
	socket.newthread(function()
		repeat
			result = {s:send('x', name)}
			sent = sent + 1
		until not result[1]
	end)
	repeat
		local before = sent
		spec.turn()
	until sent == before
	return function() return unpack(result) end
end

after_each(function()
	for i = #paths, 1, -1 do
		os.remove(table.remove(paths, i))
	end
end)

for name, make in pairs(makers) do
	describe(name .. ' datagrams', function()
		local a, b, to_a, to_b

		before_each(function()
			a, b = make(), make()
			to_a, to_b = a:localaddr(), b:localaddr()
		end)

		after_each(function()
			a:close()
			b:close()
		end)

		it('go to an address in every form', threaded(function()
			local host, port = to_b:ip(), to_b:family() ~= 'unix' and to_b:port() or nil
			local forms = {
				{to_b}, {nil, to_b}, {7, to_b},
				{host, port}, {nil, host, port}, {7, host, port},
			}
			for i = 1, #forms do
				assert.equal(7, a:send('hello ' .. i, unpack(forms[i], 1, 3)))
				assert.equal('hello ' .. i, (recv(b)))
			end
		end))

		it('come with their length and sender', threaded(function()
			a:send('hello', to_b)
			local data, from, cut = recv(b)
			assert.equal('hello', data)
			same(to_a, from)
			assert.equal('udp', from:type())
			assert.equal(a:family(), from:family())
			assert.is_nil(cut)
			assert.equal(6, b:send('answer', from))
			data, from = recv(a)
			assert.equal('answer', data)
			same(to_b, from)
		end))

		it('wake a thread that waits for one', threaded(function()
			local data, from
			socket.newthread(function() data, from = recv(b) end)
			assert.is_nil(data)
			a:send('hello', to_b)
			spec.wait_until(function() return data end)
			assert.equal('hello', data)
			same(to_a, from)
		end))

		it('are cut to the room there is, which a third result tells', threaded(function()
			for len = 0, 5 do
				local buf = ffi.new('char[5]', 'zzzzz')
				local copied = ('1234'):sub(1, len)
				a:send('1234', to_b)
				local n, from, cut = b:recv(buf, len)
				assert.equal(#copied, n)
				assert.equal(copied .. ('z'):rep(5 - n), ffi.string(buf, 5))
				same(to_a, from)
				assert.equal(len < 4 and true or nil, cut)
			end
		end))

		it('may be empty', threaded(function()
			local buf = ffi.new'char[1]'
			for _, empty in ipairs{'', buf} do
				assert.equal(0, a:send(empty, 0, to_b))
				local n, from, cut = b:recv(buf, 1)
				assert.equal(0, n)
				same(to_a, from)
				assert.is_nil(cut)
			end
		end))

		it('from others are dropped when an address is given', threaded(function()
			local c = make()
			for i = 1, 2 do
				c:send('noise', to_b)
				a:send('signal ' .. i, to_b)
			end
			local data, from = recv(b, to_a)
			assert.equal('signal 1', data)
			same(to_a, from)
			-- the same as host and port, and waiting
			assert.equal('signal 2', (recv(b, to_a:ip(), to_a:family() ~= 'unix' and to_a:port() or nil)))
			socket.newthread(function() data = recv(b, to_a) end)
			c:send('noise', to_b)
			spec.turn()
			assert.equal('signal 1', data)
			a:send('signal 3', to_b)
			spec.wait_until(function() return data ~= 'signal 1' end)
			assert.equal('signal 3', data)
			c:close()
		end))

		it('need no address when connected', threaded(function()
			assert.is_true(a:connect(to_b))
			same(to_b, a:remoteaddr())
			assert.equal(format('udp connected %s -> %s', to_a, to_b), tostring(a))
			assert.equal(2, a:send'hi')
			assert.equal('hi', (recv(b)))
			assert.equal(1, a:send('hi', 1))
			assert.equal('h', (recv(b)))
		end))

		it('are sent to an address again after connect("*")', threaded(function()
			assert(a:connect(to_b))
			assert.is_true(a:connect'*')
			fails('not_connected', a:remoteaddr())
			assert.equal(format('udp bound %s', to_a), tostring(a))
			local ok, err = a:send'hi'
			assert.is_nil(ok)
			assert.equal(to_a:family() == 'unix' and 'not_connected' or 'destination_address_required', err)
			local c = make()
			c:send('from anyone', to_a)
			assert.equal('from anyone', (recv(a)))
			c:close()
		end))

		it('that are too long are an error', threaded(function()
			fails('message_too_long', a:send(('x'):rep(2^23), to_b))
			assert.equal(1, a:send('x', to_b))
		end))

		it('do not go to an address of another family', threaded(function()
			local other = to_b:family() == 'inet' and socket.addr('::1', 9, 'udp', 'inet6')
				or socket.addr('127.0.0.1', 9, 'udp')
			fails('address_family_not_supported', a:send('x', other))
			fails('address_family_not_supported', recv(a, other))
			fails('address_family_not_supported', a:connect(other))
			fails('address_family_not_supported', a:bind(other))
		end))

		it('have addresses that are independent of one another', threaded(function()
			local expected, got = {}, {}
			for i = 1, 100 do
				local s = make()
				s:send('x', to_b)
				expected[i] = tostring(s:localaddr())
				got[i] = select(2, recv(b))
				s:close()
			end
			got[50]:free()
			for i = 1, 100 do
				assert.equal(i == 50 and 'addr (freed)' or expected[i], tostring(got[i]))
			end
		end))
	end)
end

describe('udp:send', function()
	local s, to, buf

	before_each(function()
		s, buf = bound'127.0.0.1', spec.buffer(8)
		to = s:localaddr()
	end)

	after_each(function()
		s:close()
	end)

	it('takes strings and every kind of cdata', threaded(function()
		local bytes = ffi.new('uint8_t[4]', {1, 2, 3, 4})
		local struct = ffi.new('struct { int32_t a, b; }', 1, 2)
		for _, t in ipairs{
			{'abc\0def', nil, 'abc\0def'},
			{'abc', 2, 'ab'},
			{bytes, nil, '\1\2\3\4'},
			{bytes, 3, '\1\2\3'},
			{bytes + 1, 2, '\2\3'},
			{ffi.cast('const char*', 'pointer'), 7, 'pointer'},
			{struct, nil, ffi.string(struct, 8)},
		} do
			assert.equal(#t[3], s:send(t[1], t[2], to))
			assert.equal(t[3], (recv(s)))
		end
	end))

	it('binds a new socket to a port', threaded(function()
		local c = assert(socket.udp())
		assert.equal('udp new inet', tostring(c))
		c:send('x', to)
		local _, from = recv(s)
		assert.is_true(from:port() > 0)
		assert.equal(from:port(), c:localaddr():port())
		c:close()
	end))

	it('needs an address when not connected', threaded(function()
		fails('destination_address_required', s:send'x')
		fails('destination_address_required', s:send('x', 1))
	end))

	it('reports what is wrong with the arguments', threaded(function()
		for _, t in ipairs{
			{'invalid_argument', nil, 3, to},
			{'invalid_argument', 'x', -1, to},
			{'invalid_argument', 'x', 2, to}, -- longer than the string
			{'invalid_argument', buf, -1, to},
			{'invalid_argument', buf, 2^31, to},
			{'invalid_argument', buf, 1/0, to},
			{'invalid_port', 'x', 1, '127.0.0.1', 65536},
			{'invalid_port', 'x', 1, '127.0.0.1', -1},
			{'invalid_port', 'x', 1, '127.0.0.1', 1.5},
			{'unknown_host', 'x', 1, 'no such host', 9},
			{'address_family_not_supported', 'x', 1, '::1', 9},
		} do
			fails(t[1], s:send(unpack(t, 2, 5)))
		end
		local freed = s:localaddr()
		freed:free()
		fails('closed', s:send('x', freed))
		fails('closed', s:connect(freed))
		fails('closed', s:bind(freed))
	end))

	it('raises on wrong types, in the line of the call', threaded(function()
		for _, t in ipairs{
			{nil, nil, to}, {5, 1, to}, {{}, 1, to}, {true, nil, to}, {buf + 1, nil, to},
			{'x', {}, 9}, {'x', 1, {}, 9}, {'x', 1, '127.0.0.1', {}}, {'x', 1, true, 9},
		} do
			raises_here('bad ', function() s:send(unpack(t, 1, 4)) end)
		end
		for _, method in ipairs{'bind', 'connect'} do
			raises_here('bad host', function() s[method](s, {}) end)
			raises_here('bad port', function() s[method](s, nil, {}) end)
		end
	end))

	it('does not broadcast without the option', threaded(function()
		local everywhere = bound'*'
		local port = everywhere:localaddr():port()
		fails('access_denied', s:send('x', '127.255.255.255', port))
		assert(s:setopt('broadcast', true))
		assert.equal(1, s:send('x', '127.255.255.255', port))
		same(to, select(2, recv(everywhere)))
		everywhere:close()
	end))

	local it_tells = spec.with('refused datagrams that are told', it)

	it_tells('reports that an earlier datagram was refused, on a connected socket', threaded(function()
		assert(s:connect('127.0.0.1', dead_port()))
		assert.equal(1, s:send'x')
		fails('connection_refused', s:send'x')
		assert.equal(1, s:send'x')
		fails('connection_refused', recv(s))
		-- and to the reader that waits already
		local result
		socket.newthread(function() result = {recv(s)} end)
		assert.equal(1, s:send'x')
		spec.wait_until(function() return result end)
		fails('connection_refused', unpack(result))
		-- the socket is as good as before
		local peer = bound'127.0.0.1'
		assert(s:connect(peer:localaddr()))
		peer:send('hello', to)
		assert.equal('hello', (recv(s)))
		peer:close()
	end))
end)

describe('an error with an address', function()
	it('has a sentence with it', threaded(function()
		local s = bound'127.0.0.1'
		local ai = s:localaddr()
		local where = tostring(ai)
		local function says(detail, err, ...)
			assert.equal(detail, fails(err, ...))
		end
		says(where .. ': message too long', 'message_too_long', s:send(('x'):rep(70000), ai))
		says('1.2.3.4:70000: invalid port', 'invalid_port', s:send('x', '1.2.3.4', 70000))
		says('1.2.3.4:70000: invalid port', 'invalid_port', s:recv(spec.buffer(1), 1, '1.2.3.4', 70000))
		says(where .. ': timeout', 'timeout', s:recv(spec.buffer(1), 1, ai, socket.clock()))
		assert.is_nil(fails('timeout', s:recv(spec.buffer(1), 1, socket.clock())))
		assert.is_nil(fails('destination_address_required', s:send'x'))
		local inet6 = assert(socket.addr('::1', 1, 'udp', 'inet6'))
		assert.matches('^%[::1%]:1: ', fails('address_family_not_supported', s:connect(inet6)))
		ai:free()
		says('a freed address: closed', 'closed', s:send('x', ai))
		s:close()
	end))
end)

describe('udp:recv', function()
	local s, c, to, buf

	before_each(function()
		s, c, buf = bound'127.0.0.1', bound'127.0.0.1', spec.buffer(8)
		to = s:localaddr()
	end)

	after_each(function()
		s:close()
		c:close()
	end)

	it('hears only the peer that it is connected to', threaded(function()
		local peer = bound'127.0.0.1'
		assert(s:connect(peer:localaddr():ip(), peer:localaddr():port()))
		c:send('noise', to)
		peer:send('signal', to)
		assert.equal('signal', (recv(s)))
		peer:close()
	end))

	it('drops a flood of other datagrams while other threads go on', threaded(function()
		s:setopt('rcvbuf', 4 * 2^20)
		for _ = 1, 1000 do
			c:send('noise', to)
		end
		local friend = bound'127.0.0.1'
		friend:send('signal', to)
		local data
		socket.newthread(function() data = recv(s, friend:localaddr()) end)
		local turns = 0
		while not data do
			spec.turn()
			turns = turns + 1
		end
		assert.equal('signal', data)
		assert.is_true(turns > 3, turns .. ' turns')
		friend:close()
	end))

	it('goes by the address it was given, also when that is freed meanwhile', threaded(function()
		local from = assert(socket.addr('127.0.0.1', c:localaddr():port(), 'udp'))
		local data
		socket.newthread(function() data = recv(s, from) end)
		from:free()
		from = nil
		collectgarbage()
		local others = {}
		for i = 1, 1000 do
			others[i] = socket.addr('127.0.0.9', 9, 'udp') -- in the memory that is free now
		end
		c:send('hello', to)
		spec.wait_until(function() return data end)
		assert.equal(1000, #others)
		assert.equal('hello', data)
	end))

	it('tells the truncation of its own datagram, whoever receives next', threaded(function()
		local results = {}
		local first = bound'127.0.0.1'
		-- Both datagrams are in one batch; the thread that is resumed first, by the other socket,
		-- receives from s before the thread with the cut datagram runs.
		socket.newthread(function()
			recv(first)
			results.later = {s:recv(buf, 8)}
		end)
		socket.newthread(function() results.cut = {s:recv(spec.buffer(4), 4)} end)
		c:send('x', first:localaddr())
		c:send('123456', to)
		c:send('abc', to)
		spec.wait_until(function() return results.cut and results.later end)
		assert.same({4, true}, {results.cut[1], results.cut[3]})
		assert.same({3, nil}, {results.later[1], results.later[3]})
		first:close()
	end))

	it('reports what is wrong with the arguments', threaded(function()
		for _, t in ipairs{
			{'invalid_argument', nil, 8},
			{'invalid_argument', buf, -1},
			{'invalid_argument', buf, 2^31},
			{'invalid_port', buf, 8, '127.0.0.1', 65536},
			{'unknown_host', buf, 8, 'no such host', 9},
			{'address_family_not_supported', buf, 8, '::1', 9},
		} do
			fails(t[1], s:recv(unpack(t, 2, 5)))
		end
		local freed = s:localaddr()
		freed:free()
		fails('closed', s:recv(buf, 8, freed))
	end))

	it('raises on wrong types', threaded(function()
		for _, t in ipairs{
			{ffi.cast('char *', buf)}, {buf, 'x'}, {buf, {}}, {buf, true}, {'constant', 8}, {{}, 8}, {5, 8}, {true, 8},
			{buf, 8, {}}, {buf, 8, true}, {buf, 8, '127.0.0.1', {}},
		} do
			c:send('x', to)
			assert.has_error(function() s:recv(unpack(t, 1, 4)) end)
		end
		assert.equal('x', (recv(s)))
	end))

	it('by a second thread waits for the first', threaded(function()
		local first, second
		socket.newthread(function() first = recv(s) end)
		socket.newthread(function() second = recv(s) end)
		c:send('hello', to)
		c:send('and more', to)
		spec.wait_until(function() return second end)
		assert.equal('hello', first)
		assert.equal('and more', second)
		c:send('free again', to)
		assert.equal('free again', (recv(s)))
	end))

	it('does not hinder sending', threaded(function()
		local data
		socket.newthread(function() data = recv(s) end)
		assert.equal(1, s:send('x', c:localaddr()))
		assert.equal('x', (recv(c)))
		assert.equal(4, s:send('self', to))
		spec.wait_until(function() return data end)
		assert.equal('self', data)
	end))

	it('fits the largest datagram', threaded(function()
		local data = ('0123456789'):rep(6550) .. '1234567' -- 65507 bytes
		local big = spec.buffer(65536)
		assert.equal(65507, c:send(data, to))
		assert.equal(65507, s:recv(big, 65536))
		assert.equal(data, ffi.string(big, 65507))
		fails('message_too_long', c:send(data .. '8', to))
	end))
end)

spec.with('unix datagram sockets', describe)('a unix datagram socket', function()
	it('names the family of a sender without a name', threaded(function()
		local name = '@' .. fresh_name()
		local receiver, sender = bound(name, 'unix'), assert(socket.udp'unix')
		sender:send('x', name)
		local data, from = recv(receiver)
		assert.equal('x', data)
		assert.equal('unix', from:family())
		assert.equal('udp', from:type())
		assert.equal(0, from:port())
		assert.equal('', from:tostring())
		receiver:close()
		sender:close()
	end))

	it('reports the errors of unix paths', threaded(function()
		local s, path = assert(socket.udp'unix'), fresh_path()
		fails('path_too_long', s:bind('/tmp/' .. ('x'):rep(200)))
		fails('file_not_found', s:bind'/no such folder/socket')
		fails('file_not_found', s:send('x', path))
		fails('file_not_found', s:connect(path))
		fails('connection_refused', s:send('x', '@' .. fresh_name()))
		bound(path, 'unix'):close()
		fails('connection_refused', s:send('x', path)) -- the file is left, the receiver is not
		fails('address_already_in_use', s:bind(path))
		s:close()
	end))

	describe('with a full receiver', function()
		local name, receiver, s

		before_each(function()
			name = '@' .. fresh_name()
			receiver, s = bound(name, 'unix'), assert(socket.udp'unix')
		end)

		after_each(function()
			receiver:close()
			s:close()
		end)

		for _, connected in ipairs{false, true} do
			local kind = connected and 'connected' or 'unconnected'

			it('makes a sender wait, and loses nothing: ' .. kind, threaded(function()
				if connected then assert(s:connect(name)) end
				local N, over = 100, false
				socket.newthread(function()
					for i = 1, N do
						assert(s:send(tostring(i), not connected and name or nil))
					end
					over = true
				end)
				spec.turn()
				assert.is_false(over)
				for i = 1, N do
					assert.equal(tostring(i), (recv(receiver)))
				end
				spec.wait_until(function() return over end)
			end))

			it('costs the waiting sender no CPU time: ' .. kind, function()
				spec.run(function()
					if connected then assert(s:connect(name)) end
					fill(s, not connected and name or nil)
				end)
				local before = os.clock()
				socket.poll(0.3)
				local used = os.clock() - before
				assert.is_true(used < 0.03, used .. ' s')
			end)
		end

		it('serves all who wait', threaded(function()
			local others, over = {}, 0
			fill(s, name)
			for i = 1, 3 do
				others[i] = assert(socket.udp'unix')
				socket.newthread(function()
					assert(others[i]:send('other', name))
					over = over + 1
				end)
			end
			spec.turn()
			repeat
				if recv(receiver) == 'other' then over = over + 1 end
			until over == 6
			for i = 1, 3 do
				others[i]:close()
			end
		end))

		it('makes a second writer wait', threaded(function()
			fill(s, name)
			fails('timeout', s:send('x', 1, name, nil, socket.clock() + 0.01))
		end))

		it('does not keep close() from waking the reader and the writer', threaded(function()
			local result = fill(s, name)
			local read
			socket.newthread(function() read = {recv(s)} end)
			s:close()
			spec.wait_until(function() return read and not result() end)
			fails('closed', unpack(read))
			fails('closed', result())
		end))
	end)
end)

describe('a closed udp socket', function()
	it('gives an error for everything but close', threaded(function()
		local s = bound'127.0.0.1'
		assert.is_true(s:close())
		assert.is_true(s:close())
		assert.equal('udp closed', tostring(s))
		for method, args in pairs{
			send = {'x', 1, '127.0.0.1', 9}, recv = {spec.buffer(1), 1}, connect = {'127.0.0.1', 9},
			bind = {'127.0.0.1', 0}, localaddr = {}, remoteaddr = {}, fd = {}, shutdown = {},
			getopt = {'broadcast'}, setopt = {'broadcast', true},
		} do
			fails('closed', s[method](s, unpack(args)))
		end
		fails('closed', s:connect'*')
		assert.equal('udp', s:type())
		assert.equal('inet', s:family())
		assert.equal('udp', s:protocol())
	end))

	it('woke its reader', threaded(function()
		local s, result = bound'127.0.0.1', nil
		socket.newthread(function() result = {recv(s)} end)
		s:close()
		spec.wait_until(function() return result end)
		fails('closed', unpack(result))
	end))
end)

describe('a udp socket', function()
	it('tells its kind, state and addresses', threaded(function()
		for _, family in ipairs{'inet', 'inet6', not spec.windows and 'unix' or nil} do
			local s = assert(socket.udp(family))
			assert.equal('udp new ' .. family, tostring(s))
			assert.equal(family, s:family())
			assert.equal('udp', s:type())
			s:close()
		end
		local s = bound'127.0.0.1'
		assert.equal('udp bound ' .. tostring(s:localaddr()), tostring(s))
		s:close()
	end))

	it('is not made of unknown things', function()
		fails('address_family_not_supported', socket.udp'nope')
		fails('protocol_not_supported', socket.udp('inet', 'nope'))
		fails('protocol_not_supported', socket.udp('inet', 'tcp'))
		assert.has_error(function() socket.udp(5) end)
		assert.has_error(function() socket.udp('inet', {}) end)
	end)

	it('binds once, to an address of this machine that is free', function()
		local s = bound'127.0.0.1'
		local other = assert(socket.udp())
		fails('address_already_in_use', other:bind(s:localaddr()))
		if not spec.windows then -- Wine takes any
			fails('address_not_available', other:bind('192.0.2.77', 0))
		end
		fails('invalid_argument', s:bind('127.0.0.1', 0))
		assert.is_true(other:bind('127.0.0.1', 0))
		s:close()
		other:close()
	end)

	it('serves nc', threaded(function()
		local s = bound'127.0.0.1'
		-- ends with the first answer
		local nc = io.popen(format('echo hello | nc -u -W 1 -w 5 127.0.0.1 %d', s:localaddr():port()))
		local data, from = recv(s)
		assert.equal('hello\n', data)
		s:send('hello from socket2\n', from)
		assert.equal('hello from socket2\n', nc:read'*a')
		nc:close()
		s:close()
	end))
end)
