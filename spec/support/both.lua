-- Compares the modules in lua/socket2/compat with those they replace: the original, if it is installed, is
-- the oracle. Both run in one process, each with its own modules and globals.
--
--	local both = require'both''mime'    -- nil when the original is not installed
--	both(function(m) return m.b64('a', 'b') end)
--
-- runs the function on the original and on its replacement, and asserts that the results are equal: their
-- number, everything in tables, and the message of an error. All functions count as equal.

local assert = require'luassert'

local unpack, select = unpack, select

local SYSTEM = '/usr/local/share/lua/5.1/?.lua;/usr/share/lua/5.1/?.lua'
local SYSTEM_C = '/usr/local/lib/lua/5.1/?.so;/usr/lib/lua/5.1/?.so;/usr/lib/?/lua/5.1/?.so'
local FAMILY = {'socket', 'mime', 'ltn12', 'mbox'}
-- Modules that distributions have under another name.
local ALIASES = {mbox = 'socket.mbox'}

local function pack(...)
	return {n = select('#', ...), ...}
end

-- The templates of a path that do not belong to this project.
local function foreign(path, more)
	local templates = {}
	for template in (path .. ';' .. more):gmatch'[^;]+' do
		if not template:find('lua/socket2/compat', 1, true) and not template:find'^%./' then
			templates[#templates + 1] = template
		end
	end
	return table.concat(templates, ';')
end

local path, cpath = foreign(package.path, SYSTEM), foreign(package.cpath, SYSTEM_C)
local root = package.searchpath('socket2', package.path):match'^(.*)lua/socket2%.lua$'
local compat = root .. 'lua/socket2/compat/?.lua'

-- The modules of one side. While they are loaded they replace that family in package.loaded.
local function side(with_path)
	return {path = with_path, loaded = {}, globals = {}}
end

local original, ours = side(path), side(compat .. ';' .. package.path .. ';' .. path)

local function of_family(name)
	for _, word in ipairs(FAMILY) do
		if name == word or name:sub(1, #word + 1) == word .. '.' then
			return true
		end
	end
end

local function swap(from, to)
	for name, module in pairs(package.loaded) do
		if of_family(name) then
			from.loaded[name], package.loaded[name] = module, nil
		end
	end
	for name, module in pairs(to.loaded) do
		package.loaded[name] = module
	end
	for _, name in ipairs(FAMILY) do
		from.globals[name] = rawget(_G, name)
		rawset(_G, name, to.globals[name])
	end
end

-- Runs f as code that sees only that side's modules.
local function within(which, f)
	local outside = side()
	local before, cbefore = package.path, package.cpath
	package.path, package.cpath = which.path, cpath
	swap(outside, which)
	local results = pack(pcall(f))
	swap(which, outside)
	package.path, package.cpath = before, cbefore
	if not results[1] then
		error(results[2], 0)
	end
	return unpack(results, 2, results.n)
end

local function load_original(name)
	for _, candidate in ipairs{name, ALIASES[name]} do
		if package.searchpath(candidate, path) or package.searchpath(candidate, cpath) then
			return within(original, function() return require(candidate) end)
		end
	end
end

-- An error's message without its position in the module.
local function message_of(err)
	if type(err) ~= 'string' then
		return err
	end
	local message, n = err:gsub('^[^:]*[/\\][%w_]+%.lua:%d+: ', '')
	if n > 0 and not err:find'_spec%.lua:' and not err:find'/both%.lua:' then
		message = message:gsub("to '[^']*'", "to '?'"):gsub('^(attempt to %a+).*', '%1')
	end
	return message
end

local function comparable(v, seen)
	local what = type(v)
	if what == 'function' then
		return 'a function'
	elseif what ~= 'table' then
		return v ~= v and 'not a number' or v
	end
	seen = seen or {}
	if not seen[v] then
		local copy = {}
		seen[v] = copy
		for k, value in pairs(v) do
			copy[k] = comparable(value, seen)
		end
	end
	return seen[v]
end

local function outcome(f, m, ...)
	local results = pack(pcall(f, m, ...))
	if not results[1] then
		return {raised = message_of(results[2])}
	end
	results.n = results.n - 1
	table.remove(results, 1)
	return comparable(results)
end

local function equal(a, b)
	if type(a) ~= 'table' or type(b) ~= 'table' then
		return a == b
	end
	for k, v in pairs(a) do
		if not equal(v, b[k]) then
			return false
		end
	end
	for k in pairs(b) do
		if a[k] == nil then
			return false
		end
	end
	return true
end

-- Returns a function that compares; nil when the original of the module is not installed.
return function(name)
	local theirs = load_original(name)
	if not theirs then
		return nil
	end
	local module = within(ours, function() return require(name) end)
	assert.are_not_equal(theirs, module)

	return function(f, ...)
		local expected, actual = outcome(f, theirs, ...), outcome(f, module, ...)
		if not equal(expected, actual) then -- compared first, because luassert takes its time
			assert.same(expected, actual)
		end
		return actual
	end, theirs, module
end
