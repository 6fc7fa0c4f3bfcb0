-- MIME encodings as filters for ltn12: what LuaSocket's mime has. The filters themselves are mime.core's.

local ltn12 = require'ltn12'
local mime = require'mime.core'

local type, tostring, error = type, tostring, error
local cycle = ltn12.filter.cycle

-- What gives the filters, by the name of the encoding.
local encodet, decodet, wrapt = {}, {}, {}
mime.encodet, mime.decodet, mime.wrapt = encodet, decodet, wrapt

encodet['base64'] = function()
	return cycle(mime.b64, '')
end

decodet['base64'] = function()
	return cycle(mime.unb64, '')
end

encodet['quoted-printable'] = function(mode)
	return cycle(mime.qp, '', mode == 'binary' and '=0D=0A' or '\r\n')
end

decodet['quoted-printable'] = function()
	return cycle(mime.unqp, '')
end

wrapt['text'] = function(length)
	length = length or 76
	return cycle(mime.wrp, length, length)
end
wrapt['base64'] = wrapt['text']
wrapt['default'] = wrapt['text']

-- The original takes no length here either.
wrapt['quoted-printable'] = function()
	return cycle(mime.qpwrp, 76, 76)
end

-- A function that gives the filter of that name. What is no name is the first option of the default.
local function by_name(makers)
	return function(name, option, more)
		if type(name) ~= 'string' then
			name, option, more = 'default', name, option
		end
		local make = makers[name]
		if not make then
			error('unknown key (' .. tostring(name) .. ')', 3)
		end
		return make(option, more)
	end
end

mime.encode, mime.decode, mime.wrap = by_name(encodet), by_name(decodet), by_name(wrapt)

-- normalize([marker = CRLF]) -> filter: makes all ends of lines the marker.
function mime.normalize(marker)
	return cycle(mime.eol, 0, marker)
end

-- stuff() -> filter: doubles dots where lines begin, as SMTP wants it.
function mime.stuff()
	return cycle(mime.dot, 2)
end

return mime
