-- Unix sockets of the stream kind.

local socket = require'socket2'
local connections = require'connections'
local spec = require'spec'

local fails, go, recv_all, turn, runs = spec.fails, spec.go, spec.recv_all, spec.turn, spec.runs
local close, accepted, pattern = connections.close, connections.accepted, connections.pattern

local function temp_path()
	local path = os.tmpname()
	os.remove(path)
	return path
end

spec.with('unix sockets', describe)('a unix stream socket', function()

	-- client, server, listener, and the peer's address as accept() gave it
	local function unix_pair(path)
		local s = assert(socket.tcp'unix')
		assert(s:listen(path))
		local connection = accepted(s)
		local c = assert(socket.tcp'unix')
		assert.is_true(c:connect(path))
		local d, a = connection()
		return c, d, s, a
	end

	for _, kind in ipairs{'path', 'abstract name'} do
		local function new_path()
			return kind == 'path' and temp_path() or '@socket2-spec' .. temp_path()
		end

		runs(('with a %s carries data'):format(kind), function()
			local path = new_path()
			local c, d, s = unix_pair(path)
			local data = pattern(4e6)
			for _, ends in ipairs{{c, d}, {d, c}} do
				local from, to = unpack(ends)
				local sending = go(function() return from:send(data) end)
				assert.is_true(recv_all(to, #data) == data)
				assert.equal(#data, sending())
			end
			assert(c:shutdown'w')
			assert.equal('', recv_all(d))
			c:close()
			d:close()
			s:close()
			os.remove(path)
		end)

		runs(('with a %s tells its addresses'):format(kind), function()
			local path = new_path()
			local c, d, s, a = unix_pair(path)
			assert.equal('tcp listening ' .. path, tostring(s))
			assert.equal('tcp connected  -> ' .. path, tostring(c))
			assert.equal(path, c:remoteaddr():tostring())
			assert.equal(path, d:localaddr():ip())
			for _, unnamed in ipairs{a, c:localaddr(), d:remoteaddr()} do
				assert.same({'tcp', 'unix', 'ip', '', '', 0}, {unnamed:type(), unnamed:family(),
					unnamed:protocol(), unnamed:tostring(), unnamed:ip(), unnamed:port()})
			end
			assert.same({'tcp', 'unix', 'ip'}, {d:type(), d:family(), d:protocol()})
			close(c, d, s)
			os.remove(path)
		end)

		runs(('with a %s is in use by one listener'):format(kind), function()
			local path = new_path()
			local c, d, s = unix_pair(path)
			local s1 = assert(socket.tcp'unix')
			fails('address_already_in_use', s1:listen(path))
			close(c, d, s, s1)
			os.remove(path)
		end)
	end

	runs('fails to connect where nobody is', function()
		local c = assert(socket.tcp'unix')
		fails('file_not_found', c:connect(temp_path()))
		fails('connection_refused', c:connect('@socket2-spec-nobody'))
		fails('path_too_long', c:connect(('p'):rep(108)))
		fails('invalid_argument', c:connect())
		fails('address_family_not_supported', c:connect(socket.addr('127.0.0.1', 80)))
		assert.equal('tcp new unix', tostring(c))
		c:close()
	end)

	runs('that was bound has a name for its peer', function()
		local path = '@socket2-spec' .. temp_path()
		local s = assert(socket.tcp'unix')
		assert(s:listen(path))
		local connection = accepted(s)
		local c = assert(socket.tcp'unix')
		assert(c:bind(path .. '-client'))
		assert(c:connect(path))
		local d, a = connection()
		assert.equal(path .. '-client', a:tostring())
		assert.equal(path .. '-client', d:remoteaddr():tostring())
		close(c, d, s)
	end)

	runs('waits when the queue of the listener is full', function()
		local path = '@socket2-spec' .. temp_path()
		local s = assert(socket.tcp'unix')
		assert(s:listen(1, path))
		local connects = {}
		for i = 1, 8 do
			connects[i] = go(function()
				local c = assert(socket.tcp'unix')
				local ok, err = c:connect(path)
				c:close()
				return ok, err
			end)
		end
		turn()
		assert.is_false(connects[8]'done?')
		for _ = 1, 8 do
			assert(s:accept()):close()
		end
		for i = 1, 8 do
			assert.is_true(connects[i]())
		end
		s:close()
	end)

	runs('has the longest path that the system allows', function()
		local path = '@' .. ('p'):rep(107)
		local c, d, s = unix_pair(path)
		assert.equal(path, c:remoteaddr():tostring())
		close(c, d, s)
		path = '/tmp/' .. ('p'):rep(102)
		os.remove(path)
		c, d, s = unix_pair(path)
		assert.equal(path, c:remoteaddr():tostring())
		assert.equal('tcp listening ' .. path, tostring(s))
		close(c, d, s)
		os.remove(path)
	end)

end)
