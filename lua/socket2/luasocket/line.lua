-- Lines of a bounded length, from any socket of the classic API.

local line_readers = require'socket2.luasocket.tcp'.line_readers

local concat = table.concat

local MAX = 65536

-- Reads byte by byte from objects that are not the library's, such as those of a TLS library, because their
-- receive'*l' takes lines of any length.
local function bytewise(c)
	local line, n = {}, 0
	for taken = 1, MAX do
		local byte, err = c:receive(1)
		if not byte then
			return nil, err
		elseif byte == '\n' then
			return concat(line), taken
		elseif byte ~= '\r' then
			n = n + 1
			line[n] = byte
		end
	end
	return nil, 'too_long'
end

-- read_line(socket, what) -> line, bytes taken | nil, err: the next line, without its end and any CR;
-- nil, '<what> too long' beyond 64 KiB.
return function(c, what)
	local line, n = (line_readers[c.receive] or bytewise)(c, MAX)
	if not line and n == 'too_long' then
		return nil, what .. ' too long'
	end
	return line, n
end
