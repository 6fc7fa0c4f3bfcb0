-- The pages of docs/ are true: their programs run and print what they say, their links lead somewhere, and
-- every public function is on one, with a program that calls it.

local process = require'process'
local blocks = require'blocks'
local types = require'types'

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

local programs = blocks.programs(list)

describe('docs/', function()
	setup(function()
		blocks.run(programs)
	end)

	for _, p in ipairs(programs) do
		it(p.name, function()
			assert(not blocks.failure(p), blocks.failure(p))
		end)
	end

	it('has programs', function()
		assert.is_true(#programs > 50)
	end)

	it('has links that lead somewhere', function()
		for path, text in pairs(texts) do
			for link in text:gmatch'%]%(([^)]+)%)' do
				local file, anchor = link:match'^([^#]*)#?(.*)$'
				if not link:match'^%a+:' then
					local target = file == '' and path or 'docs/' .. file
					local content = process.read(target)
					assert(content or os.execute('test -d ' .. target) == 0, path .. ' links to ' .. link)
					assert(anchor == '' or content:find('\n#+ [^\n]*' .. anchor:gsub('%W+', '%%W+'))
						or content:lower():find('\n#+ [^\n]*' .. anchor:gsub('%W+', '%%W+')),
						path .. ' links to ' .. link)
				end
			end
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
					if texts[path]:find('### `' .. name .. '(', 1, true) then
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
end)
