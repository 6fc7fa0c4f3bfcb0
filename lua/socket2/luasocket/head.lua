-- The heads of HTTP messages: reads headers, and writes requests. A head has a bounded length, and a head
-- that is written cannot begin another one.

local read_line = require'socket2.luasocket.line'

local tostring, pairs, concat = tostring, pairs, table.concat

local MAX_HEADERS, MAX_HEADER_LINES = 262144, 1000 -- bytes and lines of all headers together

local head = {}

-- read_headers(c, headers) -> headers | nil, err: reads them into the table, by lowercase names. Values of a
-- name that comes twice are joined by ', '. A line that begins with white space continues the header before
-- it.
function head.read_headers(c, headers)
	local name, total = nil, 0
	for _ = 1, MAX_HEADER_LINES do
		local line, n = read_line(c, 'header line')
		if not line then
			return nil, n
		elseif line == '' then
			return headers
		end
		total = total + n
		if total > MAX_HEADERS then
			return nil, 'headers too long'
		elseif name and line:find'^%s' then
			headers[name] = headers[name] .. line
		else
			local value
			name, value = line:match'^(.-):%s*(.*)$'
			if not name then
				return nil, 'malformed reponse headers' -- the original spells it so
			end
			name = name:lower()
			headers[name] = headers[name] and headers[name] .. ', ' .. value or value
		end
	end
	return nil, 'too many headers'
end

local TOKEN = "^[%w!#$%%&'*+.^_`|~-]+$"

-- request_line([method], uri) -> string | nil, err
function head.request_line(method, uri)
	method = method or 'GET'
	if not tostring(method):find(TOKEN) then
		return nil, 'invalid method'
	elseif tostring(uri):find'[%z\1-\32\127]' then
		return nil, 'invalid uri'
	end
	return method .. ' ' .. uri .. ' HTTP/1.1\r\n'
end

-- header_lines(headers, canonic) -> string | nil, err: spells the names like the table `canonic`.
function head.header_lines(headers, canonic)
	local lines = {}
	for name, value in pairs(headers) do
		name = canonic[name] or name
		local line = name .. ': ' .. value
		if not tostring(name):find(TOKEN) then
			return nil, 'invalid header name'
		elseif line:find'[\r\n%z]' then
			return nil, ("invalid header '%s'"):format(name)
		end
		lines[#lines + 1] = line .. '\r\n'
	end
	lines[#lines + 1] = '\r\n'
	return concat(lines)
end

return head
