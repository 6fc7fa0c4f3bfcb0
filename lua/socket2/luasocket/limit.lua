-- How much memory the data that a server sends may take.

local limit = {
	STRING = 256 * 1024 * 1024, -- bytes of a result that is a string, where the program has set no limit
}

-- sink(snk, [most]) -> a sink that takes at most `most` bytes for snk
function limit.sink(snk, most)
	if not most then
		return snk
	end
	local n = 0
	return function(chunk, err)
		n = n + (chunk and #chunk or 0)
		if n > most then
			return nil, 'body too long'
		end
		return snk(chunk, err)
	end
end

return limit
