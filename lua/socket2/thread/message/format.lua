-- The bytes of a message: what a value begins with, and the numbers of C's types.

local ffi = require'ffi'
local tostring = tostring

local format = {}

-- The first byte of a value. No value begins with 0, which thread.lua uses, nor with LIST, which is the first
-- byte of a message of any number of values.
local tags = {LIST = 1, NIL = 3, FALSE = 4, TRUE = 5, NUMBER = 6, STRING = 7, LONG_STRING = 8, OBJECT = 9,
	TABLE = 10, FUNCTION = 11, MODULE = 12, FIELD = 13, CDATA = 14, END = 15, ADDR = 16, SOCKET = 17,
	CHANNEL = 18}
format.tags = tags

format.memory, format.pointer = ffi.typeof'uint8_t[?]', ffi.typeof'const uint8_t *'
-- Numbers are copied through these, because not every processor can access one at any place in a message.
format.number, format.word = ffi.new'double[1]', ffi.new'uint32_t[1]'

-- cdata numbers: their types by name, and arrays to copy them from and to. (The array types are made by name,
-- because compiled code gives the same type for every `typeof'$[1]'`.)
local scalars = {}
format.scalars = scalars
for name in ([[bool,char,signed char,unsigned char,short,unsigned short,int,unsigned int,long,unsigned long,
	int8_t,uint8_t,int16_t,uint16_t,int32_t,uint32_t,int64_t,uint64_t,float,double,complex,complex float]])
	:gmatch'[%a][%w_ ]*' do
	local ctype = ffi.typeof(name)
	local text = tostring(ctype):sub(7, -2)
	if not scalars[text] then
		scalars[text] = {name = text, new = ctype, array = ffi.new(name .. '[1]'), size = ffi.sizeof(ctype)}
	end
end

return format
