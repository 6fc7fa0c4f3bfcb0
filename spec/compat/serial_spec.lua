-- socket.serial, with LuaSocket's as the oracle: each case runs on the original, on ours outside of threads,
-- and on ours in a thread. What they log is equal.

local socket = require'socket2'
local both = require'both'
local process = require'process'
local spec = require'spec'

local _, theirs, ours = both'socket.serial'
ours = ours or require'socket2.luasocket.serial'

local function pack(...)
	return {n = select('#', ...), ...}
end

-- What f(serial, log, ...) logs: the results of calls, as text.
local function play(f, serial, ...)
	local lines = {}
	local function log(...)
		local results = pack(...)
		for i = 1, results.n do
			results[i] = tostring(results[i]):gsub(': 0x%x+$', ''):gsub('^[^:]*_spec%.lua:%d+: ', '')
		end
		lines[#lines + 1] = table.concat(results, ' | ')
	end
	f(serial, log, ...)
	return lines
end

local function call(f)
	return f()
end

-- before() -> what the case gets beside serial and log, after(the same)
local function case(name, f, before, after)
	it(name, function()
		local function once(serial, run)
			local x = before and before()
			local ok, lines = pcall(run, function() return play(f, serial, x) end, 20)
			if after then after(x) end
			return ok and lines or error(lines, 0)
		end
		local outside, inside = once(ours, call), once(ours, spec.run)
		assert.same(theirs and once(theirs, call) or outside, outside)
		assert.same(outside, inside)
	end)
end

local function make_fifo()
	local path = os.tmpname()
	os.remove(path)
	assert(os.execute('mkfifo ' .. path) == 0)
	return path
end

local function with_fifo(name, f)
	case(name, f, make_fifo, os.remove)
end

local function make_file()
	local path = os.tmpname()
	local file = assert(io.open(path, 'wb'))
	file:write('hello\nworld\r\n', ('x'):rep(10000), '\nrest')
	file:close()
	return path
end

local function start_device()
	local p = process.start'timeout 100 /usr/bin/python3 spec/support/servers/pty.py'
	p.path = p.file:read'*l'
	return p
end

local function with_device(name, f)
	case(name, f, start_device, process.stop)
end

describe('the function socket.serial', function()
	it('wants a string', function()
		for _, serial in ipairs{ours, theirs} do
			for _, v in ipairs{{}, print, true} do
				local ok, err = pcall(serial, v)
				assert.is_false(ok)
				assert.matches('string expected, got ' .. type(v), err, 1, true)
			end
		end
	end)

	it('tells why there is no object', function()
		local s, err, errno = ours'/nowhere/x'
		assert.is_nil(s)
		assert.equal(spec.lacks'serial devices' and 'Operation not supported' or 'No such file or directory', err)
		assert.equal('number', type(errno))
	end)
end)

spec.with('serial devices', describe)('socket.serial', function()
	case('is a function that opens a path', function(serial, log)
		log(type(serial))
		log(serial'/nowhere/x')
		log(serial'')
		log(serial'/')
		log(serial'/dev/null/x')
		log(pcall(serial, 12))
	end)

	case('makes objects with these methods', function(serial, log)
		local s = assert(serial'/dev/null')
		log(s)
		local names = {'accept', 'bind', 'close', 'connect', 'dirty', 'getfamily', 'getfd', 'getoption',
			'getpeername', 'getsockname', 'getstats', 'gettimeout', 'listen', 'receive', 'send', 'setfd',
			'setoption', 'setstats', 'settimeout', 'shutdown', 'class'}
		for _, name in ipairs(names) do
			log(name, s[name] and type(s[name]))
		end
		log(s.class, s:getfd() > 2)
		for _, name in ipairs{'send', 'receive', 'getstats'} do
			log(select(2, pcall(s[name], {})):match'serial%b{} expected')
		end
		for _, name in ipairs{'close', 'dirty', 'getfd', 'setfd'} do
			log(select(2, pcall(s[name], {})):match'serial%b{} expected')
		end
		s:close()
	end)

	case('reads and writes files', function(serial, log, path)
		local s = assert(serial(path))
		log(s:receive())
		log(s:dirty())
		log(s:receive(3))
		log(s:receive'*l')
		log(s:receive(4, 'prefix'))
		log(s:receive'*a')
		log(s:receive'*a')
		log(s:receive())
		log(s:receive(1, 'prefix'))
		log(s:receive(0))
		log(s:send('more of it', 6, 7))
		log(s:send'')
		s:close()
		s = assert(serial(path))
		log(#s:receive'*a')
		log(s:dirty())
		log((s:getstats()))
		s:close()
	end, make_file, os.remove)

	with_fifo('sends and receives', function(serial, log, path)
		local a, b = assert(serial(path)), assert(serial(path))
		a:settimeout(5)
		b:settimeout(5)
		log(a:send'line\r\nrest')
		log(b:receive())
		log(b:dirty())
		log(b:receive(4))
		log(b:dirty())
		log(a:send('0123456789', 3, 5))
		log(a:send('0123456789', -2))
		log(b:receive(5))
		log(select(2, a:getstats()), (b:getstats()))
		log(a:setstats(1, 2, 3))
		local received, sent, age = a:getstats()
		log(received, sent, age >= 3 and age < 60)
		log(pcall(a.receive, a, '*x'))
		log(pcall(a.send, a))
		a:close()
		b:close()
	end)

	with_fifo('keeps to its timeout', function(serial, log, path)
		local s = assert(serial(path))
		log(s:settimeout(0))
		log(s:receive())
		log(s:receive(3, 'had'))
		log(s:settimeout(0.05))
		log(s:send'begun')
		local began = socket.clock()
		log(s:receive())
		log(socket.clock() - began >= 0.049)
		log(s:settimeout(0.05, 't'))
		log(s:receive(2))
		log(pcall(s.settimeout, s, 1, 'x'))
		local data = ('x'):rep(2e6)
		local r, err, sent = s:send(data)
		log(r, err, sent)
		log(#select(3, s:receive'*a'))
		s:close()
	end)

	with_fifo('closes', function(serial, log, path)
		local s = assert(serial(path))
		s:settimeout(5)
		s:send'read'
		log(s:receive(4))
		log(s:close())
		log(s:close())
		log(s:getfd())
		log(s:dirty())
		log(s:receive())
		log(s:send'x')
		log(s:receive(1, 'had'))
		log(s:settimeout(1))
		log((s:getstats()) > 0)
		log(s)
	end)

	with_fifo('gives its descriptor to another object', function(serial, log, path)
		local a, b = assert(serial(path)), assert(serial'/dev/null')
		local fd, null = a:getfd(), b:getfd()
		log(a:setfd(-1))
		log(a:getfd())
		log(b:setfd(fd))
		log(b:getfd() == fd)
		b:settimeout(5)
		log(b:send'x')
		log(b:receive(1))
		log(a:close())
		log(b:send'x')
		a:setfd(null)
		log(a:send'x')
		log(a:close(), b:close())
	end)

	with_device('talks to a device', function(serial, log, device)
		local s = assert(serial(device.path))
		s:settimeout(10)
		log(s:send'hello\nworld')
		log(s:receive())
		log(s:receive(5))
		local data = ('abc'):rep(1000)
		for _ = 1, 20 do
			log(s:send(data))
			log(s:receive(#data) == data:upper())
		end
		s:settimeout(0)
		log(s:receive())
		s:close()
	end)

	with_device('is told when the device goes', function(serial, log, device)
		local s = assert(serial(device.path))
		s:settimeout(10)
		log(s:send'line\n')
		log(s:receive())
		log(s:send'hangup')
		-- The system says the one from when the other end is closed until the line is hung up.
		local _, err = s:receive()
		log(err == 'closed' or err == 'Input/output error' or err)
		log(device.file:read'*l')
		log(s:receive'*a')
		log(s:send'x')
		s:close()
	end)

	it('lets other threads go on', function()
		spec.run(function()
			local path = make_fifo()
			local s = assert(ours(path))
			os.remove(path)
			local over = spec.go(function() return s:receive() end)
			spec.turn()
			assert.is_false(over'done?')
			assert.equal(6, s:send'hello\n')
			assert.equal('hello', over())
			over = spec.go(function() return s:receive() end)
			spec.turn()
			s:close()
			local line, err, part = over()
			assert.is_nil(line)
			assert.equal('closed', err)
			assert.equal('', part)
		end)
	end)

	it('is taken by select', function()
		local path = make_fifo()
		local s = assert(ours(path))
		os.remove(path)
		local select = require'socket2.luasocket.select'
		local readable, writable, err = select({s}, {s}, 0)
		assert.is_nil(readable[1])
		assert.equal(s, writable[1])
		assert.is_nil(err)
		s:send'x'
		readable = select({s}, nil, 5)
		assert.equal(s, readable[1])
		s:close()
	end)

	it('is closed when it is forgotten', function()
		collectgarbage() -- what other cases have forgotten
		collectgarbage()
		local before = spec.fds()
		for _ = 1, 20 do
			assert(ours'/dev/null')
		end
		collectgarbage()
		collectgarbage()
		assert.equal(before, spec.fds())
	end)
end)
