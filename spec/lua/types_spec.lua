-- The annotations in types/ declare what there is, no more and no less.

local coro = require'coro'
local socket = require'socket2'
local thread = require'socket2.thread'
local udp = require'socket2.net.udp'
local process = require'process'
local types = require'types'

local function words(s)
	local set = {}
	for word in s:gmatch'%S+' do
		set[word] = true
	end
	return set
end

-- What objects have for the library's own use.
local internal = words[[
	wrap constructor of_handle is_busy let_go size_of buffer_size data_size class owner_of type_number lookups
	rline wline counted collected opened_by made take
	read_timeout write_timeout reader is_reading leave_behind check_thread receive rest unread more count_line
	new new_connected new_raw raw_class open group_options fire own send_written self park enter leave
	interrupted n i]]

local function class_of(object)
	return getmetatable(object).__index
end

local timer = assert(socket.runafter(0, function() end))
timer:cancel()
local server = assert(socket.serve{handler = tostring, host = '127.0.0.1', threads = 1})
local thr = assert(thread.new'return')
local theirs = assert(socket.tcp'inet')
local fd = assert(socket.wrapfd(theirs:fd()))

-- The tables of the methods.
local real = {
	['socket2'] = socket,
	['socket2.signal'] = class_of(assert(socket.signal'int')),
	['socket2.addr'] = class_of(assert(socket.addr'127.0.0.1')),
	['socket2.tcp'] = class_of(assert(socket.tcp())),
	['socket2.udp'] = class_of(assert(socket.udp())),
	['socket2.raw'] = udp.raw_class,
	['socket2.fd'] = class_of(fd),
	['socket2.timer'] = class_of(timer),
	['socket2.threadset'] = class_of(socket.threadset()),
	['socket2.event'] = class_of(socket.event()),
	['socket2.semaphore'] = class_of(socket.semaphore(1)),
	['socket2.queue'] = class_of(socket.queue()),
	['socket2.server'] = class_of(server),
	['socket2.thread'] = thread,
	['socket2.thr'] = class_of(thr),
	['socket2.channel'] = class_of(thread.channel()),
	['coro'] = coro,
}

-- The functions that a class declares, with those of its parents: name -> declaration.
local function declared(class, functions)
	functions = functions or {}
	for _, parent in ipairs(class.parents) do
		declared(assert(types.classes[parent], parent), functions)
	end
	for _, f in ipairs(class.functions) do
		functions[f.name] = f
	end
	return functions
end

-- The names of a function's parameters.
local function parameters_of(f, is_method)
	local names = {}
	local info = debug.getinfo(f, 'u')
	for i = is_method and 2 or 1, info.nparams do
		names[#names + 1] = debug.getlocal(f, i)
	end
	if info.isvararg then
		names[#names + 1] = '...'
	end
	return names
end

describe('the annotations', function()
	teardown(function()
		fd:close()
		theirs:close()
		socket.newthread(function()
			assert(server:stop())
			assert(thr:join())
		end)
		assert(socket.start())
	end)

	for name, object in pairs(real) do
		local class = assert(types.classes[name], name)
		local functions = declared(class)

		it('of ' .. name .. ' have every function', function()
			for key, value in pairs(object) do
				if type(key) == 'string' and not key:match'^__' and not internal[key] then
					assert(type(value) == 'function' and functions[key] or class.fields[key],
						'not declared: ' .. key)
				end
			end
		end)

		it('of ' .. name .. ' have none that is not there, and their parameters', function()
			for key, f in pairs(functions) do
				local actual = object[key]
				assert(type(actual) == 'function', 'not there: ' .. key)
				assert(debug.getinfo(actual, 'S').what == 'Lua', key)
				local names = parameters_of(actual, f.separator == ':')
				local last = names[#names]
				for i, parameter in ipairs(f.parameters) do
					assert(names[i] == parameter or last == '...' and i >= #names,
						('%s: %s is %s'):format(key, parameter, names[i] or 'not there'))
				end
				assert(#f.parameters >= #names, ('%s: %s is not declared'):format(key, last))
			end
		end)
	end

	it('describe every parameter, in order', function()
		for _, class in ipairs(types.classes) do
			for _, f in ipairs(class.functions) do
				assert.same(f.parameters, f.annotated, class.name .. ' ' .. f.name)
			end
		end
	end)

	it('have every class that can be met', function()
		local abstract = words'socket2.socket socket2.waitable socket2.stream'
		for _, class in ipairs(types.classes) do
			assert(real[class.name] or abstract[class.name] or #class.functions == 0, class.name)
		end
	end)

	it('have the words of all errors', function()
		local declared_words = {}
		for word in process.read'types/socket2.lua':gmatch'\n%-%-%-| "([%l_]+)"' do
			declared_words[#declared_words + 1] = word
		end
		local actual = {}
		local C, ffi = require'socket2.lib'.C, require'ffi'
		for code = -2, -1000, -1 do
			local word = ffi.string(C.socket2_error_name(code))
			if word == 'unknown_error' then break end
			actual[#actual + 1] = word
		end
		assert.same(actual, declared_words)
	end)

	it('are Lua', function()
		for path in process.output'ls types/*.lua types/*/*.lua':gmatch'%S+' do
			assert(loadfile(path))
		end
	end)
end)
