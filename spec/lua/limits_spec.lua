-- Where things end: descriptors that run out, and 10,000 connections that leave nothing behind.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

ffi.cdef[[
typedef struct { unsigned long soft, hard; } spec_rlimit;
int getrlimit(int resource, spec_rlimit *limit);
int setrlimit(int resource, const spec_rlimit *limit);
]]
local RLIMIT_NOFILE = 7

-- Sets how many descriptors the process may have; gives how many it could.
local function limit_descriptors(n)
	local limit = ffi.new'spec_rlimit'
	assert(ffi.C.getrlimit(RLIMIT_NOFILE, limit) == 0)
	local old = tonumber(limit.soft)
	limit.soft = n
	assert(ffi.C.setrlimit(RLIMIT_NOFILE, limit) == 0)
	return old
end

describe('when the descriptors of the process run out', function()

	local old_limit, fillers, to_close
	local it = spec.with('a limit of descriptors', it)

	before_each(function()
		fillers, to_close = {}, {}
	end)

	local function free_descriptors()
		for _, s in ipairs(fillers) do
			s:close()
		end
		fillers = {}
		limit_descriptors(old_limit)
	end

	after_each(function()
		free_descriptors()
		for _, s in ipairs(to_close) do
			s:close()
		end
		socket.start(1) -- threads that were woken come to their end
	end)

	-- Takes all that a low limit allows; gives what the constructor said to that.
	local function use_up()
		old_limit = limit_descriptors(100)
		while true do
			local s, err, errcode = socket.udp()
			if not s then
				return err, errcode
			end
			fillers[#fillers + 1] = s
		end
	end

	it('new sockets fail in words, until one is closed', function()
		local err, errcode = use_up()
		assert.equal('too_many_open_files', err)
		assert.is_true(errcode < 0)
		for _, new in ipairs{socket.tcp, socket.udp} do
			local s, err1, errcode1 = new()
			assert.is_nil(s)
			assert.equal(err, err1)
			assert.equal(errcode, errcode1)
		end
		fillers[1]:close()
		local s = assert(socket.tcp())
		s:close()
	end)

	-- A listener, a client that connects, and a thread that accepts until it has the connection (then
	-- `peer` is its address) or the listener is closed; `errors` are what it gets meanwhile.
	local function accept_without_descriptors(accept_first)
		local listener, port = spec.listener()
		local client = assert(socket.tcp())
		to_close = {listener, client}
		local state = {errors = {}, client = client, listener = listener}
		local function start_accepting()
			socket.newthread(function()
				local s, a
				repeat
					s, a = listener:accept()
					if s then
						state.peer = a
						table.insert(to_close, s)
					else
						table.insert(state.errors, a)
					end
				until s or a == 'closed'
				state.ended = true
			end)
		end
		if accept_first then
			start_accepting()
		end
		use_up()
		socket.newthread(function() assert(client:connect('127.0.0.1', port)) end)
		if not accept_first then
			spec.poll_until(function() return (client:remoteaddr()) end)
			start_accepting()
		end
		return state
	end

	for what, accept_first in pairs{['that is queued'] = false, ['that it waits for'] = true} do
		it(('accept of a connection %s fails in words and does not spin'):format(what), function()
			local state = accept_without_descriptors(accept_first)
			local cpu = os.clock()
			assert.is_false((socket.start(0.5)))
			cpu = os.clock() - cpu
			local n = #state.errors
			assert.is_true(n >= 1 and n <= 10, n .. ' calls of accept')
			for _, err in ipairs(state.errors) do
				assert.equal('too_many_open_files', err)
			end
			assert.is_true(cpu < 0.1, cpu .. ' s of CPU time')
		end)

		it(('a connection %s is accepted once there are descriptors again'):format(what), function()
			local state = accept_without_descriptors(accept_first)
			spec.poll_until(function() return state.errors[2] end)
			assert.is_nil(state.ended)
			free_descriptors()
			spec.poll_until(function() return state.peer end)
			assert.equal(state.client:localaddr():tostring(), state.peer:tostring())
			-- and the listener is as good as before
			assert.is_true(state.listener:getopt'acceptconn')
			spec.run(function()
				local c = assert(socket.tcp())
				assert(c:connect(state.listener:localaddr()))
				assert(state.listener:accept()):close()
				c:close()
			end)
		end)
	end

	it('a listener that is closed while accept rests wakes it', function()
		local state = accept_without_descriptors(true)
		spec.poll_until(function() return state.errors[1] end)
		state.listener:close()
		spec.poll_until(function() return state.ended end)
		assert.equal('closed', state.errors[#state.errors])
	end)

end)

describe('10,000 short connections', function()

	local CLIENTS = 50

	-- Connects, exchanges a line and closes, n times in all, by 50 clients at once.
	local function connections(listener, n)
		local address = listener:localaddr()
		local left, serving, running = n, 0, CLIENTS
		local exchanged = 0

		local function serve(s)
			serving = serving + 1
			local buf = spec.buffer(64)
			while true do
				local len = assert(s:recv(buf, 64))
				if len == 0 then break end
				assert(s:send(buf, len))
			end
			s:close()
			serving = serving - 1
		end

		local function client()
			local buf = spec.buffer(64)
			while left > 0 do
				left = left - 1
				local s = assert(socket.tcp())
				assert(s:connect(address))
				local line = 'line ' .. left
				assert(s:send(line))
				assert(s:recv(buf, 64) == #line and ffi.string(buf, #line) == line)
				exchanged = exchanged + 1
				s:close()
			end
			running = running - 1
		end

		socket.newthread(function()
			for _ = 1, n do
				socket.newthread(serve, assert(listener:accept()))
			end
		end)
		for _ = 1, CLIENTS do
			socket.newthread(client)
		end
		spec.poll_until(function() return running == 0 and serving == 0 end, 60)
		assert.equal(n, exchanged)
	end

	-- Open descriptors, and KB of the Lua heap.
	local function usage()
		require'jit'.flush() -- traces count as Lua's heap
		for _ = 1, 3 do
			collectgarbage()
		end
		return spec.fds(), collectgarbage'count'
	end

	it('leave descriptors and Lua heap as they were', function()
		local listener = spec.listener()
		connections(listener, 1000)
		local fds, heap = usage()
		connections(listener, spec.few(10000))
		local fds1, heap1 = usage()
		assert.equal(fds, fds1)
		-- A table may have grown once more. An object for each connection would be 400 KB.
		assert.is_true(heap1 - heap < 120, heap1 - heap .. ' KB of Lua heap more')
		listener:close()
	end)

end)
