-- Coroutines that use one object of LuaSocket's API at the same time take turns, like those that use a
-- socket2 socket.

local api = require'socket2'
local spec = require'spec'
local both = require'both'

local _, _, ours = both'socket'

local go, threaded = spec.go, spec.threaded

local function connected()
	local server = assert(ours.bind('127.0.0.1', 0))
	local _, port = server:getsockname()
	local client = assert(ours.connect('127.0.0.1', port))
	local peer = assert(server:accept())
	server:close()
	client:setoption('send-buffer-size', 16384)
	peer:setoption('recv-buffer-size', 16384)
	return client, peer
end

local N, PAD = 20, ('.'):rep(50000)

local function check_lines(client, peer)
	local all = {}
	for i = 1, N do
		all[i] = go(client.send, client, i .. PAD .. '\n')
	end
	for i = 1, N do
		assert.equal(i .. PAD, peer:receive())
	end
	for i = 1, N do
		assert.equal(#PAD + #tostring(i) + 1, (all[i]()))
	end
	client:close()
	peer:close()
end

describe('coroutines that send on one object', function()
	it('send each its whole text, in the order of their calls', threaded(function()
		check_lines(connected())
	end))

	it('do so with both timeouts, where a text goes out in parts', threaded(function()
		local client, peer = connected()
		client:settimeout(10, 'b')
		client:settimeout(20, 't')
		check_lines(client, peer)
	end))

	it('wait no longer than their timeout', threaded(function()
		local client, peer = connected()
		local first = go(client.send, client, ('x'):rep(2e6))
		spec.turn()
		client:settimeout(0)
		assert.same({nil, 'timeout', 0}, {client:send'never'})
		client:settimeout(0.02)
		local before = api.clock()
		assert.same({nil, 'timeout', 0}, {client:send'never'})
		assert.is_true(api.clock() - before >= 0.02)
		client:settimeout()
		local last = go(client.send, client, 'last')
		assert.equal(('x'):rep(2e6) .. 'last', peer:receive(2e6 + 4))
		assert.equal(2e6, (first()))
		assert.equal(4, (last()))
		client:close()
		peer:close()
	end))

	it('are closed with it', threaded(function()
		local client, peer = connected()
		local first, second = go(client.send, client, ('x'):rep(2e6)), go(client.send, client, 'x')
		spec.turn()
		client:close()
		assert.equal('closed', select(2, first()))
		assert.equal('closed', select(2, second()))
		peer:close()
	end))

	it('have their turns before code outside of threads', function()
		local client, peer = connected()
		api.newthread(function() client:send(('x'):rep(3e5)) end)
		api.newthread(function()
			assert(peer:receive(3e5))
			peer:send(peer:receive(4) .. '\n')
		end)
		assert.equal(4, (client:send'last'))
		assert.equal('last', client:receive())
		client:close()
		peer:close()
	end)
end)

describe('coroutines that wait for what comes to one object', function()
	it('accept a connection each', threaded(function()
		local server = assert(ours.bind('127.0.0.1', 0))
		local _, port = server:getsockname()
		local all, clients = {}, {}
		for i = 1, 5 do
			all[i] = go(server.accept, server)
		end
		for i = 1, 5 do
			clients[i] = assert(ours.connect('127.0.0.1', port))
		end
		for i = 1, 5 do
			local c = assert(all[i]())
			assert.same({clients[i]:getsockname()}, {c:getpeername()})
			c:close()
			clients[i]:close()
		end
		server:settimeout(0)
		assert.same({nil, 'timeout'}, {server:accept()})
		server:close()
	end))

	it('receive a datagram each', threaded(function()
		local s, sender = assert(ours.udp()), assert(ours.udp())
		assert(s:setsockname('127.0.0.1', 0))
		assert(sender:setpeername('127.0.0.1', select(2, s:getsockname())))
		local all = {}
		for i = 1, 5 do
			all[i] = go(s.receivefrom, s)
		end
		for i = 1, 5 do
			sender:send(tostring(i))
		end
		for i = 1, 5 do
			assert.equal(tostring(i), (all[i]()))
		end
		s:close()
		sender:close()
	end))
end)
