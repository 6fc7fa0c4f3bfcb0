-- socket.serve{}: which thread gets a connection, and what is kept of it.

local socket = require'socket2'
local serving = require'serving'
local spec = require'spec'

local run, clock = spec.run, socket.clock
local max, min, floor = math.max, math.min, math.floor
local LIMIT, serve, connect, ask, sum, wait_for_loads, poller, case, kinds, of =
	serving.LIMIT, serving.serve, serving.connect, serving.ask, serving.sum, serving.wait_for_loads,
	serving.poller, serving.case, serving.kinds, serving.of

describe('socket.serve', function()
	it('keeps nothing of the connections that are over', case(function()
		local N = 50
		local server, port = serve{threads = 1, handler = function(c)
			served = served or setmetatable({}, {__mode = 'k'}) -- luacheck: ignore
			served[c] = true -- luacheck: ignore
			if c:readline() == 'count' then
				collectgarbage()
				collectgarbage()
				local n = 0
				for _ in pairs(served) do n = n + 1 end -- luacheck: ignore
				c:send(n .. '\n')
			end
		end}
		for _ = 1, N do
			local c = connect(port)
			c:send'x\n'
			assert.equal('', c:readall())
			c:close()
		end
		local c = connect(port)
		local n = tonumber(ask(c, 'count'))
		assert.is_true(n >= 1 and n < N / 2, n) -- some are what old slots of a stack still show to the collector
		c:close()
		assert.is_true(server:stop(clock() + LIMIT))
	end))

	it('hands connections over to who has the fewest', function()
		run(function()
			local server, port = serve{}
			local clients = {}
			local function open(n)
				for _ = 1, n do
					local c = connect(port)
					clients[#clients + 1] = c
				end
			end
			local function is_even(n)
				local loads = wait_for_loads(server, n)
				local most, least = max(unpack(loads)), min(unpack(loads))
				assert.is_true(most / least <= 1.3, table.concat(loads, ' '))
			end
			open(200)
			is_even(200)
			for i = 1, 100 do
				table.remove(clients, #clients - floor(i * i / 200)):close() -- in no pattern
			end
			wait_for_loads(server, 100)
			open(100)
			is_even(200)
			for i, c in ipairs(clients) do
				assert.equal('c' .. i, ask(c, 'c' .. i))
				c:close()
			end
			assert.is_true(server:stop(clock() + LIMIT))
		end, 60)
	end)

	spec.with('the option reuseport', it)('has the system spread connections by reuseport', function()
		run(function()
			local server, port = serve{balance = 'reuseport'}
			local clients = {}
			for i = 1, 200 do clients[i] = connect(port) end
			for _, load in ipairs(wait_for_loads(server, 200)) do
				assert.is_true(load > 0)
			end
			for _, c in ipairs(clients) do c:close() end
			wait_for_loads(server, 0)
			assert.is_true(server:stop(clock() + LIMIT))
		end, 60)
	end)

	it('has several servers in one process, which know nothing of each other', case(function()
		local servers, clients = {}, {}
		for i, kind in ipairs(kinds) do
			local name = 'server ' .. i
			local server, port = serve(of(kind, {threads = 2, handler = function(c)
				c:send(name .. ' ' .. c:readline() .. '\n')
				c:readall()
			end}))
			servers[i], clients[i] = server, connect(port)
		end
		for i, c in ipairs(clients) do
			assert.equal(('server %d x'):format(i), ask(c, 'x'))
		end
		for i, server in ipairs(servers) do
			assert.same(1, sum(wait_for_loads(server, 1)))
			clients[i]:close()
			assert.is_true(server:stop(clock() + LIMIT))
		end
	end))

	local with_poller = spec.with('a poller for several loops', it, not poller())
	with_poller('has its threads on the one of this loop when told to', case(function()
		for _, kind in ipairs(kinds) do
			local server, port = serve(of(kind, {threads = 1, handler = function(c)
				c:send(poller() .. '\n')
			end}))
			local c = connect(port)
			local own = tostring(poller())
			assert.equal(kind.share_epoll, own == c:readline())
			c:close()
			assert.is_true(server:stop(clock() + LIMIT))
		end
	end))
end)
