-- udp:recv() made 304 bytes of garbage for each datagram, for the sender's address. An ai of the program
-- can take it, too.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

local threaded, fails, raises = spec.threaded, spec.fails, spec.raises

local SIZE = 64

describe('udp:recv with an address to fill', function()
	local a, b, to_b, buf, ai

	before_each(function()
		a, b, buf = assert(socket.udp()), assert(socket.udp()), spec.buffer(SIZE)
		assert(a:bind('127.0.0.1', 0))
		assert(b:bind('127.0.0.1', 0))
		to_b = b:localaddr()
		ai = assert(socket.addr('127.0.0.2', 9))
	end)

	after_each(function()
		a:close()
		b:close()
	end)

	local function is_from_a(text, n, from, cut)
		assert.equal(text, ffi.string(buf, n))
		assert.equal(ai, from)
		assert.equal(tostring(a:localaddr()), tostring(ai))
		assert.equal('udp', ai:type())
		assert.is_nil(cut)
	end

	it('takes it behind all other arguments', threaded(function()
		local to_a, soon = a:localaddr(), socket.clock() + 10
		for i, form in ipairs{
			{nil, ai}, {soon, ai}, {nil, nil, nil, ai}, {nil, nil, soon, ai}, {nil, nil, ai},
			{to_a, nil, ai}, {to_a, soon, ai}, {to_a, nil, nil, ai}, {to_a, nil, soon, ai},
			{to_a:ip(), to_a:port(), ai}, {to_a:ip(), to_a:port(), nil, ai}, {to_a:ip(), to_a:port(), soon, ai},
		} do
			assert(a:send('datagram ' .. i, to_b))
			is_from_a('datagram ' .. i, b:recv(buf, SIZE, unpack(form, 1, 4)))
		end
	end))

	it('fills it when it has to wait, too', threaded(function()
		local over = spec.go(b.recv, b, buf, SIZE, nil, ai)
		assert.is_false(over'done?')
		collectgarbage()
		assert(a:send('late', to_b))
		is_from_a('late', over())
	end))

	it('may be given the address whose datagrams it is to give', threaded(function()
		local only = a:localaddr()
		local other = assert(socket.udp())
		assert(other:send('noise', to_b))
		assert(a:send('signal', to_b))
		local n, from = b:recv(buf, SIZE, only, nil, only)
		assert.equal('signal', ffi.string(buf, n))
		assert.equal(only, from)
		assert.equal(tostring(a:localaddr()), tostring(only))
		other:close()
	end))

	it('tells of a cut datagram, and of none that fits', threaded(function()
		for room, cut in pairs{[3] = true, [4] = false, [5] = false} do
			for _, waits in ipairs{false, true} do
				local over = waits and spec.go(b.recv, b, buf, room, nil, ai)
				assert(a:send('1234', to_b))
				local n, from, truncated
				if waits then
					n, from, truncated = over()
				else
					n, from, truncated = b:recv(buf, room, nil, ai)
				end
				assert.equal(('1234'):sub(1, room), ffi.string(buf, n))
				assert.equal(ai, from)
				assert.equal(cut or nil, truncated)
			end
		end
	end))

	it('leaves an error to the results', threaded(function()
		fails('timeout', b:recv(buf, SIZE, socket.clock() + 0.01, ai))
		fails('invalid_argument', b:recv(buf, SIZE, 0/0, ai))
		ai:free()
		fails('closed', b:recv(buf, SIZE, nil, ai))
		raises('bad ai %(address expected, got number%)', b.recv, b, buf, SIZE, nil, nil, nil, 5)
	end))

	it('survives that the address is freed meanwhile', threaded(function()
		local over = spec.go(b.recv, b, buf, SIZE, nil, ai)
		ai:free()
		collectgarbage()
		assert(a:send('here', to_b))
		local n, from = over()
		assert.equal(4, n)
		assert.equal('addr (freed)', tostring(from))
	end))

	it('fills one of a list, which has no canonical name any more', threaded(function()
		local named = assert(socket.addr('127.0.0.3', 7, 'udp', nil, nil, 'canonname'))
		assert.equal('127.0.0.3', named:name())
		assert(a:send('x', to_b))
		assert.equal(named, select(2, assert(b:recv(buf, SIZE, nil, named))))
		assert.is_nil(named:name())
	end))

	it('makes no garbage', threaded(function()
		local ROUNDS = 1000
		local function echo()
			for _ = 1, ROUNDS do
				assert(a:send('x', to_b))
				assert(b:recv(buf, SIZE, nil, ai))
			end
		end
		echo()
		collectgarbage()
		collectgarbage'stop'
		local before = collectgarbage'count'
		echo()
		local bytes = (collectgarbage'count' - before) * 1024 / ROUNDS
		collectgarbage'restart'
		assert.is_true(bytes < 16, bytes .. ' bytes of garbage')
	end))
end)

describe('expires behind an address and no port', function()
	it('counts', threaded(function()
		local s = assert(socket.udp())
		assert(s:bind('127.0.0.1', 0))
		local ai = s:localaddr()
		fails('invalid_argument', s:send('x', ai, nil, 0/0))
		fails('invalid_argument', s:send('x', 1, ai, nil, 0/0))
		fails('timeout', s:recv(spec.buffer(1), 1, ai, nil, socket.clock() + 0.01))
		for _, method in ipairs{'connect', 'bind'} do
			raises('bad expires', s[method], s, ai, nil, 'soon')
		end
		raises('bad expires', socket.tcp().connect, socket.tcp(), ai, nil, 'soon')
		s:close()
	end))
end)
