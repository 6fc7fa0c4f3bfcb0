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

local ffi = require'ffi'
local format = require'socket2.thread.message.format'
local writer = require'socket2.thread.message.writer'
local reader = require'socket2.thread.message.reader'

local string_of, cast = ffi.string, ffi.cast

local message = {tags = format.tags, pointer = format.pointer}

message.write, message.write_all, message.done = writer.write, writer.write_all, writer.done
message.read = reader.read

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
	return with(s, message.read(cast(format.pointer, s), #s))
end

-- kind(tag, metatable, put, get): how objects with that metatable travel. put(writer, object) writes
-- the tag by put_number() and then what get(reader) reads, which makes the object known by add() before it
-- reads any value. The number of that put_number() is for get_number().
function message.kind(tag, metatable, put_kind, get_kind)
	writer.kinds[metatable] = put_kind
	reader.readers[tag] = get_kind
end

-- refuses(metatable, what): objects that have no meaning elsewhere.
function message.refuses(metatable, what)
	writer.refused[metatable] = what
end

return message
