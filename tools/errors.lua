-- Writes the error codes of core/base/error.h where others read them: the block in capi/socket2.h and the
-- annotation in types/socket2.lua.
-- usage: luajit tools/errors.lua [--check]

local list = dofile'tools/error_list.lua'

local function lines(format, first, second)
	local t = {}
	for i, row in ipairs(list) do
		t[i] = format:format(row[first], row[second])
	end
	return table.concat(t)
end

-- Replaces the lines between a first and a last line that stay.
local places = {
	{'capi/socket2.h', '(SOCKET2_PENDING = %-1,\n\n).-(};)',
		lines('    %s = %s,\n', 'name', 'number'):gsub(',\n$', '\n')},
	{'types/socket2.lua', '(%-%-%-@alias socket2%.err\n).-(\n%-%-%-@alias)', lines('---| "%s"\n', 'word')},
}

for _, place in ipairs(places) do
	local path, pattern, text = place[1], place[2], place[3]
	local f = assert(io.open(path, 'rb'))
	local before = f:read'*a'
	f:close()
	local after, n = before:gsub(pattern, function(first, last)
		return first .. text .. last
	end, 1)
	assert(n == 1, path)
	if arg[1] ~= '--check' then
		f = assert(io.open(path, 'wb'))
		f:write(after)
		f:close()
	elseif after ~= before then
		io.stderr:write(path .. ' has other errors than core/base/error.h: run luajit tools/errors.lua\n')
		os.exit(1)
	end
end
