-- Servers in Python as peers of the specs of the drop-ins, and the two implementations side by side.

local socket = require'socket2'
local assert = require'luassert'
local process = require'process'
local spec = require'spec'
local both = require'both'

local peers = {}

local SERVERS = 'spec/support/servers/'

-- modules(name...) -> ours, original: the modules by the last part of their names (http is socket.http);
-- original is nil when it is not installed.
function peers.modules(...)
	local ours, original = {}, {}
	for _, name in ipairs{...} do
		local word = name:match'[^.]+$'
		local _, theirs, mine = both(name)
		if theirs then
			original[word], ours[word] = theirs, mine
		else
			package.path = package.path:find('lua/socket2/compat', 1, true) and package.path
				or 'lua/socket2/compat/?.lua;' .. package.path
			ours[word] = require(name)
		end
	end
	return ours, next(original) and original
end

local function pack(...)
	return {n = select('#', ...), ...}
end

-- A raised error: for a mistake of the program only the fact that it was raised.
local function raised(err)
	return type(err) == 'string' and 'raised' or err
end

local function lines_sorted(head)
	local first, rest = head:match'^(.-\r\n)(.*)$'
	local lines = {}
	for line in (rest or ''):gmatch'.-\r\n' do
		lines[#lines + 1] = line
	end
	table.sort(lines)
	return (first or head) .. table.concat(lines)
end

-- refusal(err) -> the error without a listener. LuaSocket's connect misses a refusal now and then, and the
-- first send or receive reports it.
function peers.refusal(err)
	return err == 'closed' and 'connection refused' or err
end

-- What connections sent, with header lines sorted, because their order means nothing.
function peers.in_order(log)
	for i, text in ipairs(log) do
		local head, body = text:match'^(.-\r\n)(\r\n.*)$'
		log[i] = head and lines_sorted(head) .. body or text
	end
	return log
end

-- outcome(f, m) -> {results of f(m)} | {raised = error}. Closes the sockets of f, because the original leaves
-- some to the collector.
function peers.outcome(f, m)
	local tcp, sockets = m.socket.tcp, {}
	function m.socket.tcp()
		local c, err = tcp()
		sockets[#sockets + 1] = c
		return c, err
	end
	local function results(ok, ...)
		if ok then
			return pack(...)
		end
		return {raised = raised(...)}, (...)
	end
	local outcome, err = results(pcall(f, m))
	m.socket.tcp = tcp
	for _, c in ipairs(sockets) do
		c:close()
	end
	return outcome, err
end

-- comparing(ours, original, it) -> compares(what, f, [before], [after]): makes a case with busted's it(), in
-- which f(modules) must give the same on both, and after() too; before() runs before each.
function peers.comparing(ours, original, it)
	return function(what, f, before, after)
		return it(what, function() -- a tail call, so that the case's line is that of the call in the spec
			if not original then
				return getfenv(f).pending'the original is not installed' -- pending() is different inside an it()
			end
			local outcomes = {}
			for i, m in ipairs{original, ours} do
				if before then before() end
				local err
				outcomes[i], err = peers.outcome(f, m)
				outcomes[i].after = after and after()
				outcomes.err = err
			end
			if outcomes.err and not outcomes[1].raised then
				error(outcomes.err, 0)
			end
			assert.same(outcomes[1], outcomes[2])
		end)
	end
end

-- start(server, ...) -> process, the numbers that it printed
function peers.start(server, ...)
	local p = process.start(('timeout 300 /usr/bin/python3 -W ignore %s%s.py %s'):format(SERVERS, server,
		table.concat({...}, ' ')))
	local numbers = {}
	for n in assert(p.file:read'*l', 'no port from ' .. server):gmatch'%d+' do
		numbers[#numbers + 1] = tonumber(n)
	end
	return p, unpack(numbers)
end

-- The scripted server: see scripted.py.
local scripted = {}
scripted.__index = scripted

function peers.scripted()
	local p, port, control = peers.start'scripted'
	return setmetatable({process = p, port = port, control = control}, scripted)
end

function scripted:stop()
	self.process:stop()
end

local function tell(self, text)
	return spec.run(function()
		local c = assert(socket.connect('127.0.0.1', self.control))
		assert(c:send(text))
		local answer = assert(c:readline(2^30))
		c:close()
		return answer
	end, 20)
end

local function escape(s)
	return (s:gsub('[^%w .:/<>=;,"()-]', function(c) return ('%%%02X'):format(c:byte()) end))
end

-- script(connection...): sets what the next connections do. Each is an array of steps: those in [brackets]
-- are commands, the others texts to send.
function scripted:script(...)
	local lines = {'script'}
	for _, steps in ipairs{...} do
		lines[#lines + 1] = 'connection'
		for _, step in ipairs(steps) do
			local word, arg = step:match'^%[(%a+) ?(.*)%]$'
			lines[#lines + 1] = word and word .. ' ' .. escape(arg) or 'send ' .. escape(step)
		end
	end
	assert.equal('ok', tell(self, table.concat(lines, '\n') .. '\n\n'))
end

-- log() -> what each connection sent, in an array
function scripted:log()
	local answer = tell(self, 'log\n')
	assert(answer:sub(-1) ~= '!', 'a connection stayed open')
	local log = {}
	for word in answer:gmatch'%S+' do
		log[#log + 1] = word == '-' and '' or
			word:gsub('%%(%x%x)', function(hex) return string.char(tonumber(hex, 16)) end)
	end
	return log
end

return peers
