-- socketloop on socket2: as its documentation says.

local api = require'socket2'
require'socket2.dropin'
local loop = require'socketloop'
local spec = require'spec'
local descriptor = require'descriptor'

local function run(f)
	local over
	loop.newthread(function()
		f()
		over = true
	end)
	local deadline = api.clock() + 10
	while not over and api.clock() < deadline do
		loop.step(0.1)
	end
	assert.is_true(over)
end

local function server(handler)
	local s = loop.newserver('127.0.0.1', 0, handler)
	return s, select(2, s:getsockname())
end

describe('socketloop', function()

	it('serves connections, each in a thread', function()
		local s, port = server(function(c)
			while true do
				local line = c:receive()
				if not line then break end
				c:send(line:upper() .. '\n')
			end
			c:close()
		end)
		run(function()
			local clients = {}
			for i = 1, 20 do
				clients[i] = assert(loop.connect('127.0.0.1', port))
			end
			for i, c in ipairs(clients) do
				c:send('hello ' .. i .. '\n')
			end
			for i = 20, 1, -1 do
				assert.equal('HELLO ' .. i, clients[i]:receive())
				clients[i]:close()
			end
			s:close()
		end)
	end)

	it('receives what there is when less is ok', function()
		local s, port = server(function(c)
			c:send'some'
			c:receive()
			c:close()
		end)
		run(function()
			local c = assert(loop.connect('127.0.0.1', port))
			local data = c:receive(100, nil, true)
			assert.equal('some', data)
			c:send'\n'
			local _, err, part = c:receive(100, nil, true)
			assert.same({'closed', ''}, {err, part})
			c:close()
			s:close()
		end)
	end)

	it('fails and forwards as the socket inside', function()
		run(function()
			local listener = spec.listener()
			local port = listener:localaddr():port()
			listener:close()
			local c, err = loop.connect('127.0.0.1', port)
			assert.same({nil, 'connection refused'}, {c, err})
			local t = loop.tcp('127.0.0.1', 0)
			assert.equal('127.0.0.1', (t:getsockname()))
			assert.equal(t:getsocket():getfd(), t:getfd())
			t:close()
		end)
	end)

	it('wraps sockets and descriptors', function()
		local x, y = descriptor.socketpair()
		local kind = spec.windows and 'tcp' or 'unix'
		run(function()
			local a, b = loop.wrap(x, kind), loop.wrap(y, kind)
			loop.newthread(function()
				api.sleep(0.01)
				b:send'across\n'
			end)
			assert.equal('across', a:receive())
			a:close()
			b:close()
		end)
	end)

	it('suspends and resumes, starts and stops', function()
		local log = {}
		local thread = loop.newthread(function(...)
			log[#log + 1] = table.concat({...}, ' ')
			log[#log + 1] = loop.suspend()
			loop.stop()
		end, 'a', 'b')
		assert.is_nil(loop.current())
		loop.resume(thread, 'resumed')
		assert.same({'a b', 'resumed'}, log)
		assert.is_true(loop.start(5))
		assert.is_nil(loop.step(0))
		assert.equal(loop, loop.coro)
	end)
end)
