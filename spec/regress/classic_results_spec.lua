-- Results of the classic API that were not LuaSocket's: of two timeouts the shorter one ended each call; the
-- modules were not in the table `socket`; next() of what select() returns did not give the first object, and
-- getsockname() gave the port as a string; a source lost what had come before a timeout.

local socket = require'socket2'
local tcp = require'socket2.luasocket.tcp'.tcp
local udp = require'socket2.luasocket.udp'.udp
local select_ready = require'socket2.luasocket.select'
local spec = require'spec'

local function pair()
	local server = assert(tcp())
	assert(server:bind('127.0.0.1', 0))
	assert(server:listen())
	local c = assert(tcp())
	assert(c:connect(server:getsockname()))
	local d = assert(server:accept())
	server:close()
	return c, d
end

-- Sends the pieces one after the other, each when `seconds` are over, until the socket is closed.
local function drip(s, seconds, ...)
	local pieces = {...}
	socket.newthread(function()
		for _, piece in ipairs(pieces) do
			socket.sleep(seconds)
			s:send(piece)
		end
	end)
end

describe('settimeout() of both modes', function()
	local c, d

	before_each(function()
		c, d = pair()
	end)

	after_each(function()
		c:close()
		d:close()
	end)

	it('limits each wait and the whole call', function()
		c:settimeout(0.3, 'b')
		c:settimeout(20, 't')
		drip(d, 0.1, 'a', 'b', 'c', 'd', 'e', 'f\n') -- in all longer than one wait may be
		assert.equal('abcdef', c:receive())
		local start = socket.clock()
		assert.same({nil, 'timeout', ''}, {c:receive()})
		local time = socket.clock() - start
		assert.is_true(time > 0.29 and time < 10, ('it took %.3f s'):format(time))
	end)

	it('ends a call whose waits are short', function()
		c:settimeout(5, 'b')
		c:settimeout(0.05, 't')
		drip(d, 0.02, 'a', 'b', 'c', 'd', 'e', 'f')
		local data, err, part = c:receive'*a'
		assert.is_nil(data)
		assert.equal('timeout', err)
		assert.is_true(#part < 6)
	end)

	it('limits each wait of a send', function()
		c:settimeout(0.05, 'b')
		c:settimeout(20, 't')
		local data = ('x'):rep(16 * 1024 * 1024) -- more than buffers hold
		local start = socket.clock()
		local ok, err, sent = c:send(data)
		assert.is_nil(ok)
		assert.equal('timeout', err)
		assert.is_true(socket.clock() - start < 10)
		d:settimeout(5)
		assert.equal(sent, #assert(d:receive(sent)))
	end)

	it('with one of 0 does not wait', function()
		c:settimeout(0, 'b')
		c:settimeout(20, 't')
		assert.same({nil, 'timeout', ''}, {c:receive()})
	end)
end)

describe('require', function()
	it('puts the modules into socket, and socket into socket.core', function()
		local output = spec.luajit[[
			require'socket2.dropin'
			local socket = require'socket'
			for _, name in ipairs{'url', 'headers', 'http', 'ftp', 'smtp', 'tp'} do
				print(name, rawequal(require('socket.' .. name), socket[name]))
			end
			print(rawequal(require'socket.core', socket))]]
		assert.equal('url\ttrue\nheaders\ttrue\nhttp\ttrue\nftp\ttrue\nsmtp\ttrue\ntp\ttrue\ntrue\n', output)
	end)
end)

describe('what select() returns', function()
	it('gives the first object to next()', function()
		local objects = {}
		for i = 1, 100 do
			local s = udp'inet'
			assert(s:setsockname('127.0.0.1', 0))
			objects[i] = s
			local _, writable = select_ready(nil, {s}, 1)
			local k, o = next(writable)
			assert.equal(1, k)
			assert.equal(s, o)
		end
		local _, writable = select_ready(nil, objects, 1)
		assert.same({1, objects[1]}, {next(writable)})
		for _, s in ipairs(objects) do
			s:close()
		end
	end)
end)

describe('getsockname()', function()
	it('gives the port as a number', function()
		local c, d = pair()
		assert.same({d:getpeername()}, {c:getsockname()})
		assert.same({c:getpeername()}, {d:getsockname()})
		c:close()
		d:close()
	end)
end)

describe('a source of a socket', function()
	local function source(how)
		return spec.luajit(([[
			require'socket2.dropin'
			local socket = require'socket'
			local server = socket.bind('127.0.0.1', 0)
			local c = socket.connect('127.0.0.1', (select(2, server:getsockname())))
			local d = server:accept()
			c:settimeout(0)
			local f = socket.source(%q, c, 10)
			print(f())
			for i = 1, 2 do
				d:send'hello'
				socket.select({c}, nil, 5)
				print(f())
				if i == 1 then
					print(f())
				end
			end
			d:close()
			socket.select({c}, nil, 5)
			print(f())
			print(f())]]):format(how))
	end

	it('gives what has come before a timeout, and goes on', function()
		assert.equal('nil\ttimeout\nhello\nnil\ttimeout\nhello\n\nnil\n',
			(source'until-closed':gsub('\t\n', '\n'):gsub('nil\ttimeout\t*', 'nil\ttimeout')))
		assert.equal('nil\ttimeout\nhello\nnil\ttimeout\nhello\nnil\nnil\n', (source'by-length'))
	end)
end)

describe('receive(pattern, prefix, maxsize)', function()
	local c, d

	before_each(function()
		c, d = pair()
		c:settimeout(5)
	end)

	after_each(function()
		c:close()
		d:close()
	end)

	it('takes a line of that length, without its end', function()
		d:send'abc\nabc\r\npre\n'
		assert.equal('abc', c:receive('*l', '', 3))
		assert.equal('abc', c:receive('*l', '', 3))
		assert.equal('prepre', c:receive(nil, 'pre', 6))
	end)

	it('returns the first bytes of a longer one, and leaves the rest', function()
		d:send'abcdef\r\nabcd\r'
		assert.same({nil, 'oversized', 'abc'}, {c:receive('*l', nil, 3)})
		assert.same({nil, 'oversized', 'xxd'}, {c:receive('*l', 'xx', 3)})
		assert.equal('ef', c:receive('*l', nil, 3))
		assert.same({nil, 'oversized', 'abc'}, {c:receive('*l', nil, 3)})
		c:settimeout(0)
		assert.same({nil, 'timeout', 'd'}, {c:receive('*l', nil, 3)})
	end)

	it('is full when a timeout comes', function()
		d:send'abc'
		c:settimeout(0.01)
		assert.equal('c', select(3, c:receive('*l', nil, 4)):sub(3))
		d:send'abc'
		assert.same({nil, 'oversized', 'abc'}, {c:receive('*l', nil, 3)})
	end)

	it('limits *a', function()
		d:send'abcdefg'
		assert.same({nil, 'oversized', 'abc'}, {c:receive('*a', nil, 3)})
		d:close()
		assert.equal('-defg', c:receive('*a', '-', 5))
		assert.same({nil, 'closed', ''}, {c:receive('*a', nil, 5)})
	end)

	it('takes a number that is no more', function()
		d:send'abc'
		assert.equal('abc', c:receive(3, nil, 3))
	end)

	it('raises where nothing could come', function()
		for _, arguments in ipairs{{'*l', '', 0}, {'*l', '', -1}, {'*l', '', 0/0}, {'*l', 'abc', 3}, {4, '', 3},
			{'*a', '', {}}} do
			assert.is_false(pcall(c.receive, c, unpack(arguments)))
		end
	end)
end)
