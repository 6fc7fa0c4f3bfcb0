-- Sockets in coroutine-based iterators: generators that wait for I/O and yield to their caller.

local socket = require'socket2'
local coro = require'coro'
local spec = require'spec'

local threaded = spec.threaded
local ffi = require'ffi'

local function collect()
	for _ = 1, 3 do
		collectgarbage()
	end
end

-- lines(tcp, [yield]): the body of a generator of what comes, line by line, until the stream ends.
local function lines(s, yield)
	yield = yield or coro.yield
	local buf, rest = spec.buffer(5), '' -- small: most lines take several recvs
	while true do
		local n = assert(s:recv(buf, 5))
		if n == 0 then break end
		rest = rest .. ffi.string(buf, n)
		for line in rest:gmatch'(.-)\n' do
			yield(line)
		end
		rest = rest:match'[^\n]*$'
	end
	if rest ~= '' then yield(rest) end
end

local function lines_of(s)
	return coro.wrap(function() return lines(s) end)
end

-- say(tcp, ...): sends the chunks from another thread, with turns between them, and ends the stream.
local function say(s, ...)
	local chunks, n = {...}, select('#', ...)
	socket.newthread(function()
		for i = 1, n do
			spec.turn()
			assert(s:send(chunks[i]))
		end
		s:shutdown'w'
	end)
end

local function all(generator)
	local t = {}
	for v in generator do
		t[#t + 1] = v
	end
	return table.concat(t, ' ')
end

local open = {}

local function pair()
	local a, b = spec.pair()
	open[#open + 1], open[#open + 2] = a, b
	return a, b
end

after_each(function()
	for i = #open, 1, -1 do
		table.remove(open, i):close()
	end
	for _ = 1, 100 do
		local ok, more = pcall(socket.poll, 0)
		if ok and not more then break end
	end
end)

describe('a generator in a socket thread', function()
	it('waits for I/O in the middle and yields to its caller', threaded(function()
		local a, b = pair()
		say(a, 'one\ntwo\nthr', 'e', 'e\n', 'four\nfive')
		assert.equal('one two three four five', all(lines_of(b)))
	end))

	it('lets other threads go on while it waits', threaded(function()
		local a, b = pair()
		local next_line, turns = lines_of(b), 0
		socket.newthread(function()
			for _ = 1, 5 do
				spec.turn()
				turns = turns + 1
			end
			a:send'late\n'
		end)
		assert.equal('late', next_line())
		assert.equal(5, turns)
	end))

	it('passes values both ways, before and after a wait', threaded(function()
		local a, b = pair()
		local ask = coro.wrap(function(question)
			while true do
				assert(a:send(question))
				question = coro.yield(spec.recv_all(b, #question):upper(), #question)
			end
		end)
		for _, s in ipairs{'one', 'two', 'three'} do
			local answer, n = ask(s)
			assert.equal(s:upper(), answer)
			assert.equal(#s, n)
		end
	end))

	it('may use another, two deep', threaded(function()
		local a, b = pair()
		local function words(next_line)
			return coro.wrap(function()
				for line in next_line do
					spec.turn()
					for word in line:gmatch'%w+' do coro.yield(word) end
				end
			end)
		end
		local function pairs_of(next_word)
			return coro.wrap(function()
				for first in next_word do
					coro.yield(first .. '-' .. tostring(next_word()))
				end
			end)
		end
		say(a, 'one tw', 'o\nthree', '\n\n', 'four five\n', 'six')
		assert.equal('one-two three-four five-six', all(pairs_of(words(lines_of(b)))))
	end))

	it('may serve what comes to a listener', threaded(function()
		local l, port = spec.listener()
		open[#open + 1] = l
		local clients = coro.wrap(function()
			for _ = 1, 3 do coro.yield((assert(l:accept()))) end
		end)
		for i = 1, 3 do
			socket.newthread(function()
				local c = assert(socket.tcp())
				assert(c:connect('127.0.0.1', port))
				assert(c:send('client ' .. i))
				c:close()
			end)
		end
		local seen = {}
		for c in clients do
			seen[#seen + 1] = spec.recv_all(c)
			c:close()
		end
		table.sort(seen)
		assert.same({'client 1', 'client 2', 'client 3'}, seen)
	end))

	it('may start threads', threaded(function()
		local a, b = pair()
		local log = {}
		local generator = coro.wrap(function()
			socket.newthread(function()
				log[#log + 1] = 'started'
				local data = spec.recv_all(b)
				log[#log + 1] = data
			end)
			log[#log + 1] = 'returned'
			coro.yield'value'
			a:send'done'
			a:close()
		end)
		assert.equal('value', generator())
		assert.same({'started', 'returned'}, log)
		generator()
		spec.wait_until(function() return log[3] end)
		assert.equal('done', log[3])
	end))

	it('may be made outside a thread, but not wait there', function()
		local udp = assert(socket.udp())
		open[#open + 1] = udp
		assert(udp:bind('127.0.0.1', 0))
		local function recv()
			return udp:recv(spec.buffer(8), 8)
		end
		local inside, outside = coro.wrap(recv), coro.wrap(recv)
		assert.error_matches(outside, 'outside a socket thread')
		local n
		socket.newthread(function() n = inside() end)
		socket.newthread(function() udp:send('hello', udp:localaddr()) end)
		assert.is_true(socket.poll(5))
		assert.equal(5, n)
	end)

	it('may be continued by another thread', threaded(function()
		local a, b = pair()
		local next_line = lines_of(b)
		say(a, 'one\n', 'two\n', 'three\n')
		assert.equal('one', next_line())
		local second
		socket.newthread(function() second = next_line() end)
		spec.wait_until(function() return second end)
		assert.equal('two', second)
		assert.equal('three', next_line())
		assert.is_nil(next_line())
	end))

	it('cannot be entered by a second thread while it waits', threaded(function()
		local a, b = pair()
		local next_line, first = lines_of(b), nil
		socket.newthread(function() first = next_line() end)
		assert.error_matches(next_line, 'cannot resume running coroutine')
		a:send'one\n'
		spec.wait_until(function() return first end)
		assert.equal('one', first)
		a:send'two\n'
		assert.equal('two', next_line())
	end))

	it('gives thousands of values in bounded memory', threaded(function()
		local a, b = pair()
		local N = 20000
		socket.newthread(function()
			assert(a:send(('x\n'):rep(N)))
			a:close()
		end)
		local next_line, before = lines_of(b), nil
		for i = 1, N do
			assert(next_line() == 'x')
			if i == N / 4 then
				collect()
				before = collectgarbage'count'
			end
		end
		collect()
		assert.is_true(collectgarbage'count' < before + 100)
		assert.is_nil(next_line())
	end))
end)

describe('an error in a generator', function()
	it('reaches the caller after a wait, as it is', threaded(function()
		local a, b = pair()
		for _, err in ipairs{'text', 42, {}} do
			local next_line = coro.wrap(function()
				coro.yield(spec.recv_all(b, 1))
				spec.turn()
				error(err, 0)
			end)
			a:send'x'
			assert.equal('x', next_line())
			local ok, got = pcall(next_line)
			assert.is_false(ok)
			assert.equal(err, got)
			assert.error_matches(next_line, 'cannot resume dead coroutine')
		end
		a:send'still fine\n'
		assert.equal('still fine', lines_of(b)())
	end))

	it('goes through the generators above it', threaded(function()
		local function through(next_value)
			return coro.wrap(function()
				for v in next_value do coro.yield(v) end
			end)
		end
		local failing = coro.wrap(function()
			spec.turn()
			coro.yield(1)
			spec.turn()
			error('deep down', 0)
		end)
		local outer = through(through(failing))
		assert.equal(1, outer())
		local ok, err = pcall(outer)
		assert.is_false(ok)
		assert.equal('deep down', err)
		spec.turn()
	end))

	it('may be that of the socket', threaded(function()
		local _, b = pair()
		local result
		socket.newthread(function() result = {pcall(lines_of(b))} end)
		b:close()
		spec.wait_until(function() return result end)
		assert.is_false(result[1])
		assert.matches('closed', tostring(result[2]))
	end))
end)

describe('a generator that is left', function()
	it('after a yield is collected, and its socket closed', threaded(function()
		collect()
		local before = spec.fds()
		local function start()
			local s = assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			local generator = coro.wrap(function()
				assert(s:send('x', s:localaddr()))
				while true do
					coro.yield(s:recv(spec.buffer(1), 1))
					spec.turn()
				end
			end)
			assert.equal(1, (generator()))
		end
		for _ = 1, 20 do start() end
		collect()
		assert.is_true(spec.fds() <= before + 2) -- the last ones may still be in some register
	end))

	it('in the middle of a wait is kept, and ends when its socket is closed', threaded(function()
		local _, b = pair()
		local ended
		socket.newthread(function()
			for _ in coro.wrap(function()
				local n, err = b:recv(spec.buffer(1), 1)
				ended = {n, err}
			end) do end
			ended[3] = 'thread ended'
		end)
		collect()
		spec.turn()
		assert.is_nil(ended)
		b:close()
		spec.wait_until(function() return ended end)
		assert.same({nil, 'closed', 'thread ended'}, ended)
	end))

	it('by an error in the loop that uses it does no harm', threaded(function()
		local a, b = pair()
		say(a, 'one\ntwo\n')
		local next_line = lines_of(b)
		local ok, err = pcall(function()
			for line in next_line do error('do not like ' .. line, 0) end
		end)
		assert.is_false(ok)
		assert.equal('do not like one', err)
		assert.equal('two', next_line())
	end))
end)

describe('generators in two threads', function()
	it('interleave and do not mix', threaded(function()
		local log, over = {}, 0
		local a, b = {}, {}
		for i = 1, 2 do
			a[i], b[i] = pair()
			socket.newthread(function()
				for line in lines_of(b[i]) do
					log[#log + 1] = i .. line
				end
				over = over + 1
			end)
		end
		for n = 1, 3 do
			for i = 1, 2 do
				a[i]:send(('line %d\n'):format(n))
				local seen = #log
				spec.wait_until(function() return #log > seen end)
			end
		end
		a[1]:close()
		a[2]:close()
		spec.wait_until(function() return over == 2 end)
		assert.equal('1line 1 2line 1 1line 2 2line 2 1line 3 2line 3', table.concat(log, ' '))
	end))

	it('talk to each other', threaded(function()
		local a, b = pair()
		local results = {}
		for i, s in ipairs{a, b} do
			socket.newthread(function()
				local sum = 0
				if i == 1 then s:send'1\n' end
				for line in lines_of(s) do
					sum = sum + line
					if line + 0 == 100 then break end
					s:send(line + 1 .. '\n')
					if line + 0 == 99 then break end
				end
				results[i] = sum
			end)
		end
		spec.wait_until(function() return results[1] and results[2] end)
		assert.same({2550, 2500}, results) -- of the even numbers and of the odd ones
	end))

	it('read and write one socket at the same time', threaded(function()
		local a, b = pair()
		local N, sent, echoed = 2^20, 0, nil
		local function chunks(n)
			return coro.wrap(function()
				for i = 1, n do
					spec.turn()
					coro.yield(('%04d'):format(i):rep(N / 4 / n))
				end
			end)
		end
		socket.newthread(function() -- echoes
			local buf = spec.buffer(65536)
			while true do
				local n = assert(b:recv(buf, 65536))
				if n == 0 then break end
				assert(b:send(buf, n))
			end
			b:shutdown'w'
		end)
		socket.newthread(function() echoed = spec.recv_all(a) end)
		for chunk in chunks(16) do
			sent = sent + assert(a:send(chunk))
		end
		a:shutdown'w'
		spec.wait_until(function() return echoed end)
		assert.equal(N, sent)
		assert.equal(N, #echoed)
		assert.equal(('0016'):rep(8), echoed:sub(-32))
	end))
end)

describe('safewrap', function()
	it('waits for I/O and yields, also in a loop over another generator', threaded(function()
		local a, b = pair()
		say(a, 'one\ntw', 'o\nthree\n')
		assert.equal('one two three', all(coro.safewrap(function(yield)
			for line in lines_of(b) do
				spec.turn()
				yield(line)
			end
		end)))
	end))

	it('yields from a generator inside it straight to the outermost caller', threaded(function()
		local a, b = pair()
		say(a, 'one\ntw', 'o\nthree\n')
		assert.equal('one two three the end', all(coro.safewrap(function(yield)
			coro.wrap(function() lines(b, yield) end)()
			spec.turn()
			yield'the end'
		end)))
	end))

	it('gives its errors to the caller after a wait', threaded(function()
		local generator = coro.safewrap(function(yield)
			spec.turn()
			yield(1)
			spec.turn()
			error('as it is', 0)
		end)
		assert.equal(1, generator())
		local ok, err = pcall(generator)
		assert.is_false(ok)
		assert.equal('as it is', err)
		spec.turn()
	end))
end)

describe('coro.install', function()
	it('makes generators of plain coroutine.wrap do I/O', function()
		local output, code = spec.luajit([[
			require'coro'.install()
			local socket, ffi = require'socket2', require'ffi'
			local s, c = assert(socket.udp()), assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			local function datagrams()
				return coroutine.wrap(function()
					local buf = ffi.new'char[16]'
					while true do
						local n, from = s:recv(buf, 16)
						if n == 0 then return end
						coroutine.yield(ffi.string(buf, n), from)
					end
				end)
			end
			socket.newthread(function()
				for data, from in datagrams() do
					print(data, from:ip())
				end
				print'end'
			end)
			socket.newthread(function()
				for _, data in ipairs{'one', 'two', ''} do
					assert(c:send(data, s:localaddr()))
				end
			end)
			print(socket.start(5))
		]], 'timeout 20')
		assert.equal('one\t127.0.0.1\ntwo\t127.0.0.1\nend\ntrue\n', output)
		assert.equal(0, code)
	end)
end)
