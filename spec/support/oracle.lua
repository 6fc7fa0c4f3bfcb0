-- Tests socket and socket.unix with LuaSocket as the oracle: each case runs on the original, on the drop-in
-- outside of threads, and on the drop-in in a thread. Their logs must be equal. Where the original has other
-- words on Windows, or Windows behaves differently, the drop-in must do what it does on other systems.

local api = require'socket2'
local assert = require'luassert'
local spec = require'spec'
local both = require'both'

local getfenv = getfenv

local oracle = {}

local _, original, ours = both'socket'
local _, original_unix, ours_unix = both'socket.unix'

-- The modules; those of the original are nil when it is not installed.
oracle.original, oracle.ours, oracle.original_unix = original, ours, original_unix

-- A value as text, the same for values that should be the same.
local function text_of(v, depth)
	depth = depth or 0
	if type(v) == 'userdata' or type(v) == 'table' and depth < 1 and getmetatable(v) and v.getfd then
		return '<' .. tostring(v):gsub(':.*', '') .. '>'
	elseif type(v) == 'table' and not getmetatable(v) and depth < 4 then
		local t = {}
		for k, value in pairs(v) do
			t[#t + 1] = ('[%s]=%s'):format(text_of(k, depth), text_of(value, depth + 1))
		end
		table.sort(t)
		return '{' .. table.concat(t, ' ') .. '}'
	elseif type(v) == 'table' then
		return '<' .. tostring(v):gsub(':.*', '') .. '>'
	elseif type(v) == 'string' then
		v = v:gsub('^[^:]*_spec%.lua:%d+: ', 'HERE: ')
		return #v > 300 and ('%q.. of %d'):format(v:sub(1, 20), #v) or ('%q'):format(v)
	elseif type(v) == 'function' then
		return 'function'
	end
	return tostring(v)
end

local function line_of(...)
	local t = {}
	for i = 1, select('#', ...) do
		t[i] = text_of((select(i, ...)))
	end
	return table.concat(t, ', ')
end

-- Returns what f logs with these modules: f(modules, log, say). say(line, ...) is log(...), except with the
-- original on Windows: there the log gets `line`, which is what the drop-in logs.
local function play(f, m, is_original)
	local lines = {}
	local function log(...)
		lines[#lines + 1] = line_of(...)
	end
	local function say(line, ...)
		lines[#lines + 1] = is_original and spec.windows and line or line_of(...)
	end
	log('end', pcall(f, m, log, say))
	collectgarbage()
	return table.concat(lines, '\n')
end

local function play_in_thread(f, m)
	local lines
	api.newthread(function()
		lines = play(f, m)
	end)
	api.start()
	return lines
end

local theirs = setmetatable({unix = original_unix}, {__index = original})
local mine = setmetatable({unix = ours_unix}, {__index = ours})

-- case(name, f, [apart]): an it() that plays f(modules, log, say) on all. apart: {from, to} for gsub, applied
-- to all that the original logs on Windows.
function oracle.case(name, f, apart)
	return getfenv(2).it(name, function() -- a tail call, so that the case's line is that of the call in the spec
		local expected = original and play(f, theirs, true)
		if expected and apart and spec.windows then
			expected = expected:gsub(unpack(apart))
		end
		local outside, inside = play(f, mine), play_in_thread(f, mine)
		assert.equal(expected or outside, outside)
		assert.equal(outside, inside)
	end)
end

local HOST = '127.0.0.1'
oracle.HOST = HOST
oracle.OTHER_FAMILY = 'nil, "Address family for hostname not supported"'

-- listener(m, [host]) -> server, port
local function listener(m, host)
	local s = assert(m.bind(host or HOST, 0))
	return s, select(2, s:getsockname())
end

oracle.listener = listener

-- pair(m) -> client, server
function oracle.pair(m)
	local s, port = listener(m)
	local c = assert(m.connect(HOST, port))
	local a = assert(s:accept())
	s:close()
	c:settimeout(5)
	a:settimeout(5)
	return c, a
end

-- arrive(m, s): waits until there is something to read.
function oracle.arrive(m, s)
	m.select({s}, nil, 5)
end

-- gone(m, c): waits until this side knows that the connection is over.
function oracle.gone(m, c)
	local deadline = m.gettime() + 5
	while c:getpeername() and m.gettime() < deadline do
		m.sleep(0.002)
	end
end

return oracle
