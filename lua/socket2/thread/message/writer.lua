-- Writes messages: see message.lua.
--
-- A table or function is written where it is met first. Their contents follow in the same order after
-- everything else, so that neither writing nor reading recurses.

local ffi = require'ffi'
local lib = require'socket2.lib'
local format = require'socket2.thread.message.format'
local names = require'socket2.thread.message.names'

local raise = lib.raise
local module_of, field_of = names.module_of, names.field_of
local type, next, pcall, tostring, tonumber, select, setmetatable, getmetatable =
	type, next, pcall, tostring, tonumber, select, setmetatable, getmetatable
local dump, getfenv, max = string.dump, getfenv, math.max
local getinfo, getupvalue, upvalueid = debug.getinfo, debug.getupvalue, debug.upvalueid
local copy = ffi.copy
local new_memory, number, word, scalars = format.memory, format.number, format.word, format.scalars
local int64, uint64 = scalars.int64_t, scalars.uint64_t

local tags = format.tags
local LIST, NIL, FALSE, TRUE, NUMBER, STRING, LONG_STRING = tags.LIST, tags.NIL, tags.FALSE, tags.TRUE,
	tags.NUMBER, tags.STRING, tags.LONG_STRING
local OBJECT, TABLE, FUNCTION, MODULE, FIELD, CDATA, END = tags.OBJECT, tags.TABLE, tags.FUNCTION,
	tags.MODULE, tags.FIELD, tags.CDATA, tags.END

local MAX = 2^31 - 1
local SMALL = 65536 -- a writer with more memory is not kept

local writer = {}

local kinds = setmetatable({}, {__mode = 'k'}) -- metatable -> put(writer, object)
local refused = setmetatable({}, {__mode = 'k'}) -- metatable -> the name of such objects
writer.kinds, writer.refused = kinds, refused

-- A writer: `pos` bytes are in mem; `seen` has the numbers of the n objects so far, `queue` the objects with
-- contents still to be written; `channels` and `sockets` go along with the message.
local spare = false -- while a writer is in use, so that a finalizer which runs meanwhile makes its own

local function new_writer()
	return {mem = new_memory(1024), size = 1024, pos = 0, n = 0, nqueue = 0, ncells = 0,
		seen = false, queue = false, cells = false, channels = false, sockets = false, root = nil, roots = false}
end

local function grow(w, n)
	local size = w.pos + n
	if size > MAX then
		raise('cannot send a message of more than %d bytes', MAX)
	end
	size = max(2 * w.size, size)
	local mem = new_memory(size)
	copy(mem, w.mem, w.pos)
	w.mem, w.size = mem, size
end

-- Writes a tag and a whole number.
local function put_number(w, tag, n)
	local pos = w.pos
	if pos + 6 > w.size then
		grow(w, 6)
	end
	local mem = w.mem
	mem[pos] = tag
	if n < 255 then
		mem[pos + 1] = n
		w.pos = pos + 2
	else
		mem[pos + 1] = 255
		word[0] = n
		copy(mem + pos + 2, word, 4)
		w.pos = pos + 6
	end
end
writer.put_number = put_number

-- put_bytes(writer, p, n): writes n bytes, without a tag.
local function put_bytes(w, p, n)
	if w.pos + n > w.size then
		grow(w, n)
	end
	copy(w.mem + w.pos, p, n)
	w.pos = w.pos + n
end
writer.put_bytes = put_bytes

-- Says where in the message something is, for the error.

local function key_text(k)
	if type(k) == 'string' then
		return k:find'^[%a_][%w_]*$' and '.' .. k or ('[%q]'):format(k)
	elseif type(k) == 'number' or type(k) == 'boolean' then
		return '[' .. tostring(k) .. ']'
	end
	return '[a ' .. type(k) .. ']'
end

local function place(w, culprit)
	local parents, texts = {}, {}
	local function link(child, parent, text)
		if type(child) ~= 'nil' and child == child and texts[child] == nil then
			parents[child], texts[child] = parent, text
		end
	end
	local roots = w.roots or {n = 1, w.root}
	for i = 1, roots.n do
		link(roots[i], nil, '[' .. i .. ']')
	end
	for i = 1, w.nqueue do
		local o = w.queue[i]
		if type(o) == 'table' then
			for k, v in next, o do
				link(k, o, '.key ' .. key_text(k))
				link(v, o, key_text(k))
			end
		else
			for n = 1, getinfo(o, 'u').nups do
				local name, v = getupvalue(o, n)
				link(v, o, (".upvalue '%s'"):format(name))
			end
		end
	end
	local path = {}
	local at = culprit
	while type(at) ~= 'nil' and texts[at] do
		table.insert(path, texts[at])
		at = parents[at]
	end
	local text = {}
	for i = #path, 1, -1 do
		if #path <= 20 or i <= 10 or i > #path - 10 then
			text[#text + 1] = path[i]
		elseif i == 11 then
			text[#text + 1] = ' ... '
		end
	end
	return table.concat(text)
end

-- refuse(writer, value, [what]): raises an error that says where in the message the value is.
local function refuse(w, v, what)
	if not what then
		what = type(v)
		if what == 'cdata' then
			what = tostring(v):find'^ctype<' and 'ctype' or 'cdata of type ' .. tostring(ffi.typeof(v)):sub(7, -2)
		elseif what == 'function' then
			what = 'C function that is no field of a loaded module'
		end
	end
	raise('cannot send a %s (at %s)', what, place(w, v))
end
writer.refuse = refuse

local put

-- Writes a cdata number. Returns whether it is one.
local function put_scalar(w, v)
	local scalar = ffi.istype(int64.new, v) and int64 or ffi.istype(uint64.new, v) and uint64
	if not scalar then
		local name = tostring(ffi.typeof(v)):sub(7, -2):gsub('^const ', '')
		scalar = scalars[name] or name:find'^enum ' and 'enum'
		scalar = scalar and not tostring(v):find'^ctype<' and scalar
	end
	if scalar == 'enum' then
		put(w, tonumber(v))
	elseif scalar then
		put_number(w, CDATA, 0)
		put(w, scalar.name)
		scalar.array[0] = v
		put_bytes(w, scalar.array, scalar.size)
	end
	return scalar
end

local function put_function(w, f)
	if getinfo(f, 'S').what == 'C' then
		refuse(w, f)
	end
	local ok, code = pcall(dump, f)
	if not ok then
		refuse(w, f, 'function that has no bytecode')
	end
	local env = getfenv(f)
	put_number(w, FUNCTION, getinfo(f, 'u').nups)
	put(w, code)
	put(w, module_of(env) or '_G')
end

-- Writes an object that is met for the first time.
local function put_object(w, v, t)
	if not w.seen then
		names.find_modules()
		w.seen, w.queue = {}, {}
	end
	if t == 'cdata' and put_scalar(w, v) then
		return
	end
	w.n = w.n + 1
	w.seen[v] = w.n
	local module, field = module_of(v), nil
	if not module and t ~= 'table' then
		module, field = field_of(v)
	end
	if module then
		put_number(w, field and FIELD or MODULE, 0)
		put(w, module)
		if field then
			put(w, field)
		end
		return
	elseif t == 'table' then
		local mt = getmetatable(v)
		if mt ~= nil and kinds[mt] then
			return kinds[mt](w, v)
		elseif mt ~= nil and refused[mt] then
			refuse(w, v, refused[mt])
		end
		put_number(w, TABLE, mt == nil and #v or 0)
	elseif t == 'function' then
		put_function(w, v)
	else
		refuse(w, v)
	end
	w.nqueue = w.nqueue + 1
	w.queue[w.nqueue] = v
end

function put(w, v)
	local t, pos = type(v), w.pos
	if t == 'string' then
		local n = #v
		if pos + n + 6 > w.size then
			grow(w, n + 6)
		end
		local mem = w.mem
		if n < 256 then
			mem[pos], mem[pos + 1] = STRING, n
			pos = pos + 2
		else
			mem[pos] = LONG_STRING
			word[0] = n
			copy(mem + pos + 1, word, 4)
			pos = pos + 5
		end
		copy(mem + pos, v, n)
		w.pos = pos + n
		return
	elseif t == 'table' or t == 'function' or t == 'cdata' or t == 'userdata' or t == 'thread' then
		local id = w.seen and w.seen[v]
		if id then
			put_number(w, OBJECT, id)
		else
			put_object(w, v, t)
		end
		return
	elseif pos + 9 > w.size then
		grow(w, 9)
	end
	local mem = w.mem
	if t == 'number' then
		mem[pos] = NUMBER
		number[0] = v
		copy(mem + pos + 1, number, 8)
		w.pos = pos + 9
	else
		mem[pos] = t == 'nil' and NIL or v and TRUE or FALSE
		w.pos = pos + 1
	end
end
writer.put = put

-- The array part first, then pairs.
local function put_fields(w, t)
	local n = getmetatable(t) == nil and #t or 0
	for i = 1, n do
		put(w, t[i])
	end
	for k, v in next, t do
		if type(k) ~= 'number' or k < 1 or k > n or k % 1 ~= 0 then
			put(w, k)
			put(w, v)
		end
	end
	put_number(w, END, 0)
end

-- An upvalue that two functions share is a cell with a number. The value follows where the cell is met first.
local function put_upvalues(w, f)
	local cells = w.cells or {}
	w.cells = cells
	for i = 1, getinfo(f, 'u').nups do
		local id = upvalueid(f, i)
		local n = cells[id]
		if n then
			put_number(w, OBJECT, n)
		else
			w.ncells = w.ncells + 1
			cells[id] = w.ncells
			put_number(w, OBJECT, w.ncells)
			put(w, (select(2, getupvalue(f, i))))
		end
	end
end

local function put_contents(w)
	local i = 0
	while i < w.nqueue do
		i = i + 1
		local o = w.queue[i]
		if type(o) == 'table' then
			put_fields(w, o)
		else
			put_upvalues(w, o)
		end
	end
end

local function take_writer()
	local w = spare or new_writer()
	spare = false
	return w
end

-- write(value) -> writer: its `pos` bytes at `mem` are the message of one value; `channels` and `sockets`,
-- lists or false, go along. The caller gives it back by done().
function writer.write(v)
	local w = take_writer()
	w.root = v
	put(w, v)
	if w.nqueue > 0 then
		put_contents(w)
	end
	return w
end

-- write_all(...) -> writer: for any number of values, including nil. The message's first byte is 1.
function writer.write_all(...)
	local w = take_writer()
	local n = select('#', ...)
	w.roots = {n = n, ...}
	put_number(w, LIST, n)
	for i = 1, n do
		put(w, w.roots[i])
	end
	put_contents(w)
	return w
end

-- done(writer): keeps its memory for the next message.
function writer.done(w)
	w.pos = 0
	if w.seen or w.roots then
		w.n, w.nqueue, w.ncells = 0, 0, 0
		w.seen, w.queue, w.cells, w.channels, w.sockets, w.roots = false, false, false, false, false, false
	end
	w.root = nil
	if w.size <= SMALL then
		spare = w
	end
end

return writer
