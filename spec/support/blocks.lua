-- The code blocks of a Markdown file as programs, each of which runs in a process of its own.
--
-- A block with an info string that begins with `lua` runs and has to end by itself, without an error, with
-- nothing on stderr. `--> text` in it is a line of its output: if there is any, the block must print exactly
-- these lines, in this order; `...` in the text stands for anything. A second word names the library that the
-- code is for, if it is not socket2.

local ffi = require'ffi'
local process = require'process'

local blocks = {}

local OURS, IN_ITS_PLACE, THEIRS = 'tools/run', 'tools/run -lsocket2.dropin', 'env -u LUA_PATH luajit'

-- The commands that run a block. Programs for LuaSocket run on LuaSocket, and on the drop-in in its place.
blocks.commands = {
	['lua'] = {OURS},
	['lua luasocket'] = {THEIRS, IN_ITS_PLACE},
	['lua copas'] = {THEIRS, IN_ITS_PLACE},
	['lua cqueues'] = {THEIRS},
	['lua luv'] = {THEIRS},
	['lua socketloop'] = {IN_ITS_PLACE},
}

-- of(path) -> {{path =, line =, info =, code =}, ...}: the Lua blocks.
function blocks.of(path)
	local list = {}
	local block
	local n = 0
	for line in assert(process.read(path)):gmatch'([^\n]*)\n' do
		n = n + 1
		local info = line:match'^```(.*)$'
		if not info and block then
			block.lines[#block.lines + 1] = line
		elseif info and block then
			block.code = table.concat(block.lines, '\n') .. '\n'
			if block.info:match'^lua%f[^%w]' then
				list[#list + 1] = block
			end
			block = nil
		elseif info then
			block = {path = path, line = n + 1, info = info, lines = {}}
		end
	end
	assert(not block, path .. ': a block has no end')
	return list
end

-- programs(list) -> {{name =, block =, command =}, ...}: each block with each of its commands.
function blocks.programs(list)
	local programs = {}
	for _, block in ipairs(list) do
		local commands = blocks.commands[block.info]
		if not commands then
			error(('%s:%d: nothing is known of ```%s'):format(block.path, block.line, block.info))
		end
		for _, command in ipairs(commands) do
			programs[#programs + 1] = {block = block, command = command,
				name = ('%s:%d by %s'):format(block.path, block.line, command:gsub('env %-u LUA_PATH ', ''))}
		end
	end
	return programs
end

local function write(path, text)
	local f = assert(io.open(path, 'wb'))
	f:write(text)
	f:close()
end

local LIMIT, AT_A_TIME = 60, 4 -- seconds, processes

-- What a command begins with. (tools/run keeps a preloaded sanitizer.)
local function prefix(command)
	return command == THEIRS and 'unset LD_PRELOAD; ' or command == IN_ITS_PLACE and process.with_modules or ''
end

-- run(programs): runs all of them, some at a time; each then has `status`, `output` and `errors`.
function blocks.run(programs)
	local dir = process.output'mktemp -d':match'%S+'
	for i, p in ipairs(programs) do
		local path = ('%s/%d'):format(dir, i)
		-- Blank lines first, so that line numbers are those of the page.
		write(path .. '.lua', ('\n'):rep(p.block.line - 1) .. p.block.code)
		write(path .. '.sh', (('%stimeout %d %s @.lua >@.output 2>@.errors </dev/null\n'
			.. 'echo $? >@.status\n'):format(prefix(p.command), LIMIT, p.command):gsub('@', path)))
	end
	process.output(('ls %s/*.sh | xargs -P %d -n 1 sh # tools/run'):format(dir, AT_A_TIME))
	for i, p in ipairs(programs) do
		local path = ('%s/%d'):format(dir, i)
		p.status = tonumber(process.read(path .. '.status') or '')
		p.output, p.errors = process.read(path .. '.output'), process.read(path .. '.errors')
	end
	os.execute('rm -r ' .. dir)
end

-- Any run of whitespace matches any other.
local function pattern(text)
	return '^' .. text:gsub('%s+', ' '):gsub(' $', ''):gsub('%p', '%%%0'):gsub('%%%.%%%.%%%.', '.*') .. '$'
end

-- failure(program) -> text | nil: what went wrong.
function blocks.failure(p)
	if p.status ~= 0 then
		return ('%s\nended with %s\n%s'):format(p.output, p.status, p.errors)
	elseif p.errors ~= '' then
		return 'wrote to stderr: ' .. p.errors
	end
	local code, expected = p.block.code, {}
	if ffi.os == 'Windows' then
		code = code:gsub("\nif jit%.os ~= 'Windows' then\n.-\nend\n", '\n')
	end
	for text in code:gmatch'%-%->[ \t]?([^\n]*)' do
		expected[#expected + 1] = text
	end
	if not expected[1] then
		return
	end
	local n = 0
	for line in p.output:gmatch'([^\n]*)\n' do
		n = n + 1
		if not expected[n] or not line:gsub('%s+', ' '):gsub(' $', ''):find(pattern(expected[n])) then
			return ('printed %q as line %d where the page says %q; all of it:\n%s'):format(line, n,
				expected[n] or 'nothing', p.output)
		end
	end
	if n < #expected then
		return ('did not print %q; all that it did:\n%s'):format(expected[n + 1], p.output)
	end
end

-- The anchors that a viewer gives its headings.
local function anchors_of(text)
	local anchors = {}
	for heading in text:gmatch'\n#+ ([^\n]*)' do
		anchors[heading:lower():gsub('[^%w%- ]', ''):gsub(' ', '-')] = true
	end
	return anchors
end

-- bad_link(path) -> the first link on that page without a target | nil
function blocks.bad_link(path)
	local text = assert(process.read(path))
	for link in text:gmatch'%]%(([^)]+)%)' do
		local file, anchor = link:match'^([^#]*)#?(.*)$'
		local target = file == '' and path or path:match'^(.-)[^/]*$' .. file
		if not link:match'^%a+:' then
			local content = process.read(target)
			if not content and os.execute('test -d ' .. target) ~= 0
				or anchor ~= '' and not anchors_of(content)[anchor] then
				return link
			end
		end
	end
end

return blocks
