-- What the annotations in types/ declare: `types.classes`, {{name =, variable =, parents = {...},
-- functions = {{separator = '.' | ':', name =, parameters = {...}, annotated = {...}}, ...},
-- fields = {name = true}}, ...}, and by name: types.classes['socket2.tcp'].

local process = require'process'

local types = {classes = {}}

local function words(s)
	local list = {}
	for word in s:gmatch'[%w_.]+' do
		list[#list + 1] = word
	end
	return list
end

local by_variable, class, annotated

local function read_line(line)
	local name, parents = line:match'^%-%-%-@class ([%w_.]+) ?:? ?(.*)$'
	if name then
		class = {name = name, parents = words(parents), functions = {}, fields = {}}
		types.classes[#types.classes + 1], types.classes[name] = class, class
		annotated = {}
		return
	end
	local field = line:match'^%-%-%-@field ([%w_]+)'
	if field then
		class.fields[field] = true
		return
	end
	local parameter = line:match'^%-%-%-@param ([%w_.]+)'
	if parameter then
		annotated[#annotated + 1] = parameter
		return
	end
	local variable = line:match'^local ([%w_]+) = {}$'
	if variable then
		class.variable = variable
		by_variable[variable] = class
		annotated = {}
		return
	end
	local separator, parameters
	variable, separator, name, parameters = line:match'^function ([%w_]+)([.:])([%w_]+)%((.-)%) end$'
	if variable then
		local of = assert(by_variable[variable], line)
		of.functions[#of.functions + 1] = {separator = separator, name = name,
			parameters = words(parameters), annotated = annotated}
		annotated = {}
	end
end

for path in process.output'ls types/*.lua types/*/*.lua':gmatch'%S+' do
	by_variable, class, annotated = {}, nil, {}
	for line in assert(process.read(path)):gmatch'[^\n]+' do
		read_line(line)
	end
end

return types
