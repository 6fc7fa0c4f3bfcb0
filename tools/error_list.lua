-- The rows of the list in core/base/error.h: {word =, name =, number =, message =}.

local f = assert(io.open('core/base/error.h', 'rb'))
local text = f:read'*a':match'#define SOCKET2_ERROR_LIST%(X%)(.-)\n\n'
f:close()

local list = {}
for word, name, number, message in text:gmatch'X%(([%l%d_]+), (E[%u%d]+), (%-%d+),[%s\\]*"(.-)"%)' do
	list[#list + 1] = {word = word, name = 'SOCKET2_' .. name, number = number, message = message}
end
assert(#list == select(2, text:gsub('X%(', '')))
return list
