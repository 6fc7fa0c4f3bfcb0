-- What receive() of the classic API's streams takes from a socket: lines, all, or a number of bytes.

local lib = require'socket2.lib'
local object = require'socket2.luasocket.object'

local C = lib.C
local type, tonumber, min, floor = type, tonumber, math.min, math.floor
local find, sub, gsub = string.find, string.sub, string.gsub
local bad_argument = object.bad_argument

local MOST, NEVER, AT_ONCE = 2^31 - 1, 1/0, object.AT_ONCE

local receive = {}

-- Most lines have one CR, at the end, or none, and gsub() is not compiled.
local function without_cr(data)
	local i = find(data, '\r', 1, true)
	if not i then
		return data
	end
	return i == #data and sub(data, 1, i - 1) or (gsub(data, '\r', ''))
end
receive.without_cr = without_cr

local function line(s, time, most)
	local data, taken = s:count_line(min(most, MOST), time)
	if data then
		s.received = s.received + taken
		return without_cr(data)
	end
	return nil, taken
end

local function counted(s, data, err)
	if data then
		s.received = s.received + #data
	end
	return data, err
end

local function all(s, time, most)
	local data, err = counted(s, s:readall(most, time))
	if data == '' then
		return nil, 'closed'
	end
	return data, err
end

local function exactly(s, time, n, prefix)
	n = floor(n) - #prefix
	if n > 0 then
		return counted(s, s:read(min(n, MOST), time))
	elseif prefix ~= '' then
		return ''
	end
	local first, err = s:peek(1, time) -- like LuaSocket, it waits for a byte that it does not take
	return first and '', err
end

-- parse(pattern) -> '*l' | '*a' | number of bytes
function receive.parse(pattern)
	if pattern == nil or pattern == '*l' then
		return '*l'
	end
	local n = type(pattern) ~= 'table' and tonumber(pattern)
	local how = n or object.string(2, pattern, '*l'):sub(1, 2)
	if n and (n < 0 or n ~= n) or not n and how ~= '*l' and how ~= '*a' then
		bad_argument(2, 'invalid receive pattern')
	end
	return how
end

-- limit(maxsize, prefix, how) -> how many bytes a call may take that returns at most maxsize.
function receive.limit(maxsize, prefix, how)
	if maxsize == nil then
		return NEVER
	end
	maxsize = floor(object.number(4, maxsize))
	if maxsize ~= maxsize or maxsize < 1 or type(how) == 'number' and how > maxsize then
		bad_argument(4, 'invalid maxsize')
	elseif #prefix >= maxsize then
		bad_argument(3, 'prefix too long')
	end
	return maxsize - #prefix
end

local function read(s, time, how, prefix, most)
	if how == '*l' then
		return line(s, time, most)
	elseif how == '*a' then
		return all(s, time, most)
	end
	return exactly(s, time, how, prefix)
end

-- With a limit for each of its waits: tries at once, and waits until more has come.
local function read_in_steps(s, time, ...)
	local data, err = read(s, AT_ONCE, ...)
	if err ~= 'timeout' then
		return data, err
	end
	local more
	more, err = s:more(min(time, C.socket2_clock() + s.each))
	if not more then
		return nil, err
	end
	return read_in_steps(s, time, ...)
end

-- read(socket, time, how, prefix, most) -> data | nil, err, partial data
function receive.read(s, time, how, prefix, most)
	local data, err = (s.each and read_in_steps or read)(s, time, how, prefix, most)
	if data then
		return data
	end
	-- The caller gets what has come, because a failed read leaves it in the buffer.
	local n = min(s:buffered(), most)
	local part = n > 0 and counted(s, s:read(n, time)) or ''
	if n == most and (err == 'timeout' or err == 'too_long') then
		err = 'oversized'
	end
	return nil, err, how == '*l' and without_cr(part) or part
end

return receive
