-- Values as bytes, to go from one Lua state to another.
--
-- What is copied: nil, booleans, numbers (bit by bit), strings, cdata numbers, tables with their cycles and
-- shared parts but without their metatables, addresses, and Lua functions: bytecode and copies of the
-- upvalues, which functions of one message share as they do here. What moves: sockets. What both states have
-- from then on: channels. What goes by name: a loaded module, and what is a field of one (print,
-- string.format, io.stdout), for which the other state requires the module; of the standard library only
-- what came with it. The environment of a function goes by name too: it is the other state's _G unless it is
-- a loaded module. Anything else raises.
--
-- Tables and functions are written where they are met first, their contents in that order after all else,
-- so that neither writing nor reading goes deep.

local ffi = require'ffi'
local lib = require'socket2.lib'

local raise = lib.raise
local type, next, error, require, tostring, tonumber, select, unpack, setmetatable, getmetatable =
	type, next, error, require, tostring, tonumber, select, unpack, setmetatable, getmetatable
local rawget, rawset, loadstring, dump, getfenv, setfenv =
	rawget, rawset, loadstring, string.dump, getfenv, setfenv
local getinfo, getupvalue, setupvalue = debug.getinfo, debug.getupvalue, debug.setupvalue
local upvalueid, upvaluejoin = debug.upvalueid, debug.upvaluejoin
local copy, string_of = ffi.copy, ffi.string
local max = math.max
local loaded = package.loaded

local message = {}

-- The first byte of a value. 0 is none: thread.lua has a use for it; nor has a message of one value, but
-- for LIST, one that it begins with.
local LIST, NIL, FALSE, TRUE, NUMBER, STRING, LONG_STRING, OBJECT, TABLE, FUNCTION, MODULE, FIELD, CDATA,
	END = 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15

local MAX = 2^31 - 1
local SMALL = 65536 -- a writer with more memory is not kept
local new_memory, pointer = ffi.typeof'uint8_t[?]', ffi.typeof'const uint8_t *'
local number, word = ffi.new'double[1]', ffi.new'uint32_t[1]'

-- A writer: `pos` bytes are in mem; `seen` has the numbers of the n objects so far, `queue` those with
-- contents to be written; `channels` and `sockets` that go along.
local spare = false -- a finalizer of the program's that runs meanwhile finds none

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

-- A tag and a whole number.
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
message.put_number = put_number

-- put_bytes(writer, p, n): n bytes alone.
local function put_bytes(w, p, n)
	if w.pos + n > w.size then
		grow(w, n)
	end
	copy(w.mem + w.pos, p, n)
	w.pos = w.pos + n
end
message.put_bytes = put_bytes

-- The names. Both tables are of what was found so far, and looked at with care: modules come and go.
local module_names = setmetatable({}, {__mode = 'k'})
local field_modules = setmetatable({}, {__mode = 'k'})
local field_names = setmetatable({}, {__mode = 'k'})

local standard = {_G = true}
for name in ('string table math io os debug coroutine package bit jit jit.opt jit.util ffi'):gmatch'%S+' do
	standard[name] = true
end

local named_types = {table = true, ['function'] = true, userdata = true, cdata = true}

local function find_modules()
	for name, module in next, loaded do
		if module_names[module] ~= name and named_types[type(module)] and type(name) == 'string' then
			local other = module_names[module]
			if not other or loaded[other] ~= module then
				module_names[module] = name
			end
		end
	end
end

local function is_builtin(f)
	local info = getinfo(f, 'S')
	return info.what == 'C' or info.source:sub(1, 9) == '=[builtin'
end

local function find_fields()
	for name, module in next, loaded do
		if type(module) == 'table' and type(name) == 'string' then
			for field, v in next, module do
				local t = type(v)
				if t ~= 'table' and named_types[t] and type(field) == 'string'
					and (not standard[name] or t ~= 'function' or is_builtin(v)) then
					field_modules[v], field_names[v] = name, field
				end
			end
		end
	end
end

local function module_of(v)
	local name = module_names[v]
	return name and loaded[name] == v and name
end

local function known_field(v)
	local module, field = field_modules[v], field_names[v]
	local t = module and loaded[module]
	if type(t) == 'table' and rawget(t, field) == v then
		return module, field
	end
end

-- field_of(v) -> name of the module, name of the field | nil
local function field_of(v)
	local module, field = known_field(v)
	if not module then
		find_fields()
		module, field = known_field(v)
	end
	return module, field
end

-- Where in the message something is: for the error.

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
		if child ~= nil and child == child and texts[child] == nil then
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
	while at ~= nil and texts[at] do
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

-- refuse(writer, value, [what]): raises an error that tells where in the message it is.
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
message.refuse = refuse

-- cdata numbers: names of their types, and arrays of one.
local scalars = {}
for name in ([[bool,char,signed char,unsigned char,short,unsigned short,int,unsigned int,long,unsigned long,
	int8_t,uint8_t,int16_t,uint16_t,int32_t,uint32_t,int64_t,uint64_t,float,double,complex,complex float]])
	:gmatch'[%a][%w_ ]*' do
	local ctype = ffi.typeof(name)
	local text = tostring(ctype):sub(7, -2)
	if not scalars[text] then
		scalars[text] = {name = text, new = ctype, array = ffi.typeof('$[1]', ctype), size = ffi.sizeof(ctype)}
	end
end
local int64, uint64 = scalars.int64_t, scalars.uint64_t

local kinds = setmetatable({}, {__mode = 'k'}) -- metatable -> put(writer, object) of kind()
local refused = setmetatable({}, {__mode = 'k'}) -- metatable -> what it is
local readers = {} -- tag -> get(reader)

local put

-- -> is it a number?
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
		put_bytes(w, scalar.array(v), scalar.size)
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

-- An object that is met for the first time.
local function put_object(w, v, t)
	if not w.seen then
		find_modules()
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
message.put = put

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

-- An upvalue that two functions share is a cell with a number, which is followed by the value where it is
-- met first.
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
-- lists or false, go along. To be given back by done().
function message.write(v)
	local w = take_writer()
	w.root = v
	put(w, v)
	if w.nqueue > 0 then
		put_contents(w)
	end
	return w
end

-- write_all(...) -> writer: of any number of values, nil among them. Its first byte is 1.
function message.write_all(...)
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

-- done(writer): its memory is for the next message.
function message.done(w)
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

-- A reader: `mem` has `size` bytes, of which `pos` are read; `handle` is the channel's that it came through.

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
message.take = take -- take(reader, n) -> pointer to n bytes

local function get_number(r)
	local n = take(r, 1)[0]
	if n == 255 then
		copy(word, take(r, 4), 4)
		n = word[0]
	end
	return n
end
message.get_number = get_number

-- The bytes are taken from C's memory before code of the program's runs, which may do anything.
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
message.add = add

local function enqueue(r, object, count)
	r.nqueue = r.nqueue + 1
	r.queue[r.nqueue], r.counts[r.nqueue] = object, count
end

local get

local function get_string(r)
	local v = get(r)
	return type(v) == 'string' and v or malformed()
end

readers[LONG_STRING] = function(r)
	copy(word, take(r, 4), 4)
	local n = word[0]
	return string_of(take(r, n), n)
end

readers[NIL] = function() return nil end
readers[FALSE] = function() return false end

readers[OBJECT] = function(r)
	local v = r.objects[get_number(r)]
	if v == nil then
		malformed()
	end
	return v
end

readers[TABLE] = function(r)
	local t = {}
	enqueue(r, add(r, t), get_number(r))
	return t
end

readers[FUNCTION] = function(r)
	local n = get_number(r)
	local code, env = get_string(r), get_string(r)
	own(r)
	local f = code:byte() == 27 and loadstring(code) or malformed()
	setfenv(f, require(env))
	enqueue(r, add(r, f), n)
	return f
end

readers[MODULE] = function(r)
	get_number(r)
	local name = get_string(r)
	own(r)
	return add(r, require(name))
end

readers[FIELD] = function(r)
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

readers[CDATA] = function(r)
	get_number(r)
	local scalar = scalars[get_string(r)] or malformed()
	local a = scalar.array()
	copy(a, take(r, scalar.size), scalar.size)
	return scalar.new(a[0])
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
	local reader = readers[tag]
	return (reader or malformed)(r)
end
message.get = get

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
	for i = 1, n do
		local _ = take(r, 1)
		local id = get_number(r)
		local cell = r.cells[id]
		if cell then
			upvaluejoin(f, i, cell[1], cell[2])
		else
			r.cells[id] = {f, i}
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

-- read(mem, size, [handle]) -> values: of a message, which came through that handle of a channel. Raises
-- when a module is not to be had here.
function message.read(mem, size, handle)
	local tag = size > 0 and mem[0]
	if tag == NUMBER and size == 9 then -- the common ones without a reader
		copy(number, mem + 1, 8)
		return number[0]
	elseif tag == STRING and size > 1 and size == mem[1] + 2 then
		return string_of(mem + 2, size - 2)
	end
	local r = {mem = mem, size = size, pos = 0, handle = handle, own = false, n = 0, nqueue = 0,
		objects = {}, queue = {}, counts = {}, cells = {}}
	if tag ~= LIST then
		local v = get(r)
		get_contents(r)
		return v
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
	return unpack(values, 1, n)
end

-- encode(...) -> string, decode(string) -> ...: for values without channels and sockets.
function message.encode(...)
	local w = message.write_all(...)
	local s = string_of(w.mem, w.pos)
	message.done(w)
	return s
end

local function with(_, ...) -- what was kept until then
	return ...
end

function message.decode(s)
	return with(s, message.read(ffi.cast(pointer, s), #s))
end

-- kind(tag, metatable, put, get): how objects with that metatable travel. put(writer, object) writes
-- the tag by put_number() and then what get(reader) reads, which makes the object known by add() before it
-- reads any value. The number of that put_number() is for get_number().
function message.kind(tag, metatable, put_kind, get_kind)
	kinds[metatable] = put_kind
	readers[tag] = get_kind
end

-- refuses(metatable, what): objects that have no meaning elsewhere.
function message.refuses(metatable, what)
	refused[metatable] = what
end

return message
