-- Everything at once, in random order, for $SOCKET2_TORTURE seconds: hundreds of sockets with threads that
-- send, receive, time out, are canceled, and lose their sockets at any moment. Every byte is compared with
-- what belongs at its place in its stream, and every wait ends exactly once and for a reason that there was.
--
-- $SOCKET2_SEED picks the order; it is in every failure's message. (The system has a say in the order, too:
-- the same seed does much the same, not exactly.) $SOCKET2_STATISTICS prints what happened.

local ffi = require'ffi'
local coro, socket = require'coro', require'socket2'
local sched = require'socket2.run.sched'
local spec = require'spec'
local bytes, counts, seed = require'torture.bytes', require'torture.counts', require'torture.seed'

local SECONDS = tonumber(os.getenv'SOCKET2_TORTURE' or 20)
local SIDES, SENDERS, CONNECTORS, OTHERS = 500, 16, 40, 60 -- how many of each there are at once
local MAX_CALLS, NEVER = 1e7, 1/0
-- Seconds that a call may overstay its deadline, and turns of the loop: 32 timers fire in one, while
-- thousands are armed, and where others have the processors a turn takes long.
local LATE, TURNS = spec.qemu and 60 or 10, 200

local clock, min, max, string_of = socket.clock, math.min, math.max, ffi.string
local bytes_of = ffi.typeof'uint8_t[?]'
local check, generator, count = seed.check, seed.generator, counts.count
local LARGEST, GUARD, MOST, memcmp = bytes.LARGEST, bytes.GUARD, bytes.MOST, bytes.memcmp
local guarded, is_untouched = bytes.guarded, bytes.is_untouched
local direction, at, arrived, settle = bytes.direction, bytes.at, bytes.arrived, bytes.settle

local stopping, striking, begun, ended, born, most_sides
local alive -- records of the threads: an array, and thread -> record
local sides -- array of the sockets that may be struck
local clients -- first bytes of a connection -> its client's side, until the server has got them
local kinds, listeners, event, semaphore, holders, queue, tokens, suspended, timers

local turns, turns_in -- of the loop; second -> their number at its end

local function on_turn()
	turns = turns + 1
	turns_in[math.floor(clock())] = turns
end

-- Has it been late by that much, from then until now?
local function is_late(time)
	local second, now = math.floor(time), clock()
	while not turns_in[second] and second < now do second = second + 1 end
	return now - time >= LATE and turns - (turns_in[second] or turns) > TURNS
end

local function add(list, item)
	list[#list + 1], item.index = item, #list + 1
end

local function remove(list, item)
	local last = list[#list]
	list[item.index], last.index = last, item.index
	list[#list] = nil
end

local function next_number()
	born = born + 1
	return born
end

local function spawn(f, ...)
	local me = {random = generator(next_number()), cancels = 0, canceled = 0, side = {}}
	add(alive, me)
	socket.newthread(function(...)
		me.thread = socket.currentthread()
		alive[me.thread] = me
		f(me, ...)
		alive[me.thread] = nil
		remove(alive, me)
	end, ...)
end

-- How a call may fail. Some do so in other ways, but none ever with 'busy'.
local usual = {timeout = true, canceled = true, closed = true}
local further = {
	send = 'connection_reset broken_pipe', recv = 'connection_reset', readall = 'too_long connection_reset',
	recvn = 'end_of_stream connection_reset', read = 'end_of_stream connection_reset',
	peek = 'end_of_stream connection_reset', readline = 'too_long end_of_stream connection_reset',
	readuntil = 'too_long end_of_stream connection_reset', connect = 'connection_refused connection_reset',
	['udp send'] = 'connection_refused',
}
if spec.windows then -- where the system goes on with a connect that was called off
	further.connect = further.connect .. ' already_connected not_supported'
end
-- What a cancel that came before ends if it has to wait. On Windows others can be faster than the cancel.
local direct = {}
for _, what in ipairs{'send', 'wait', 'sleep', 'event', 'semaphore', 'push', 'pop', 'suspend', 'threadset'} do
	direct[what] = true
end
for _, what in ipairs{'recv', 'recvn', 'read', 'peek', 'readline', 'readuntil', 'readall', 'accept',
	'connect', 'lookup', 'udp send', 'udp recv'} do
	direct[what] = not spec.windows
end

local function over(me, what, deadline, value, err, errcode, more)
	local now = clock()
	ended = ended + 1
	check(me.calling == what, '%s ended in %s', what, me.calling)
	check(socket.currentthread() == me.thread, '%s ended in another thread', what)
	me.calling = false
	check(deadline == NEVER or not is_late(max(deadline, me.began)), '%s ended %g s late', what, now - deadline)
	if me.was_pending and direct[what] then
		check(err == 'canceled' or me.had_turn or me.side.closed or begun + ended == me.moment + 1,
			'%s waited in spite of a cancel', what)
	end
	if value ~= nil then
		count(what, 'ok')
		return value, err, errcode, more
	end
	check(usual[err] or (further[what] or ''):find(err, 1, true), '%s failed: %s', what, err)
	check(err ~= 'timeout' or now >= deadline, '%s timed out %g s early', what, deadline - now)
	check(err ~= 'closed' or me.side.closed or stopping, '%s failed: closed, which it is not', what)
	if err == 'canceled' then
		me.pending, me.canceled = false, me.canceled + 1
		check(me.canceled <= me.cancels, '%s was canceled by nobody', what)
	end
	count(what, err == 'closed' and not me.was_closed and 'closed in flight' or err)
	return nil, err, errcode, more
end

local strike

-- call(me, what, deadline, f, ...) -> results of f(...), which may wait until the deadline: here, or under
-- socket.deadline(), or in a generator.
local function call(me, what, deadline, f, ...)
	if me.random(40) == 1 and not striking and not stopping then
		striking = true
		strike(me.random)
		striking = false
	end
	check(not me.calling, '%s begins in %s', what, me.calling)
	begun = begun + 1
	me.calling, me.began, me.moment = what, clock(), begun + ended
	me.was_closed, me.was_pending, me.had_turn = me.side.closed, me.pending, false
	local way = me.random(12)
	if way == 1 then
		local outer = me.began + me.random(20) / 1000
		return over(me, what, min(deadline, outer), socket.deadline(outer, f, ...))
	elseif way == 2 then
		return over(me, what, deadline, coro.wrap(f)(...))
	end
	return over(me, what, deadline, f(...))
end

-- A time for `expires`, or nil; and the deadline that makes, of the socket's timeout if there is one.
local function random_time(me, timeout)
	local n = me.random(10)
	if n <= 3 then
		return nil, timeout and clock() + timeout or NEVER
	end
	local time = n == 4 and -1e9 or n == 5 and clock() or clock() + me.random(n == 6 and 200 or 20) / 1000
	return time, time
end

local function random_size(me)
	local n = me.random(16)
	return me.random(n == 1 and MOST or n <= 8 and 4096 or 100)
end

local function nap(me, seconds)
	local before = clock()
	if call(me, 'sleep', NEVER, socket.sleep, seconds) then
		check(clock() >= before + seconds, 'sleep(%g) was over too early', seconds)
	end
end

-- One end of a connection, until its `users` are over or it is closed under them.
local function new_side(s, users)
	local side = {socket = s, users = users, shut = {}}
	add(sides, side)
	return side
end

local function close(side)
	if not side.closed then
		side.closed = true
		remove(sides, side)
		if side.users == 0 and side.complete and side.socket:fd() % 4 == 0 then
			side.socket = nil -- the collector closes it
		else
			check(side.socket:close(), 'close() failed')
		end
	end
end

local function leave(side)
	side.users = side.users - 1
	if side.users == 0 then close(side) end
end

-- One read, in one of the ways: its error; none when it worked; 'eof'.
local function read_some(me, side)
	local s, dir, n = side.socket, side.input, random_size(me)
	local expires, deadline = random_time(me, side.read_timeout)
	local way = side.draining and 1 or me.random(9)
	local got, err
	if way <= 4 then
		if way == 3 then
			got, err = call(me, 'wait', deadline, s.wait, s, 'r', expires)
			if not got then return err end
			expires, deadline = 0, 0
		end
		local name, buf = way == 4 and 'recvn' or 'recv', guarded(n)
		got, err = call(me, name, deadline, s[name], s, buf, n, expires)
		check(is_untouched(buf, way == 4 and n or got or 0, n + GUARD), '%s() wrote where it had nothing to', name)
		check(not me.failed or is_untouched(me.failed, 0, me.size), 'a recv() wrote after it had failed')
		check(way ~= 3 or err ~= 'timeout', 'wait() said ready, and recv() timed out')
		me.failed, me.size = not got and way ~= 4 and buf, n
		if got == 0 then return 'eof' end
		check(not got or got == n or way ~= 4 and got < n, '%s(%d) gave %s', name, n, got)
		if got then arrived(dir, buf, got) end
	elseif way <= 6 then
		local name = way == 5 and 'read' or 'peek'
		got, err = call(me, name, deadline, s[name], s, n, expires)
		check(not got or #got == n, '%s(%d) gave another length', name, n)
		if got then arrived(dir, got, n, way == 6 and 0) end
	elseif way == 7 then
		got, err = call(me, 'readline', deadline, s.readline, s, n, expires)
		if got then
			check(#got <= n and not got:find('\n', 1, true), 'readline(%d) gave too much', n)
			got = got .. (at(dir, dir.received)[#got] == 13 and '\r\n' or '\n')
			arrived(dir, got, #got)
		end
	elseif way == 8 then
		local delim = string_of(at(dir, dir.received + me.random(300)), me.random(4))
		got, err = call(me, 'readuntil', deadline, s.readuntil, s, delim, n, expires)
		local first = string_of(at(dir, dir.received), n + #delim):find(delim, 1, true)
		check(got and first == #got + 1 or not got and (err ~= 'too_long' or not first),
			'readuntil() gave %d bytes, of %s: %s', #(got or ''), first, err)
		if got then arrived(dir, got .. delim, #got + #delim) end
	else
		got, err = call(me, 'readall', deadline, s.readall, s, n, expires)
		if got then
			arrived(dir, got, #got)
			return 'eof'
		end
	end
	return err
end

local function read_all(me, side)
	local dir, err, peer = side.input, nil, nil
	me.side = side
	while err ~= 'eof' and err ~= 'closed' and err ~= 'connection_reset' do
		if me.random(30) == 1 then
			side.read_timeout = me.random(2) == 1 and me.random(30) / 1000 or nil
			side.write_timeout = me.random(2) == 1 and me.random(30) / 1000 or nil
			check(side.socket:settimeout(side.read_timeout, side.write_timeout), 'settimeout() failed')
		end
		err, peer = read_some(me, side), side.peer
		side.draining = side.draining or err == 'end_of_stream'
		check(err ~= 'end_of_stream' and err ~= 'eof' or not peer or peer.closed or peer.shut.w or side.shut.r
			or side.closed, 'the end of a stream that nobody ended')
		check(err ~= 'connection_reset' or not peer or peer.closed or peer.shut.r or side.shut.r,
			'a reset by nobody') -- Linux does it for what comes after both directions were shut
	end
	check(not side.closed or side.socket:buffered() == 0, 'bytes are left of a socket that was closed')
	dir.complete = err == 'eof' and peer and not side.closed and not side.shut.r and not peer.shut.r
		and (not peer.closed or peer.complete)
	side.complete, dir.reader_over = dir.complete, true
	settle(dir)
	leave(side)
end

local function write_all(me, side)
	local s, dir, total = side.socket, side.output, me.random(me.random(8) == 1 and 2^22 or 2^18)
	local got, err, sent, _
	me.side = side
	while dir.sent < total and (got or not err or err == 'timeout' or err == 'canceled') do
		local n, way = me.random(200) == 1 and me.random(LARGEST) or random_size(me), me.random(16)
		local data, len = at(dir, dir.sent), n
		if way == 1 then
			nap(me, me.random(50) / 1000)
		elseif way == 2 then
			local expires, deadline = random_time(me, side.write_timeout)
			call(me, 'wait', deadline, s.wait, s, 'w', expires)
		elseif way <= 5 then
			data, len = string_of(data, n), nil
		elseif way <= 8 then
			data = bytes_of(n)
			ffi.copy(data, at(dir, dir.sent), n)
		end
		local expires, deadline = random_time(me, side.write_timeout)
		dir.offered = dir.sent + n
		got, err, _, sent = call(me, 'send', deadline, s.send, s, data, len, expires)
		check(got == n or not got and sent >= 0 and sent < n, 'send() of %d gave %s, sent %s', n, got, sent)
		if sent and sent > 0 then count('send', 'partial') end
		dir.sent = dir.sent + (got or sent)
		dir.offered = dir.sent
	end
	if not side.closed then
		s:shutdown'w'
		side.shut.w = true
	end
	dir.writer_over = true
	settle(dir)
	leave(side)
end

-- A connection that was accepted. Its first bytes say which side it belongs to.
local function serve(me, side)
	local s, word, err = side.socket, nil, nil
	me.side = side
	while not word do
		if err and err ~= 'timeout' and err ~= 'canceled' then return leave(side) end
		local expires, deadline = random_time(me)
		word, err = call(me, 'read', deadline, s.read, s, 4, expires)
	end
	local client = check(clients[word], 'a connection from nowhere')
	clients[word], side.peer, client.peer, side.users = nil, client, side, 2
	side.input, side.output = client.output, client.input
	side.input.received = 4
	spawn(write_all, side)
	read_all(me, side)
end

local function local_address(family)
	return family == 'unix' and ('@torture-%d-%d'):format(spec.pid(), next_number())
		or family == 'inet6' and '::1' or '127.0.0.1', family ~= 'unix' and 0 or nil
end

local function accept_all(me, family)
	while not stopping do
		local s = assert(socket.tcp(family))
		local c, err
		assert(s:listen(local_address(family)))
		me.side = {socket = s, addr = s:localaddr()}
		listeners[family] = me.side
		while err ~= 'closed' do
			local expires, deadline = random_time(me)
			c, err = call(me, 'accept', deadline, s.accept, s, expires)
			if c then spawn(serve, new_side(c, 1)) end
		end
	end
end

local function connect(me)
	local family = kinds[me.random(#kinds)]
	local l, side, ok, err = listeners[family]
	if family ~= 'unix' and me.random(3) == 1 then
		local expires, deadline = random_time(me)
		local s = call(me, 'connect', deadline, socket.connect, 'localhost', l.addr:port(), expires)
		if not s then return end
		side = new_side(s, 2)
	else
		side = new_side(assert(socket.tcp(family)), 2)
		local s = side.socket
		me.side = side
		if me.random(2) == 1 then
			assert(s:setopt('sndbuf', 4096) and s:setopt('rcvbuf', 4096))
		end
		repeat
			local expires, deadline = random_time(me)
			ok, err = call(me, 'connect', deadline, s.connect, s, l.addr, expires)
			check(err ~= 'connection_reset' or l.closed, 'connect() was reset by nobody')
		until ok or err ~= 'timeout' and err ~= 'canceled' or stopping
		if not ok then return close(side) end
	end
	local here, there = side.socket:localaddr(), side.socket:remoteaddr()
	if side.closed or family ~= 'unix' and there and here:tostring() == there:tostring() then
		return close(side) -- connected to itself, which TCP does where nobody listens
	end
	side.output, side.input = direction(next_number()), direction(next_number())
	clients[string_of(at(side.output, 0), 4)] = side
	spawn(write_all, side)
	spawn(read_all, side)
end

local function connect_all(me)
	while not stopping do
		me.side = {}
		if #sides < SIDES then connect(me) else nap(me, 0.005) end
	end
end

-- Datagrams of dir.size bytes, one after the other out of the same pattern; unix sockets lose none.
local function receive_datagrams(me, side, family)
	local s, dir, err = side.socket, side.input, nil
	me.side = side
	while err ~= 'closed' do
		local room = me.random(2) == 1 and dir.size or me.random(dir.size)
		local buf, expires, deadline = guarded(room), random_time(me)
		local n, truncated
		n, err, truncated = call(me, 'udp recv', deadline, s.recv, s, buf, room, expires)
		check(is_untouched(buf, n or 0, room + GUARD), 'udp:recv() wrote where it had nothing to')
		if n then
			check(n == room and (truncated == true) == (room < dir.size), 'udp:recv(%d) gave %d, %s',
				room, n, truncated)
			while family ~= 'unix' and dir.received < dir.offered and memcmp(buf, at(dir, dir.received), n) ~= 0 do
				dir.received = dir.received + dir.size
			end
			arrived(dir, buf, n, dir.size)
		end
	end
	leave(side)
end

local function send_datagrams(me, family)
	while not stopping do
		local r, s, dir = assert(socket.udp(family)), assert(socket.udp(family)), direction(next_number())
		assert(r:bind(local_address(family)))
		assert(s:connect(r:localaddr()))
		if family ~= 'unix' then
			assert(r:connect(s:localaddr())) -- its port may have been another one's before
		end
		local from, to = new_side(s, 1), new_side(r, 1)
		dir.size, to.input, me.side = 4 * me.random(300), dir, from
		spawn(receive_datagrams, to, family)
		for _ = 1, me.random(1000) do
			local expires, deadline = random_time(me)
			dir.offered = dir.sent + dir.size
			if call(me, 'udp send', deadline, s.send, s, at(dir, dir.sent), dir.size, expires) then
				dir.sent = dir.offered
			end
			dir.offered = dir.sent
			if from.closed or to.closed then break end
			if me.random(20) == 1 then nap(me, me.random(10) / 1000) end
		end
		nap(me, 0.01)
		leave(from)
		close(to)
	end
end

-- What waits for no socket.
local function wait_otherwise(me)
	while not stopping do
		local what, expires, deadline = me.random(8), random_time(me)
		if what == 1 then
			nap(me, (me.random(40) - 10) / 1000)
		elseif what == 2 then
			call(me, 'event', deadline, event.wait, event, expires)
		elseif what == 3 and call(me, 'semaphore', deadline, semaphore.take, semaphore, expires) then
			holders = holders + 1
			check(holders <= 3, '%d have a permit of 3', holders)
			nap(me, me.random(5) / 1000)
			holders = holders - 1
			semaphore:give()
		elseif what == 4 then
			local token = {}
			tokens[token] = true
			if not call(me, 'push', deadline, queue.push, queue, token, expires) then
				check(tokens[token], 'a push() failed, yet was popped')
				tokens[token] = nil
			end
		elseif what == 5 then
			local token = call(me, 'pop', deadline, queue.pop, queue, expires)
			check(not token or tokens[token], 'popped twice')
			tokens[token or 0] = nil
		elseif what == 6 then
			suspended[#suspended + 1] = me
			local token, err = call(me, 'suspend', NEVER, socket.suspend)
			if not err then -- a resume() that comes too late may be about to say so
				check(token == me.token, 'resumed with something else')
				me.token = nil
			end
		elseif what == 7 then
			call(me, 'lookup', deadline, socket.addr, 'localhost', 80, 'tcp', 'unspec', nil, nil, expires)
		elseif what == 8 then
			local set, n = socket.threadset(), 0
			for _ = 1, 3 do
				set:thread(function()
					socket.sleep(me.random(20) / 1000)
					n = n + 1
				end)
			end
			if not call(me, 'threadset', deadline, set.wait, set, expires) then
				set:cancel()
				repeat until call(me, 'threadset', NEVER, set.wait, set)
			end
			check(n == 3, 'a threadset was over before its threads')
		end
	end
end

local function cancel(victim)
	if victim.thread then
		victim.cancels, victim.pending = victim.cancels + 1, true
		check(socket.cancel(victim.thread), 'a thread that lives could not be canceled')
	end
end

local function close_listener(l)
	l.closed = true
	l.socket:close()
end

-- One blow at something.
function strike(random)
	local what, side = random(100), sides[random(#sides + 1)]
	if what <= 70 then
		cancel(alive[random(#alive)])
	elseif what <= 74 and side then
		close(side)
		if side.peer and what == 71 then close(side.peer) end
	elseif what <= 76 and side and side.output then
		local n = random(3)
		side.shut.r, side.shut.w = side.shut.r or n ~= 1, side.shut.w or n ~= 2
		side.socket:shutdown(n == 1 and 'w' or n == 2 and 'r' or 'rw')
	elseif what == 77 and random(10) == 1 then
		close_listener(listeners[kinds[random(#kinds)]])
	elseif what <= 80 then
		event:set()
		event:clear()
	elseif what <= 90 and suspended[1] then
		local victim, token = table.remove(suspended), {}
		if victim.calling == 'suspend' then
			victim.token = token
			local ok, err = socket.resume(victim.thread, token)
			check(ok or err == 'not_suspended', 'resume() failed: %s', err)
			check(not ok or not victim.token, 'resume() resumed nobody')
			victim.token = nil
		end
	elseif what <= 95 then
		if random(3) == 1 and timers.last and timers.last:cancel() then
			timers.over = timers.over + 1
		end
		timers.armed = timers.armed + 1
		timers.last = socket.runafter(random(20) / 1000, function()
			timers.over = timers.over + 1
			if not stopping then strike(random) end
		end)
	elseif what <= 98 then
		collectgarbage('step', random(500))
	elseif what == 99 and random(20) == 1 then
		for _, t in ipairs(socket.threads()) do
			check(not alive[t.thread] or alive[t.thread].calling, 'threads() lists a thread that does not wait')
		end
	end
end

-- Ends it all when its time is over: first what ends by itself, then the rest.
local function finish(me)
	local time = clock() + SECONDS
	while clock() < time and begun < MAX_CALLS do
		nap(me, 0.01)
		most_sides = max(most_sides, #sides)
	end
	stopping = true
	queue:close()
	for _, l in pairs(listeners) do close_listener(l) end
	time = clock() + 2
	while #alive > 1 do
		while clock() > time and sides[1] do close(sides[1]) end
		check(not is_late(time), 'threads live on: %s in %s\n%s', #alive - 1, alive[1].calling,
			socket.threads())
		for _, victim in ipairs(alive) do
			if victim ~= me then cancel(victim) end
		end
		nap(me, 0.02)
	end
end

local function start()
	turns, turns_in = 0, {}
	stopping, striking, begun, ended, born, most_sides, holders = false, false, 0, 0, 0, 0, 0
	counts.begin()
	alive, sides, clients, listeners, tokens, suspended = {}, {}, {}, {}, {}, {}
	event, semaphore, queue, timers = socket.event(), socket.semaphore(3), socket.queue(1), {armed = 0, over = 0}
	for _, family in ipairs(kinds) do spawn(accept_all, family) end
	for _ = 1, CONNECTORS do spawn(connect_all) end
	for i = 1, SENDERS do spawn(send_datagrams, i % 2 == 0 and kinds[#kinds] or 'inet') end
	for _ = 1, OTHERS do spawn(wait_otherwise) end
	spawn(finish)
end

-- A thread that has used up its budget lets others run, which is no wait.
local turn = sched.turn

local function noted_turn()
	local me = alive and alive[socket.currentthread()]
	if me then
		me.had_turn = true
	end
	turn()
end

local function usage()
	require'jit'.flush() -- traces count as Lua's heap
	for _ = 1, 3 do collectgarbage() end
	return spec.fds(), collectgarbage'count'
end

describe('torture', function()

	it('breaks nothing', function()
		kinds = {'inet'}
		if pcall(spec.listener, nil, 'inet6') then table.insert(kinds, 'inet6') end
		if not spec.lacks'unix datagram sockets' then table.insert(kinds, 'unix') end
		spec.run(function() assert(socket.addr('localhost', 80)) end) -- what lookups start stays
		local fds, heap = usage()
		local on_poll = sched.on_poll
		sched.turn = noted_turn
		sched.on_poll = on_turn
		start()
		finally(function()
			stopping, sched.turn, sched.on_poll = true, turn, on_poll
			while sides and sides[1] do close(sides[1]) end
		end)
		local ended_well = socket.start(SECONDS + 30)
		if os.getenv'SOCKET2_STATISTICS' then io.stderr:write(counts.statistics(begun, born, most_sides), '\n') end
		check(ended_well == true and #alive == 0, 'start() did not end: %s', socket.threads())
		check(#socket.threads() == 0, 'there are waits: %s', socket.threads())
		check(begun == ended, '%d waits began and %d ended', begun, ended)
		check(timers.armed == timers.over, '%d timers, but %d went off', timers.armed, timers.over)
		local left = 0
		for _ in pairs(tokens) do left = left + 1 end
		check(left == queue:count(), '%d values in the queue, not %d', queue:count(), left)
		counts.check(SECONDS, most_sides, kinds)
		alive, sides, clients, listeners, tokens, suspended = nil, nil, nil, nil, nil, nil
		event, semaphore, queue, timers = nil, nil, nil, nil
		local fds1, heap1 = usage()
		check(fds1 == fds, '%d descriptors more', fds1 - fds)
		check(heap1 - heap < 4096, '%d KB of Lua heap more', heap1 - heap)
	end)

end)
