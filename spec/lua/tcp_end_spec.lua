-- How connections end: shut down, or by a peer that is killed.

local socket = require'socket2'
local connections = require'connections'
local spec = require'spec'

local fails, go, pair, listener, recv_all, buffer, turn, runs =
	spec.fails, spec.go, spec.pair, spec.listener, spec.recv_all, spec.buffer, spec.turn, spec.runs
local close, fill = connections.close, connections.fill

describe('a peer that is killed', function()

	-- A connection to an nc, and its process id.
	local function connected_nc(input)
		local s, port = listener()
		local p = assert(io.popen(('nc 127.0.0.1 %d <%s >/dev/null 2>&1 & echo $!'):format(port, input)))
		local pid = p:read'*l'
		p:close()
		local d = assert(s:accept())
		s:close()
		return d, pid
	end

	local function kill(pid, signal)
		os.execute(('kill -%s %s'):format(signal or 'KILL', pid))
	end

	runs('while we read ends the stream', function()
		local d, pid = connected_nc'/dev/zero'
		recv_all(d, 1e6)
		kill(pid)
		local buf = buffer(65536)
		repeat
			local n = d:recv(buf, 65536)
		until n == 0 or n == nil
		d:close()
	end)

	runs('while we wait for it ends the stream', function()
		local d, pid = connected_nc'/dev/null'
		local reading = go(function() return d:recv(buffer(10), 10) end)
		turn()
		assert.is_false(reading'done?')
		kill(pid)
		assert.equal(0, reading())
		d:close()
	end)

	runs('while we write makes the send fail', function()
		local d, pid = connected_nc'/dev/null'
		kill(pid, 'STOP')
		local sending = fill(d)
		kill(pid)
		local v, err, _, sent = sending()
		assert.is_nil(v)
		assert.is_true(err == 'connection_reset' or err == 'broken_pipe', err)
		assert.is_true(sent > 0 and sent < 2e7)
		d:close()
	end)

end)

describe('tcp:shutdown', function()

	runs('of the writing side ends the stream, and the other side goes on', function()
		for _, swap in ipairs{false, true} do
			local c, d = pair()
			if swap then c, d = d, c end
			assert(c:send'question')
			assert.is_true(c:shutdown'w')
			assert.equal('question', recv_all(d))
			assert(d:send'answer')
			fails('broken_pipe', c:send'more')
			assert.is_true(d:shutdown'w')
			assert.equal('answer', recv_all(c))
			close(c, d)
		end
	end)

	runs('of the reading side wakes a reader', function()
		local c, d = pair()
		local reading = go(function() return d:recv(buffer(10), 10) end)
		turn()
		assert.is_false(reading'done?')
		assert.is_true(d:shutdown'r')
		assert.equal(0, reading())
		assert(d:send'hello')
		assert.equal('hello', recv_all(c, 5))
		close(c, d)
	end)

	for _, how in ipairs{'rw', 'default'} do
		runs(('of both sides (%s) wakes a reader and a writer'):format(how), function()
			local c, d = pair()
			local sending = fill(c)
			local reading = go(function() return c:recv(buffer(10), 10) end)
			turn()
			assert.is_true(c:shutdown(how ~= 'default' and how or nil))
			fails('broken_pipe', sending())
			assert.equal(0, reading())
			close(c, d)
		end)
	end

	runs('fails without a connection', function()
		local s = assert(socket.tcp())
		for _, how in ipairs{'r', 'w', 'rw'} do
			fails('not_connected', s:shutdown(how))
		end
		s:close()
	end)

	runs('raises for a bad direction', function()
		local c, d = pair()
		for _, how in ipairs{'', 'x', 'wr', 'R', 1, true, {}, false} do
			local ok, err = pcall(function()
				local r = c:shutdown(how)
				return r
			end)
			assert.is_false(ok, tostring(how))
			assert.matches('^[^:]*tcp_end_spec%.lua:%d+: bad direction', err)
		end
		close(c, d)
	end)

end)
