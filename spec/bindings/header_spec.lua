-- The header is the manual: each of its functions has a comment, alone or shared with its neighbours.

it('every function of socket2.h is documented', function()
	local f = assert(io.open'capi/socket2.h')
	local bare, functions, told = {}, 0, false
	local statement = ''
	for line in f:lines() do
		if line:match'%*/$' then
			told = not line:match'^/%* %-%-%-%-' -- the title of a section describes no function
			statement = ''
		elseif line == '' then
			told = false
		else
			statement = statement .. line
		end
		local name = line:match';$' and statement:match'^SOCKET2_API .-(socket2_[%w_]+)%('
		if line:match';$' then statement = '' end
		if name then
			functions = functions + 1
			if not told then bare[#bare + 1] = name end
		end
	end
	f:close()
	assert.is_true(functions > 80)
	assert.same({}, bare)
end)
