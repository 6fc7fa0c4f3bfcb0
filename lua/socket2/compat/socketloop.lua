-- luapower's socketloop, on socket2: a scheduler for LuaSocket's API. loop and loop.coro are the same here,
-- because all threads are coro's.

local api = require'socket2'
local socket = require'socket'
local change_class = require'socket2.luasocket.object'.change_class

local select, type, assert, setmetatable, rawget = select, type, assert, setmetatable, rawget

local loop = {}
loop.coro = loop

local asocket = {}

-- A method that the wrapper lacks is called on the socket inside.
local function forward(_, name)
	local function method(self, ...)
		local s = rawget(self, 'socket')
		return s[name](s, ...)
	end
	asocket[name] = method
	return method
end

asocket.__index = setmetatable(asocket, {__index = forward})

local function wrap(s)
	return setmetatable({socket = s}, asocket)
end

local makers = {
	tcp = socket.tcp, tcp6 = socket.tcp6, udp = socket.udp, udp6 = socket.udp6,
	unix = function() return require'socket.unix'.stream() end,
}
local classes = {tcp = 'tcp{client}', tcp6 = 'tcp{client}', unix = 'unixstream{client}'}

-- wrap(socket | fd, [kind = 'tcp']) -> asocket: 'tcp', 'tcp6', 'udp', 'udp6' or 'unix' for a descriptor,
-- which is taken over.
function loop.wrap(s, kind)
	if type(s) == 'number' then
		kind = kind or 'tcp'
		local o = assert(makers[kind]())
		o:setfd(s)
		change_class(o, classes[kind] or o.class)
		s = o
	end
	return wrap(s)
end

function asocket:getsocket()
	return self.socket
end

function asocket:setsocket(s)
	self.socket = s
end

-- accept() -> asocket; raises on failure.
function asocket:accept()
	return wrap(assert(self.socket:accept()))
end

-- connect(host, port) -> true | nil, err
function asocket:connect(host, port)
	local ok, err = self.socket:connect(host, port)
	if not ok then
		return nil, err
	end
	return true
end

-- receive([pattern], [prefix], [less_is_ok]) -> data | nil, err, partial. With less_is_ok it returns what has
-- come, as soon as anything has.
function asocket:receive(pattern, prefix, less_is_ok)
	local s = self.socket
	if not less_is_ok then
		return s:receive(pattern, prefix)
	end
	local first, err, part = s:receive(0)
	if not first then
		return nil, err, part
	end
	local block, total = s:gettimeout()
	s:settimeout(0)
	local data
	data, err, part = s:receive(pattern, prefix)
	s:settimeout(block)
	s:settimeout(total, 't')
	if not data and err == 'timeout' and part ~= '' then
		return part
	end
	return data, err, part
end

local waits = {wantread = 'r', wantwrite = 'w', timeout = 'r'}

local function called(self, ok, err, ...)
	if not ok and waits[err] then
		local s = self.socket
		local recvt, sendt = {s}, nil
		if err == 'wantwrite' then
			recvt, sendt = nil, {s}
		end
		socket.select(recvt, sendt)
		return true
	end
	return false, ok, err, ...
end

local function again(self, f, args, more, ...)
	if not more then
		return ...
	end
	return again(self, f, args, called(self, f(self.socket, unpack(args, 1, args.n))))
end

-- call_async(f, ...) -> results of f(socket, ...). f asks for a wait by nil, 'wantread' or 'wantwrite', and
-- is called again after it.
function asocket:call_async(f, ...)
	return again(self, f, {n = select('#', ...), ...}, true)
end

-- tcp([laddr], [lport]) -> asocket, bound when an address is given.
function loop.tcp(laddr, lport)
	local s = assert(socket.tcp())
	if laddr or lport then
		assert(s:bind(laddr or '*', lport or 0))
	end
	return wrap(s)
end

-- connect(host, port, [laddr], [lport]) -> asocket | nil, err
function loop.connect(host, port, laddr, lport)
	local s = loop.tcp(laddr, lport)
	local ok, err = s:connect(host, port)
	if not ok then
		s:close()
		return nil, err
	end
	return s
end

loop.newthread, loop.current = api.newthread, api.currentthread
loop.suspend, loop.stop = api.suspend, api.stop

-- resume(thread, ...): goes on with a suspended thread.
function loop.resume(thread, ...)
	return select(2, assert(api.resume(thread, ...)))
end

local BACKLOG = 16384

-- newserver(ip | '*', port | 0, handler) -> asocket: calls handler(asocket) in a thread for each connection.
function loop.newserver(host, port, handler)
	local s = assert(socket.tcp())
	assert(s:setoption('reuseaddr', true) or true)
	assert(s:bind(host, port))
	assert(s:listen(BACKLOG))
	local server = wrap(s)
	api.newthread(function()
		while true do
			local c, err = s:accept()
			if c then
				api.newthread(handler, wrap(c))
			elseif err == 'closed' then
				return
			end
		end
	end)
	return server
end

-- start([timeout]): runs until stop(), or until nothing waits any more.
function loop.start(timeout)
	return api.start(timeout)
end

-- step([timeout]) -> true | nil: runs one round; nil when nothing waits.
function loop.step(timeout)
	return api.poll(timeout) or nil
end

return loop
