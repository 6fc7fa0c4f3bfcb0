-- Turns values into bytes, which go from one Lua state to another.
--
-- Copied are nil, booleans, numbers (bit by bit), strings, cdata numbers, tables with their cycles and shared
-- parts but without their metatables, addresses, and Lua functions: the bytecode and copies of the upvalues,
-- which functions of one message share in the same way as here. Sockets move. Channels are shared: both
-- states have them from then on. A loaded module, or the field of one (print, string.format, io.stdout), goes
-- by name, and the other state requires the module; a field of the standard library goes by name only if it
-- came with the library. The environment of a function goes by name, too: it is the other state's _G unless
-- it is a loaded module. Anything else raises an error.
--

local ffi = require'ffi'
local format = require'socket2.thread.message.format'
local writer = require'socket2.thread.message.writer'
local reader = require'socket2.thread.message.reader'

local string_of, cast = ffi.string, ffi.cast

local message = {tags = format.tags, pointer = format.pointer}

message.write, message.write_all, message.done = writer.write, writer.write_all, writer.done
message.read = reader.read

-- encode(...) -> string and decode(string) -> ... are for values without channels and sockets.
function message.encode(...)
	local w = message.write_all(...)
	local s = string_of(w.mem, w.pos)
	message.done(w)
	return s
end

local function with(_, ...) -- `_` is kept alive until then
	return ...
end

function message.decode(s)
	return with(s, message.read(cast(format.pointer, s), #s))
end

-- kind(tag, metatable, put, get): says how objects with that metatable travel. put(writer, object) writes the
-- tag by put_number() and then the data. get(reader) reads the number of that put_number() by get_number()
-- and then the data; it passes the object to add() before it reads any value.
function message.kind(tag, metatable, put_kind, get_kind)
	writer.kinds[metatable] = put_kind
	reader.readers[tag] = get_kind
end

-- refuses(metatable, what): objects with that metatable cannot be sent, because they mean nothing elsewhere.
function message.refuses(metatable, what)
	writer.refused[metatable] = what
end

return message
