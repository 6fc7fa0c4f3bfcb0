-- MIME encodings as filters for ltn12, like LuaSocket's mime. The filters themselves are in mime.core.

local ltn12 = require'ltn12'
local mime = require'mime.core'

local type, tostring, error = type, tostring, error
local cycle = ltn12.filter.cycle

-- The functions that make the filters, by the names of the encodings.
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

-- Like in the original, there is no length here.
wrapt['quoted-printable'] = function()
	return cycle(mime.qpwrp, 76, 76)
end

-- A function that makes the filter of that name. An argument that is not a name is the first option of the
-- default.
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

-- stuff() -> filter: doubles dots at the beginnings of lines, as SMTP requires.
function mime.stuff()
	return cycle(mime.dot, 2)
end

return mime
