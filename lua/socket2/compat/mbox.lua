-- Messages and mailboxes, like LuaSocket's mbox.

local find, match, gmatch, gsub, sub, lower =
	string.find, string.match, string.gmatch, string.gsub, string.sub, string.lower
local ipairs = ipairs

local mbox = {}

local function unix_lines(s)
	return (gsub(s, '\r\n', '\n'))
end

-- split_message(s) -> headers, body: an empty line separates them
function mbox.split_message(s)
	s = unix_lines(s)
	local i, j = find(s, '\n\n', 1, true)
	local headers, body = i and sub(s, 1, i), i and sub(s, j + 1)
	if not body then
		body = match(s, '^\n(.*)')
		headers = not body and s
	end
	return headers or '', body or ''
end

-- split_headers(s) -> the lines, with continuation lines joined
function mbox.split_headers(s)
	local lines = {}
	for line in gmatch(gsub(unix_lines(s), '\n +', ' '), '[^\n]+') do
		lines[#lines + 1] = line
	end
	return lines
end

-- parse_header(s) -> name, value
function mbox.parse_header(s)
	s = gsub(gsub(s, '\n +', ' '), '\n+', '')
	local name, value = match(s, '([^%s:]-):%s*(.*)')
	return name, value
end

-- parse_headers(s) -> {name in lower case -> value}, with values of the same name joined by commas
function mbox.parse_headers(s)
	local headers = {}
	for _, line in ipairs(mbox.split_headers(s)) do
		local name, value = mbox.parse_header(line)
		if name then
			name = lower(name)
			headers[name] = headers[name] and headers[name] .. ', ' .. value or value
		end
	end
	return headers
end

-- parse_from(s) -> name, address: from `name <address>`, or from an address
function mbox.parse_from(s)
	local name, address = match(s, '^%s*(.-)%s*<(.-)>')
	if not address then
		address = match(s, '%s*(.+)%s*') or ''
	end
	if not name or name == '' then
		name = address
	end
	return gsub(name, '"', ''), address
end

-- split_mbox(s) -> the messages; a line that begins with `From ` after an empty line separates them
function mbox.split_mbox(s)
	local messages = {}
	s = unix_lines(s) .. '\n\nFrom \n'
	local from = 1
	while true do
		local i, j = find(s, '\n\nFrom .-\n', from)
		if not i then
			return messages
		end
		messages[#messages + 1] = sub(s, from, i - 1)
		from = j + 1
	end
end

-- parse(s) -> the messages, each like the result of parse_message()
function mbox.parse(s)
	local messages = mbox.split_mbox(s)
	for i, message in ipairs(messages) do
		messages[i] = mbox.parse_message(message)
	end
	return messages
end

-- parse_message(s) -> {headers = the result of parse_headers(), body = string}
function mbox.parse_message(s)
	local headers, body = mbox.split_message(s)
	return {headers = mbox.parse_headers(headers), body = body}
end

_G.mbox = mbox -- like the original

return mbox
