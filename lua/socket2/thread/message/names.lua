-- Values that go between Lua states by name: loaded modules, and the fields of one.

local type, next, rawget, setmetatable = type, next, rawget, setmetatable
local getinfo = debug.getinfo
local loaded = package.loaded

local names = {}

-- The names that were found so far. Modules come and go, so a name that was found is checked again.
local module_names = setmetatable({}, {__mode = 'k'})
local field_modules = setmetatable({}, {__mode = 'k'})
local field_names = setmetatable({}, {__mode = 'k'})

local standard = {_G = true}
for name in ('string table math io os debug coroutine package bit jit jit.opt jit.util ffi'):gmatch'%S+' do
	standard[name] = true
end

local fields_found = false -- for the present message

local named_types = {table = true, ['function'] = true, userdata = true, cdata = true}

-- find_modules(): call it before the others, for each message.
function names.find_modules()
	fields_found = false
	for name, module in next, loaded do
		if module_names[module] ~= name and named_types[type(module)] and type(name) == 'string' then
			local other = module_names[module]
			if not other or loaded[other] ~= module then
				module_names[module] = name
			end
		end
	end
end

local function is_builtin(f)
	local info = getinfo(f, 'S')
	return info.what == 'C' or info.short_src:find('[builtin:', 1, true) == 1
end

local function find_fields(name, module)
	for field, v in next, module do
		local t = type(v)
		if t ~= 'table' and named_types[t] and type(field) == 'string'
			and (not standard[name] or t ~= 'function' or is_builtin(v)) then
			field_modules[v], field_names[v] = name, field
		end
	end
end

-- If a value has several names, one in the standard library wins, because every state has that.
local function find_all_fields()
	for name, module in next, loaded do
		if type(module) == 'table' and type(name) == 'string' and not standard[name] then
			find_fields(name, module)
		end
	end
	for name in next, standard do
		if type(loaded[name]) == 'table' then
			find_fields(name, loaded[name])
		end
	end
end

-- module_of(v) -> name | nil
function names.module_of(v)
	local name = module_names[v]
	return name and loaded[name] == v and name or nil
end

local function known_field(v)
	local module, field = field_modules[v], field_names[v]
	local t = module and loaded[module]
	if type(t) == 'table' and rawget(t, field) == v then
		return module, field
	end
end

-- field_of(v) -> name of the module, name of the field | nil
function names.field_of(v)
	local module, field = known_field(v)
	if not module and not fields_found then
		find_all_fields()
		fields_found = true
		module, field = known_field(v)
	end
	return module, field
end

return names
