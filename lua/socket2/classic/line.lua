-- Lines of a bounded length, from any socket of the classic API.

local concat = table.concat

local MAX = 65536

-- read_line(socket, what) -> line, bytes taken | nil, err: the next line, without its end and any CR;
-- nil, '<what> too long' beyond 64 KiB. It is read byte by byte, out of the socket's buffer, because
-- receive'*l' takes lines of any length.
return function(c, what)
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
	return nil, what .. ' too long'
end
