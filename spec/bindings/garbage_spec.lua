-- Any language, any mistake: see garbage.py. With a sanitizer there are a million calls.

local process = require'process'

local sanitizer = os.getenv'LD_PRELOAD' or ''

it('the library stands whatever a program in Python gets wrong', function()
	-- Makes Python allocate each object separately, so that a sanitizer can watch it.
	local python = ("env LD_PRELOAD='%s' PYTHONMALLOC=malloc /usr/bin/python3 "):format(sanitizer)
	if os.execute(python .. '-c "" >/dev/null 2>&1') ~= 0 then
		return pending'Python does not run with this sanitizer'
	end
	local calls = sanitizer == '' and 100000 or 1000000
	local out = process.output(('timeout 290 %s spec/bindings/garbage.py %d 2>&1; echo "exit $?"')
		:format(python, calls))
	assert.matches('\nexit 0\n$', out)
end)
