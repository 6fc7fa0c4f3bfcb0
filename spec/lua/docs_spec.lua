-- The pages of docs/ are true: their programs run and print what they say, their links lead somewhere, and
-- every public function is on one, with a program that calls it.

local socket = require'socket2'
local process = require'process'
local blocks = require'blocks'
local types = require'types'
local spec = require'spec'

local pages, list, texts = {}, {}, {}
for path in process.output'ls docs/*.md':gmatch'%S+' do
	pages[#pages + 1] = path
	texts[path] = assert(process.read(path))
	for _, block in ipairs(blocks.of(path)) do
		list[#list + 1] = block
	end
end

-- What the pages call what has another name in the annotations.
local as = {waitable = 's', stream = 's'}

-- What a program uses that not every system has.
local needs = {
	['ffi%.C%.pipe'] = 'descriptors of pipes and files',
	['ffi%.C%.fork'] = 'fork',
	['kill %-TERM'] = 'signals',
	["socket%.tcp'unix'"] = 'unix sockets',
	["'multicast_if'"] = 'the option multicast_if',
	["require'cqueues"] = 'the libraries of others',
	["require'luv'"] = 'the libraries of others',
}

local programs = blocks.programs(list)

-- `it` for a program
local function test_of(p)
	for pattern, what in pairs(needs) do
		if p.block.code:find(pattern) then
			return spec.with(what, it)
		end
	end
	return it
end

describe('docs/', function()
	setup(function()
		blocks.run(programs)
	end)

	for _, p in ipairs(programs) do
		test_of(p)(p.name, function()
			assert(not blocks.failure(p), blocks.failure(p))
		end)
	end

	it('has programs', function()
		assert.is_true(#programs > 40)
	end)

	it('has links that lead somewhere', function()
		for _, path in ipairs(pages) do
			local link = blocks.bad_link(path)
			assert(not link, path .. ' links to ' .. tostring(link))
		end
	end)

	it('names every page in its index', function()
		for _, path in ipairs(pages) do
			local name = path:match'[^/]+$'
			assert(name == 'README.md' or texts['docs/README.md']:find('](' .. name .. ')', 1, true), name)
		end
	end)

	it('has every public function, and a program that calls it', function()
		for _, class in ipairs(types.classes) do
			for _, f in ipairs(class.functions) do
				local variable = as[class.variable] or class.variable
				local name = variable .. f.separator .. f.name
				local found
				for _, path in ipairs(pages) do
					if texts[path]:find('### `' .. name:gsub('%p', '%%%0') .. '[({]') then
						found = path
					end
				end
				assert(found, 'no section of ' .. name)
				local called
				for _, block in ipairs(list) do
					called = called or block.path == found
						and block.code:find('[%w_%])][.:]' .. f.name .. "%s*[({'\"]")
				end
				assert(called, found .. ' has no program that calls ' .. name)
			end
		end
	end)

	it('has no function that does not exist', function()
		local declared = {}
		for _, class in ipairs(types.classes) do
			for _, f in ipairs(class.functions) do
				declared[(as[class.variable] or class.variable) .. f.separator .. f.name] = true
			end
		end
		for path, text in pairs(texts) do
			for name in text:gmatch'\n### `([%l%d]+[.:][%l_]+)[({]' do
				assert(declared[name], path .. ' has ' .. name)
			end
		end
	end)

	it('names the options that there are', function()
		local tcp, udp = assert(socket.tcp()), assert(socket.udp())
		local n = 0
		for row in texts['docs/socket.md']:match'| value | options |\n(.-)\n\n':gmatch'[^\n]+' do
			local names = row:match'^| (`[^|]*)' or row:match'^| %l+ |(.*)'
			for words in (names or ''):gmatch'`([^`]+)`' do
				for name in words:gmatch'%S+' do
					n = n + 1
					assert(pcall(tcp.getopt, tcp, name) or udp.group_options[name] or spec.windows,
						'no option ' .. name)
				end
			end
		end
		assert.is_true(n > 40)
	end)
end)
