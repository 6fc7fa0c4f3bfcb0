-- TCP sockets and the collector.

local ffi = require'ffi'
local socket = require'socket2'
local connections = require'connections'
local spec = require'spec'

local go, pair, listener, recv_all, buffer, turn, runs =
	spec.go, spec.pair, spec.listener, spec.recv_all, spec.buffer, spec.turn, spec.runs
local close = connections.close

describe('the collector', function()

	-- Garbage of the size that the specs' buffers have, so that a freed one would be overwritten.
	local function collect(size)
		for _ = 1, 4 do
			local canaries = {}
			collectgarbage()
			for i = 1, 20 do
				canaries[i] = ffi.new('char[?]', size, 67)
			end
			turn()
			for i = 1, 20 do
				assert.equal(67, canaries[i][0])
				assert.equal(('C'):rep(size), ffi.string(canaries[i], size))
			end
		end
	end

	it('closes forgotten sockets', function()
		spec.run(turn)
		collectgarbage()
		collectgarbage()
		local before = spec.fds()
		spec.run(function()
			local kept = {}
			for i = 1, 20 do
				kept[i] = {pair()}
			end
			assert.is_true(spec.fds() >= before + 2 * #kept)
		end)
		collectgarbage()
		collectgarbage()
		assert.equal(before, spec.fds())
	end)

	runs('leaves alone a reader and buffer that only the pending recv knows', function()
		local c = {}
		local ends = {}
		for i = 1, 10 do
			local d
			c[i], d = pair()
			ends[i] = go(function(s)
				-- tail calls: the frame, and with it the locals, are gone
				return s:recv(buffer(256), 256)
			end, d)
		end
		turn()
		collect(256)
		for i = 1, 10 do
			assert(c[i]:send(('x'):rep(200)))
		end
		collect(256)
		for i = 1, 10 do
			assert.equal(200, ends[i]())
			c[i]:close()
		end
	end)

	runs('leaves alone a writer and data that only the pending send knows', function()
		local size = 1e7
		local c, sending
		do
			local d
			c, d = pair()
			sending = go(function(s)
				return s:send(ffi.new('char[?]', size, 65))
			end, d)
		end
		for _ = 1, 3 do
			collect(4096)
			local got = recv_all(c, size / 4)
			assert.is_true(got == ('A'):rep(#got))
		end
		local rest = recv_all(c, size / 4)
		assert.is_true(rest == ('A'):rep(#rest))
		assert.equal(size, sending())
		c:close()
	end)

	runs('leaves alone a listener and a connecting socket that only the pending call knows', function()
		local ports, accepting = {}, {}
		for i = 1, 5 do
			local s
			s, ports[i] = listener()
			accepting[i] = go(function(l) return l:accept() end, s)
		end
		collect(64)
		for i = 1, 5 do
			local connecting = go(function() return assert(socket.tcp()):connect('127.0.0.1', ports[i]) end)
			collectgarbage()
			assert.is_true(connecting())
			assert.equal('tcp', accepting[i]():type())
		end
	end)

	runs('may run at any time in a hot loop of recv and send', function()
		local c, d = pair()
		local rounds = 5000
		local function read(s)
			return s:recv(ffi.new('char[64]'), 64)
		end
		local function write(s, n)
			return s:send(ffi.new('char[?]', n, 65))
		end
		local echoing = go(function()
			for _ = 1, rounds do
				assert(write(d, assert(read(d))))
			end
		end)
		local canaries = {}
		local got = buffer(64)
		for i = 1, rounds do
			canaries[i % 50] = ffi.new('char[64]', 'canary')
			local n = i % 64 + 1
			if i % 50 == 0 then
				collectgarbage()
				for _, canary in pairs(canaries) do
					assert.equal('canary', ffi.string(canary))
				end
			end
			assert(c:send(('x'):rep(n)))
			assert.equal(n, c:recv(got, 64))
			assert.equal(('A'):rep(n), ffi.string(got, n))
		end
		echoing()
		close(c, d)
	end)

end)
