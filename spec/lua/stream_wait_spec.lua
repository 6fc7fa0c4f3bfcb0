-- Buffered reads that wait: their time, what ends them, and what waits beside them.

local socket = require'socket2'
local connections = require'connections'
local streams = require'streams'
local spec = require'spec'

local fails, go, buffer, turn, wait_until, runs =
	spec.fails, spec.go, spec.buffer, spec.turn, spec.wait_until, spec.runs
local close, pattern = connections.close, connections.pattern
local CHUNK, having, drip, soon, recv, reads =
	streams.CHUNK, streams.having, streams.drip, streams.soon, streams.recv, streams.reads

describe('a time limit', function()

	for name, read in pairs(reads) do
		runs(('ends %s, which can go on'):format(name), function()
			local d, c = having''
			fails('timeout', read(d, soon()))
			assert.equal(0, d:buffered())
			assert(c:send'begun')
			for _ = 1, 3 do
				local expires = soon()
				fails('timeout', read(d, expires))
				assert.is_true(socket.clock() >= expires)
				assert.equal(5, d:buffered())
			end
			fails('timeout', read(d, 0))
			local reading = go(read, d)
			assert(c:send(', done\n' .. ('-'):rep(100)))
			turn()
			assert(c:shutdown'w')
			local text, err = reading()
			if name == 'recvn of much' then
				assert.equal('end_of_stream', err)
			else
				assert.equal('begun, done', text:match'^begun, done')
			end
			close(c, d)
		end)
	end

	runs('that is over lets pass what is buffered', function()
		local d, c = having(('one\n'):rep(7))
		local buf = buffer(4)
		assert.equal('one', d:readline())
		assert.equal('one\n', d:peek(4, 0))
		assert.equal('one\n', d:read(4, 0))
		assert.equal('one', d:readline(nil, 0))
		assert.equal('one', d:readuntil('\n', nil, 0))
		assert.equal(4, d:recvn(buf, 4, 0))
		assert.equal(4, d:recv(buf, 4, 0))
		assert.equal(4, d:buffered())
		fails('timeout', d:readall(nil, 0))
		assert.equal('one\n', d:read(4))
		fails('timeout', d:recv(buf, 4, 0))
		close(c, d)
	end)

end)

describe("a socket's timeout", function()

	runs('is for a whole read, however often something comes', function()
		for name, read in pairs(reads) do
			local d, c = having''
			assert(d:settimeout(0.05))
			local started = socket.clock()
			local reading = go(read, d)
			local sent = 0
			while not reading'done?' do
				if sent < 90 then
					assert(c:send'x')
					sent = sent + 1
				end
				turn()
			end
			fails('timeout', reading())
			local took = socket.clock() - started
			assert.is_true(took >= 0.05 and took < 2, name)
			assert.equal(('x'):rep(sent), d:read(sent))
			close(c, d)
		end
	end)

end)

describe('a read that is canceled', function()

	runs('can go on', function()
		for _, read in pairs(reads) do
			local d, c = having'begun'
			local results
			local thread = socket.newthread(function() results = {read(d)} end)
			turn()
			assert.is_true(socket.cancel(thread))
			wait_until(function() return results end)
			fails('canceled', unpack(results, 1, 3))
			assert.equal('begun', d:read(5))
			assert.equal(0, d:buffered())
			close(c, d)
		end
	end)

end)

describe('a read that raises', function()

	for name, read in pairs(reads) do
		runs(('because it cannot wait in a plain coroutine can go on: %s'):format(name), function()
			for _, text in ipairs{'', 'begun', pattern(60):gsub('[\n-]', '!') .. ''} do
				local d, c = having(text)
				local ok, err = pcall(coroutine.wrap(function() return read(d) end))
				assert.is_false(ok)
				assert.matches('inside a plain coroutine', err)
				collectgarbage()
				wait_until(function() -- the operation that was left behind is over
					local _, e = d:read(1000, 0)
					return e ~= 'busy'
				end)
				local reading = go(read, d)
				assert(c:send(', done\n' .. ('-'):rep(100)))
				turn()
				assert(c:shutdown'w')
				local got = reading() or d:readall()
				assert.equal(text .. ', done', got:sub(1, #text + 6))
				close(c, d)
			end
		end)
	end

end)

describe('a thread that finds everything in the buffer', function()

	runs('lets others have a turn', function()
		local turns = 0
		local stop = false
		go(function()
			while not stop do
				turn()
				turns = turns + 1
			end
		end)
		local s, c = having(('x\n'):rep(CHUNK / 2))
		assert(s:peek(CHUNK))
		local buf = buffer(2)
		for _, read in ipairs{
			function() return s:readline() end,
			function() return s:peek(1) end,
			function() return s:read(2) end,
			function() return s:recv(buf, 2) end,
			function() return s:recvn(buf, 2) end,
			function() return s:readuntil'\n' end,
		} do
			local before = turns
			for _ = 1, 1300 do
				assert(read())
			end
			assert.is_true(turns > before)
		end
		stop = true
		turn()
		close(c, s)
	end)

end)

describe('a second reader', function()

	for name, read in pairs(reads) do
		runs(('is refused while %s waits, which it does not disturb'):format(name), function()
			local d, c = having''
			local text = 'beginning, ' .. ('x'):rep(100) .. '\n--'
			local reading = go(read, d)
			for _ = 1, 2 do
				for _, other in pairs(reads) do
					fails('busy', other(d))
					fails('busy', other(d, 0))
				end
				fails('busy', recv(d, 10))
				if d:buffered() == 0 and name ~= 'recvn of much' then
					drip(c, d, {text:sub(1, 3), ''})
					wait_until(function() return d:buffered() == 3 end)
				end
			end
			assert(c:send(text:sub(name == 'recvn of much' and 1 or 4)))
			turn()
			assert(c:shutdown'w')
			local got, err = reading()
			if name == 'recvn of much' then
				assert.equal('end_of_stream', err)
			else
				assert.equal(text:sub(1, #got), got)
			end
			local rest = assert(d:readall())
			assert.equal(text:sub(#text - #rest + 1), rest)
			assert.equal(0, d:buffered())
			close(c, d)
		end)
	end

	runs('is refused while recv waits', function()
		local d, c = having''
		local reading = go(recv, d, 100)
		for _, other in pairs(reads) do
			fails('busy', other(d))
			assert.equal(0, d:buffered())
		end
		assert(c:send'hello')
		assert.equal('hello', reading())
		close(c, d)
	end)

	-- Events of one turn of the loop: the first reader's operation is over, but it has yet to run.
	for _, does in ipairs{'reads', 'closes'} do
		runs(('that %s before the first one knows that its data came harms nothing'):format(does), function()
			local seen = {}
			for _, order in ipairs{1, 2} do
				local d, c = having''
				local e, f = having''
				local first, second
				local function start_first()
					first = go(function() return d:read(5) end)
				end
				local function start_second()
					second = go(function()
						e:read(1)
						if does == 'closes' then
							return d:close()
						end
						return d:read(5, 0)
					end)
				end
				if order == 1 then
					start_first()
					start_second()
				else
					start_second()
					start_first()
				end
				for _, s in ipairs(order == 1 and {f, c} or {c, f}) do
					assert(s:send'hello')
				end
				local text, err = first()
				local _, err2 = second()
				seen[err or text] = true
				if does == 'closes' then
					assert.is_true(text == 'hello' or err == 'closed')
					fails('closed', d:read(1))
				else
					assert.equal('hello', text)
					assert.is_true(err2 == 'busy' or err2 == 'timeout')
				end
				assert.equal(0, d:buffered())
				close(c, d, e, f)
			end
			assert.is_true(next(seen) ~= nil)
		end)
	end

end)

describe('close', function()

	for name, read in pairs(reads) do
		runs(('wakes %s, and nothing is left'):format(name), function()
			for _, text in ipairs{'', 'begun'} do
				local d, c = having(text)
				local reading = go(read, d)
				turn()
				assert.is_false(reading'done?')
				d:close()
				fails('closed', read(d))
				fails('closed', reading())
				assert.equal(0, d:buffered())
				assert.equal(0, d:buffered())
				for _, other in pairs(reads) do
					fails('closed', other(d))
				end
				fails('closed', recv(d, 1))
				assert.equal(0, d:buffered())
				c:close()
			end
		end)
	end

	runs('forgets what is buffered', function()
		local d, c = having'hello'
		assert.equal('h', d:read(1))
		d:close()
		d:close()
		assert.equal(0, d:buffered())
		assert.equal(0, d:buffered())
		fails('closed', d:read(4))
		fails('closed', recv(d, 4))
		assert.equal('', d:read(0))
		c:close()
	end)

	runs("by the peer's reset fails, and leaves what is buffered", function()
		local d, c = having'hello'
		assert.equal('h', d:peek(1))
		assert(c:setopt('linger', 0))
		c:close()
		fails('connection_reset', d:read(10))
		assert.equal('hello', d:read(5))
		d:close()
	end)

end)
