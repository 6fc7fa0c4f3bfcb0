-- connect() of the classic API on an object with a connect under way. It went on with the old address when
-- a new one was given, gave up at once instead of waiting when the first call had waited, and with a timeout
-- of 0 never came to the second address of a name.

local socket = require'socket2'
local tcp = require'socket2.luasocket.tcp'.tcp
local select_ready = require'socket2.luasocket.select'
local spec = require'spec'
local namespace = require'namespace'

local PORT, OTHER = 7777, 7778 -- nobody else is in the namespace
local FILES = {
	['/etc/hosts'] = '127.0.0.1 two.test\n127.0.0.2 two.test\n',
	['/etc/nsswitch.conf'] = 'hosts: files\n',
}

-- An it() that runs its function in a process that has these hosts, outside of threads.
local function alone(what, f)
	it(what, function()
		local ok, reason = namespace.run(FILES, f)
		if not ok then pending(reason) end
	end)
end

local function black_hole(host)
	return spec.run(function()
		return namespace.black_hole(host, PORT)
	end)
end

local function listen(host, port)
	local s = assert(tcp())
	assert(s:bind(host, port))
	assert(s:listen())
	return s
end

-- Asks again, as programs of select() do, until the connect is over.
local function connect(c, host, port)
	local deadline = socket.clock() + 10
	local ok, err
	repeat
		select_ready(nil, {c}, 0.1)
		ok, err = c:connect(host, port)
	until ok or err ~= 'timeout' and err ~= 'Operation already in progress' or socket.clock() > deadline
	return ok, err
end

local makers = {function() return tcp() end, function() return tcp'inet' end}

describe('connect() while another one is under way', function()
	alone('goes to the new address', function()
		local hole, s = black_hole'127.0.0.1', listen('127.0.0.1', OTHER)
		for _, make in ipairs(makers) do
			for _, seconds in ipairs{0, 0.01} do
				local c = make()
				c:settimeout(seconds)
				assert.same({nil, 'timeout'}, {c:connect('127.0.0.1', PORT)})
				if seconds > 0 then
					c:settimeout(5)
				end
				assert.same({1}, {connect(c, '127.0.0.1', OTHER)})
				assert.same({'127.0.0.1', OTHER, 'inet'}, {c:getpeername()})
				local a = assert(s:accept())
				assert(c:send'x\n')
				assert.equal('x', a:receive())
				c:close()
				a:close()
			end
		end
		hole.close()
	end)

	alone('keeps the options that were set', function()
		local hole, s = black_hole'127.0.0.1', listen('127.0.0.1', OTHER)
		local c = tcp'inet'
		assert(c:setoption('keepalive', true))
		c:settimeout(0)
		c:connect('127.0.0.1', PORT)
		c:settimeout(5)
		assert.equal(1, (c:connect('127.0.0.1', OTHER)))
		assert.is_true(c:getoption'keepalive')
		s:close()
		hole.close()
	end)

	alone('keeps the address that it is bound to, and refuses', function()
		local hole, s = black_hole'127.0.0.1', listen('127.0.0.1', OTHER)
		local c = tcp()
		assert(c:bind('127.0.0.1', 0))
		local _, port = c:getsockname()
		c:settimeout(0)
		c:connect('127.0.0.1', PORT)
		assert.same({nil, 'Operation already in progress'}, {c:connect('127.0.0.1', OTHER)})
		assert.equal(port, select(2, c:getsockname()))
		s:close()
		hole.close()
	end)

	alone('to the same address waits for it', function()
		local hole = black_hole'127.0.0.1'
		for _, make in ipairs(makers) do
			local c = make()
			c:settimeout(0.01)
			assert.same({nil, 'timeout'}, {c:connect('127.0.0.1', PORT)})
			c:settimeout(0.3)
			local start = socket.clock()
			assert.same({nil, 'timeout'}, {c:connect('127.0.0.1', PORT)})
			assert.is_true(socket.clock() - start > 0.29)
			c:close()
		end
		hole.close()
	end)
end)

describe('a connect with a timeout of 0', function()
	-- The first address, in the resolver's order, refuses when what has come there is sent again.
	alone('comes to the next address when the first one fails', function()
		local ai = assert(spec.run(function()
			return socket.addr('two.test', PORT, 'tcp', 'inet')
		end))
		local hole, s = black_hole(ai:ip()), listen(ai:next():ip(), PORT)
		local c = tcp()
		c:settimeout(0)
		assert.same({nil, 'timeout'}, {c:connect('two.test', PORT)})
		hole.close()
		assert.same({1}, {connect(c, 'two.test', PORT)})
		assert.equal(ai:next():ip(), (c:getpeername()))

		hole = black_hole(ai:ip())
		c = tcp()
		c:settimeout(0)
		assert.same({nil, 'timeout'}, {c:connect('two.test', PORT)})
		hole.close()
		c:settimeout(10)
		assert.equal(1, (c:send'x')) -- without a second connect
		assert.equal(ai:next():ip(), (c:getpeername()))
		s:close()
	end)

	alone('fails when all have failed', function()
		local ai = assert(spec.run(function()
			return socket.addr('two.test', PORT, 'tcp', 'inet')
		end))
		local hole = black_hole(ai:ip())
		local c = tcp()
		c:settimeout(0)
		assert.same({nil, 'timeout'}, {c:connect('two.test', PORT)})
		hole.close()
		assert.same({nil, 'connection refused'}, {connect(c, 'two.test', PORT)})
	end)
end)
