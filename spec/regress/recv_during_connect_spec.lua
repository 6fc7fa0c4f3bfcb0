-- A recv() beside a connect() took the connect's error, and the connect waited until its deadline.

local socket = require'socket2'
local spec = require'spec'
local namespace = require'namespace'
local ffi = require'ffi'

describe('recv while a connect is under way', function()

	local function both(address, deadline, meanwhile)
		local s = assert(socket.tcp())
		local results = {}
		socket.newthread(function() results.connect = {s:connect(address, deadline)} end)
		socket.newthread(function() results.recv = {s:recv(ffi.new'char[8]', 8)} end)
		if meanwhile then
			socket.newthread(meanwhile)
		end
		spec.poll_until(function() return results.connect and results.recv end)
		s:close()
		return results
	end

	local function make_hole()
		local hole
		socket.newthread(function() hole = namespace.black_hole('127.0.0.1', 0) end)
		spec.poll_until(function() return hole end)
		return hole
	end

	it('leaves its error to the connect', function()
		local refusing = assert(socket.tcp())
		assert(refusing:bind('127.0.0.1', 0)) -- and does not listen
		local results = both(refusing:localaddr())
		spec.fails('connection_refused', unpack(results.connect, 1, 3))
		assert.is_nil(results.recv[1])
		assert.not_equal('connection_refused', results.recv[2])
	end)

	it('ends with it', function()
		local hole = make_hole()
		local results = both(hole[1]:localaddr(), socket.clock() + 0.05)
		spec.fails('timeout', unpack(results.connect, 1, 3))
		assert.is_nil(results.recv[1])
		hole:close()
	end)

	it('reads once it is connected', function()
		local server = assert(socket.tcp())
		assert(server:listen('127.0.0.1', 0))
		socket.newthread(function()
			local c = assert(server:accept())
			assert(c:send'hello')
			c:close()
			server:close()
		end)
		local results = both(server:localaddr())
		assert.is_true(results.connect[1])
		assert.equal(5, results.recv[1])
	end)

	-- The system may tell of both by one event.
	it('reads what came before the loop knew that it is connected', function()
		local server, peer = assert(socket.tcp()), nil
		assert(server:listen('127.0.0.1', 0))
		local results = both(server:localaddr(), nil, function()
			local limit = socket.clock() + 10
			repeat -- the loop has no turn
				peer = server:accept(-1/0)
			until peer or socket.clock() > limit
			assert(peer:send'hello')
		end)
		assert.is_true(results.connect[1])
		assert.equal(5, results.recv[1])
		peer:close()
		server:close()
	end)
end)
