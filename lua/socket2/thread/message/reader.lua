-- Reads messages: see message.lua and writer.lua.

local ffi = require'ffi'
local format = require'socket2.thread.message.format'

local type, error, require, unpack, rawget, rawset, loadstring, setfenv =
	type, error, require, unpack, rawget, rawset, loadstring, setfenv
local setupvalue, upvaluejoin = debug.setupvalue, debug.upvaluejoin
local copy, string_of, max = ffi.copy, ffi.string, math.max
local new_memory, pointer, number, word, scalars = format.memory, format.pointer, format.number, format.word,
	format.scalars

local tags = format.tags
local LIST, NUMBER, STRING, TRUE, END = tags.LIST, tags.NUMBER, tags.STRING, tags.TRUE, tags.END

local KEPT = 64 -- a reader is kept if its message had at most so many objects

local reader = {}

local readers = {} -- tag -> get(reader)
reader.readers = readers

-- False while a reader is in use: program code that runs meanwhile, and reads, makes its own.
local spare = false

-- A reader: `mem` has `size` bytes, of which `pos` are read; `handle` is that of the channel that the message
-- came through.

local function malformed()
	error('malformed message', 0)
end

local function take(r, n)
	local pos = r.pos
	if n > r.size - pos then
		malformed()
	end
	r.pos = pos + n
	return r.mem + pos
end
reader.take = take -- take(reader, n) -> pointer to n bytes

local function get_number(r)
	local n = take(r, 1)[0]
	if n == 255 then
		copy(word, take(r, 4), 4)
		n = word[0]
	end
	return n
end
reader.get_number = get_number

-- Copies the bytes out of C's memory before program code runs, because that may do anything.
local function own(r)
	if not r.own then
		r.own = new_memory(max(r.size, 1))
		copy(r.own, r.mem, r.size)
		r.mem = ffi.cast(pointer, r.own)
	end
end

local function add(r, object)
	r.n = r.n + 1
	r.objects[r.n] = object
	return object
end
reader.add = add

local function enqueue(r, object, count)
	r.nqueue = r.nqueue + 1
	r.queue[r.nqueue], r.counts[r.nqueue] = object, count
end

local get

local function get_string(r)
	local v = get(r)
	return type(v) == 'string' and v or malformed()
end

readers[tags.LONG_STRING] = function(r)
	copy(word, take(r, 4), 4)
	local n = word[0]
	return string_of(take(r, n), n)
end

readers[tags.NIL] = function() return nil end
readers[tags.FALSE] = function() return false end

readers[tags.OBJECT] = function(r)
	local v = r.objects[get_number(r)]
	if v == nil then
		malformed()
	end
	return v
end

readers[tags.TABLE] = function(r)
	local t = {}
	enqueue(r, add(r, t), get_number(r))
	return t
end

readers[tags.FUNCTION] = function(r)
	local n = get_number(r)
	local code, env = get_string(r), get_string(r)
	own(r)
	local f = code:byte() == 27 and loadstring(code) or malformed()
	setfenv(f, require(env))
	enqueue(r, add(r, f), n)
	return f
end

readers[tags.MODULE] = function(r)
	get_number(r)
	local name = get_string(r)
	own(r)
	return add(r, require(name))
end

readers[tags.FIELD] = function(r)
	get_number(r)
	local module, field = get_string(r), get_string(r)
	own(r)
	local t = require(module)
	local v = type(t) == 'table' and rawget(t, field)
	if not v then
		error(("cannot receive %s of module '%s': this state has none"):format(field, module), 0)
	end
	return add(r, v)
end

readers[tags.CDATA] = function(r)
	get_number(r)
	local scalar = scalars[get_string(r)] or malformed()
	copy(scalar.array, take(r, scalar.size), scalar.size)
	return scalar.new(scalar.array[0])
end

function get(r)
	local pos, size, mem = r.pos, r.size, r.mem
	if pos >= size then
		malformed()
	end
	local tag = mem[pos]
	if tag == STRING then
		local n = pos + 2 <= size and mem[pos + 1] or 0
		if pos + 2 + n > size then
			malformed()
		end
		r.pos = pos + 2 + n
		return string_of(mem + pos + 2, n)
	elseif tag == NUMBER then
		if pos + 9 > size then
			malformed()
		end
		r.pos = pos + 9
		copy(number, mem + pos + 1, 8)
		return number[0]
	end
	r.pos = pos + 1
	if tag == TRUE then
		return true
	end
	return (readers[tag] or malformed)(r)
end
reader.get = get

local function get_fields(r, t, n)
	for i = 1, n do
		t[i] = get(r)
	end
	while true do
		if r.pos >= r.size then
			malformed()
		elseif r.mem[r.pos] == END then
			get_number(take(r, 1) and r)
			return
		end
		local k = get(r)
		if k == nil or k ~= k then
			malformed()
		end
		rawset(t, k, get(r))
	end
end

local function get_upvalues(r, f, n)
	local cells = r.cells or {}
	r.cells = cells
	for i = 1, n do
		local _ = take(r, 1)
		local id = get_number(r)
		local cell = cells[id]
		if cell then
			upvaluejoin(f, i, cell[1], cell[2])
		else
			cells[id] = {f, i}
			setupvalue(f, i, get(r))
		end
	end
end

local function get_contents(r)
	local i = 0
	while i < r.nqueue do
		i = i + 1
		local o = r.queue[i]
		if type(o) == 'table' then
			get_fields(r, o, r.counts[i])
		else
			get_upvalues(r, o, r.counts[i])
		end
	end
end

-- Keeps the reader's tables for the next message, unless they are large.
local function done(r, ...)
	if r.n <= KEPT then
		for i = 1, r.n do
			r.objects[i], r.queue[i] = nil, nil
		end
		r.cells, r.own, r.mem = false, false, nil
		spare = r
	end
	return ...
end

-- read(mem, size, [handle]) -> the values of a message that came through that handle of a channel. Raises an
-- error when this state cannot load one of its modules.
function reader.read(mem, size, handle)
	local tag = size > 0 and mem[0]
	if tag == NUMBER and size == 9 then -- the common messages need no reader
		copy(number, mem + 1, 8)
		return number[0]
	elseif tag == STRING and size > 1 and size == mem[1] + 2 then
		return string_of(mem + 2, size - 2)
	end
	local r = spare or {objects = {}, queue = {}, counts = {}, cells = false}
	spare = false
	r.mem, r.size, r.pos, r.handle, r.own, r.n, r.nqueue = mem, size, 0, handle, false, 0, 0
	if tag ~= LIST then
		local v = get(r)
		get_contents(r)
		return done(r, v)
	end
	r.pos = 1
	local n = get_number(r)
	if n > size then
		malformed()
	end
	local values = {}
	for i = 1, n do
		values[i] = get(r)
	end
	get_contents(r)
	return done(r, unpack(values, 1, n))
end

return reader
