-- tools/check_prose: the words that it finds in each language, and those that it lets pass.

local process = require'process'
local spec = require'spec'

local files = {
	['a.c'] = [[
// A name that nothing
// of the library's is there; '"' and "//" end nothing.
char c = '"'; /* whoever waits */ const char* s = "whose";
/* fine: a user who waits, as long as he
 * likes; the end of the program's output */
]],
	['core/a.h'] = 'const char* text = "one that is none";\n',
	['a.lua'] = [=[
local s = '-- who' -- goes off at the end
local t = [[ -- who ]] --[[ waits for
ever, as the
system does ]]
-- As recv(), but longer
-- the same as recv(), and as soon as send()
-- who_is is a name; sends it, as a string
]=],
	['a.sh'] = '#!/bin/sh\n# As long as it runs\necho "#who" # of ours\n# Lookups, look-ups; look up\n',
	['a.md'] = '# Who\n\nText, as `f()` does, is\n`who`; see [the page](who.md), as\nthere is one.\n',
	['a.txt'] = 'who\n',
}

local expected = [[
a.c:2: of the library's
a.c:3: whoever
a.c:4: he
a.lua:1: goes off
a.lua:2: for ever
a.lua:3: , as the system
a.lua:5: As recv()
a.md:1: who
a.md:3: , as CODE does
a.md:4: , as there is
a.sh:3: of ours
a.sh:4: look-ups
core/a.h:1: one that is none
exit 1
]]

local it = spec.with('a processor and a system on which the tools run', it, spec.windows or spec.qemu)

it('tools/check_prose finds the words, and no others', function()
	local tool = process.output'pwd':gsub('%s+$', '') .. '/tools/check_prose'
	local folder = os.tmpname()
	os.remove(folder)
	assert.equal(0, os.execute(('mkdir -p %s/core && git init -q %s'):format(folder, folder)))
	for name, text in pairs(files) do
		local f = assert(io.open(folder .. '/' .. name, 'w'))
		f:write(text)
		f:close()
	end
	local function check(paths)
		local command = 'cd %s && git add -A && { luajit %s %s; echo "exit $?"; }'
		return process.output(command:format(folder, tool, paths))
	end
	local found = {}
	for line in check'':gmatch'[^\n]+\n' do
		found[#found + 1] = line
	end
	table.sort(found)
	local clean, missing = check'a.txt', check'none'
	os.execute('rm -rf ' .. folder)
	assert.equal(expected, table.concat(found))
	assert.equal('exit 0\n', clean)
	assert.equal('no such file in the project\nexit 1\n', missing)
end)
