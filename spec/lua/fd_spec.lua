-- Reading and writing descriptors of other code.

local ffi = require'ffi'
local socket = require'socket2'
local descriptor = require'descriptor'
local spec = require'spec'

local fails, go, buffer, turn = spec.fails, spec.go, spec.buffer, spec.turn
local wrapfd = socket.wrapfd

local function soon()
	return socket.clock() + 0.02
end

-- A test with the ends of a pipe, wrapped.
local function runs(what, f, needs)
	local it = needs and spec.with(needs, it) or it
	it(what, function()
		local x, y = descriptor.pipe()
		local r, w = assert(wrapfd(x)), assert(wrapfd(y))
		spec.run(function() f(r, w, x, y) end, 20)
		r:close()
		w:close()
		pcall(descriptor.close, x) -- unless the test did
		pcall(descriptor.close, y)
	end)
end

describe('a wrapped descriptor', function()
	runs('sends and receives', function(r, w)
		local buf = buffer(10)
		assert.equal(5, w:send'hello')
		assert.equal(2, w:send('abc', 2))
		assert.equal(10, w:send(ffi.new('char[?]', 10, 'x')))
		assert.equal(5, r:recv(buf, 5))
		assert.equal('hello', ffi.string(buf, 5))
		assert.equal('ab', r:read(2))
		assert.equal(10, r:recvn(buf, 10))
		fails('timeout', r:recv(buf, 10, soon()))
		fails('timeout', r:recv(buf, 10, 0))
		r:settimeout(0.02)
		fails('timeout', r:recv(buf, 10))
	end)

	runs('suspends the thread alone', function(r, w)
		local over = go(function() return r:readline() end)
		turn()
		assert.is_false(over'done?')
		fails('busy', r:readline())
		w:send'a li'
		turn()
		w:send'ne\r\nand more'
		assert.equal('a line', over())
		assert.equal(8, r:buffered())
		assert.equal('r', r:wait'r') -- of the buffer
		assert.equal('and', r:readuntil' ')
		local all = go(function() return r:readall() end)
		turn()
		w:send'!'
		turn()
		assert.is_false(all'done?')
	end)

	runs('sends all of a lot', function(r, w)
		local data = ('0123456789'):rep(2e5)
		local over = go(function() return w:send(data) end)
		turn()
		assert.is_false(over'done?')
		assert.equal(data, spec.recv_all(r, #data))
		assert.equal(#data, over())
		local sent = fails('timeout', w:send(data, nil, soon()))
		assert(sent > 0 and sent < #data)
		assert.equal(sent, #spec.recv_all(r, sent))
	end)

	runs('tells the end and a reader that is gone', function(r, w, x, y)
		assert.equal(4, w:send'last')
		w:close()
		fails('closed', w:send'x')
		descriptor.close(y)
		assert.equal('last', r:readall())
		assert.equal(0, r:recv(buffer(1), 1))
		fails('end_of_stream', r:readline())
		r:close()
		descriptor.close(x)
		local a, b = descriptor.pipe()
		w = assert(wrapfd(b))
		descriptor.close(a)
		local err
		spec.wait_until(function() -- and no signal
			err = select(2, w:send'x')
			return err
		end)
		assert.equal(spec.windows and 'connection_reset' or 'broken_pipe', err) -- where it is a connection
		w:close()
		descriptor.close(b)
	end)

	runs('ends what waits when it is closed', function(r, w)
		local reading = go(function() return r:readline() end)
		local writing = go(function() return w:send(('x'):rep(1e6)) end)
		turn()
		r:close()
		fails('closed', reading())
		w:close()
		assert(fails('closed', writing()) > 0)
		fails('closed', r:recv(buffer(1), 1))
	end)

	runs('raises where it cannot wait, or for wrong types', function(r, w)
		assert.has_error(function() w:send(true) end)
		assert.has_error(function() r:recv('constant', 5) end)
		assert.has_error(function() r:recv(ffi.cast('char *', buffer(1))) end)
		fails('invalid_argument', r:recv(buffer(1), 0))
		fails('invalid_argument', w:send('abc', 4))
		if not spec.windows then -- where these are no pipes
			fails('bad_descriptor', r:send'x')
			fails('bad_descriptor', w:recv(buffer(1), 1))
		end
	end)

	it('raises outside of threads', function()
		local x, y = descriptor.pipe()
		local f = assert(wrapfd(x))
		for name, call in pairs{
			send = function() f:send'x' end,
			recv = function() f:recv(buffer(1), 1) end,
			readline = function() f:readline() end,
		} do
			assert.has_error(call, nil, name)
		end
		f:close()
		descriptor.close(x, y)
	end)

	it('that is a socket in blocking mode does not hold up the loop', function()
		local ours, theirs = descriptor.socketpair()
		descriptor.set_blocking(ours)
		local f, peer = assert(socket.wrapfd(ours)), assert(socket.wrapfd(theirs))
		local text, received, sent, echoed = ('x'):rep(300000)
		socket.newthread(function()
			received = spec.recv_all(f, 2)
			sent = f:send(text)
		end)
		socket.newthread(function()
			assert(peer:send'hi')
			echoed = spec.recv_all(peer, #text)
		end)
		spec.poll_until(function() return sent and echoed end)
		assert.equal('hi', received)
		assert.equal(#text, sent)
		assert.is_true(echoed == text)
		f:close()
		peer:close()
		descriptor.close(ours, theirs)
	end)

	spec.with('descriptors of pipes and files', it)('in blocking mode does not hold up the loop', function()
		local script = os.tmpname()
		local file = assert(io.open(script, 'w'))
		file:write[[
			local socket = require'socket2'
			local input, lines, ticks = socket.wrapfd(0), {}, 0
			assert(io.open(arg[0] .. '.runs', 'w')):close()
			socket.newthread(function()
				for line in input:lines() do
					lines[#lines + 1] = line
				end
				lines[#lines + 1] = ticks > 5 and 'ticked' or 'stood still'
				assert(socket.wrapfd(1):send(table.concat(lines, ' ')))
			end)
			socket.newthread(function()
				while #lines < 2 do
					ticks = ticks + 1
					socket.sleep(0.005)
				end
			end)
			socket.start()
		]]
		file:close()
		local program = assert(io.popen(([[
			(echo one; until [ -e %s.runs ]; do sleep 0.05; done; sleep 0.3; echo two) |
			LUA_PATH='%s' timeout 20 luajit %s]]):format(script, package.path, script)))
		assert.equal('one two ticked', program:read'*a')
		program:close()
		os.remove(script .. '.runs')
		os.remove(script)
	end)
end)
