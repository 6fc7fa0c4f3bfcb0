-- Values as bytes, and back.

local ffi = require'ffi'
local socket = require'socket2'
local message = require'socket2.thread.message'
require'socket2.thread.cargo'
local spec = require'spec'

local encode, decode = message.encode, message.decode

local function copy(...)
	return decode(encode(...))
end

local function bits(n)
	return ffi.string(ffi.new('double[1]', n), 8)
end

local function refuses(text, ...)
	local ok, err = pcall(encode, ...)
	assert.is_false(ok)
	assert.equal(text, (err:gsub('^[^ ]*:%d+: ', '')))
end

-- What a state of its own, a process here, decodes and prints.
local function elsewhere(value, code)
	local bytes = encode(value):gsub('.', function(c) return ('\\%03d'):format(c:byte()) end)
	local output, exit = spec.luajit(([[
	local v = require'socket2.thread.message'.decode'%s'
	%s]]):format(bytes, code))
	assert.equal(0, exit, output)
	return output
end

describe('a message', function()
	it('has values of all plain types, nil among them', function()
		local function check(n, ...)
			assert.equal(7, select('#', ...))
			assert.same({nil, true, false, 'text', '', 1.5, nil}, {...})
			return n
		end
		check(7, copy(nil, true, false, 'text', '', 1.5, nil))
		assert.equal(0, select('#', copy()))
	end)

	it('has numbers bit by bit', function()
		for _, n in ipairs{0, -0, 1, -1, 2^53, 2^-1074, 1.7976931348623157e308, 1/0, -1/0, math.pi} do
			assert.equal(bits(n), bits(copy(n)))
		end
		local nan = copy(0/0)
		assert.is_true(nan ~= nan)
	end)

	it('has strings of any bytes and length', function()
		local all = {}
		for i = 0, 255 do all[#all + 1] = string.char(i) end
		local bytes = table.concat(all)
		for _, n in ipairs{0, 1, 254, 255, 256, 257, 1023, 65535, 65536, 300000} do
			local s = bytes:rep(math.ceil(n / 256)):sub(1, n)
			assert.is_true(s == copy(s))
			local w = message.write(s)
			assert.is_true(s == message.read(w.mem, w.pos))
			message.done(w)
		end
	end)

	it('fits into its memory, of whatever length its strings are', function()
		for n = 900, 1100 do
			local w = message.write(('x'):rep(n)) -- with memory of its own: no other is given back
			assert.is_true(w.pos <= w.size, n)
		end
	end)

	it('has tables with holes, any keys, and no metatables', function()
		local inner = {}
		local t = setmetatable({1, 2, nil, 4, [0] = 0, [-1] = -1, [1.5] = 1.5, [true] = false, [inner] = 'inner',
			['a b'] = {x = 1}, [2^40] = 'far'}, {__index = {a = 1}})
		local u = copy(t)
		assert.is_nil(getmetatable(u))
		assert.same({1, 2, nil, 4}, {u[1], u[2], u[3], u[4]})
		assert.same({0, -1, 1.5, false, 1, 'far'}, {u[0], u[-1], u[1.5], u[true], u['a b'].x, u[2^40]})
		local n = 0
		for k, v in pairs(u) do
			n = n + 1
			assert.is_true(type(k) ~= 'table' or v == 'inner')
		end
		assert.equal(10, n)
	end)

	it('has numbers between those of a list, and beyond them', function()
		local t = {1, 2, 3, [0] = 0, [0.5] = 'half', [1.5] = 'x', [4.5] = 'y', [1e9] = 'far'}
		assert.same(t, (copy(t)))
	end)

	it('keeps cycles and what is shared, between its values too', function()
		local t = {}
		t.self, t[t] = t, {t}
		local a, b = copy(t, {t})
		assert.equal(a, a.self)
		assert.equal(a, a[a][1])
		assert.equal(a, b[1])
	end)

	it('is as deep or wide as memory allows', function()
		local list, wide = {}, {}
		local l = list
		for i = 1, 100000 do
			l.next = {}
			l = l.next
			wide[i] = {i}
		end
		l.value = 'end'
		local c, w = copy(list, wide)
		for _ = 1, 100000 do c = c.next end
		assert.equal('end', c.value)
		assert.equal(100000, w[100000][1])
	end)

	it('has cdata numbers of their types', function()
		for _, name in ipairs{'int64_t', 'uint64_t', 'int', 'unsigned char', 'short', 'uint32_t', 'float', 'double',
			'bool', 'complex', 'complex float'} do
			local v = ffi.new(name, 1)
			local u = copy(v)
			assert.equal('cdata', type(u))
			assert.is_true(ffi.istype(ffi.typeof(v), u), name)
			assert.is_true(u == v or ffi.istype('complex', v) or ffi.istype('complex float', v), name)
		end
		assert.equal(-2LL^63, copy(-2LL^63))
		assert.equal(0xffffffffffffffffULL, copy(0xffffffffffffffffULL))
		local c = copy(ffi.new('complex', 1.5, -2))
		assert.same({1.5, -2}, {c.re, c.im})
		assert.equal(3, copy(ffi.new('enum {message_spec_a, message_spec_b = 3}', 3)))
		assert.equal(7, tonumber(copy(ffi.new('const int', 7))))
	end)

	it('has addresses', function()
		local ai = assert(socket.addr('127.0.0.1', 80))
		local copied = copy(ai)
		assert.equal('127.0.0.1:80', tostring(copied))
		assert.is_nil(copied:next())
		assert.equal('/some/path', tostring(copy(socket.addr('/some/path', nil, 'tcp', 'unix'))))
		ai:free()
		refuses('cannot send a freed address (at [1].ai)', {ai = ai})
	end)
end)

describe('a function in a message', function()
	it('has copies of its upvalues, which functions of one message share', function()
		local n, t = 1, {}
		local function count()
			n = n + 1
			return n, t
		end
		local function get() return n, t, count end
		local c, g = copy(count, get)
		assert.same({2, 1}, {(c()), n})
		local m, u, c1 = g()
		assert.equal(2, m)
		assert.equal(c, c1)
		assert.equal(u, select(2, c()))
		assert.are_not.equal(t, u)
	end)

	it('can call itself, and have tables that have it', function()
		local class = {}
		local function factorial(n) return n <= 1 and 1 or n * factorial(n - 1) end
		function class:method() return class, self end
		local f, c = copy(factorial, class)
		assert.equal(120, f(5))
		assert.equal(c, (c:method()))
	end)

	it('of two functions which share nothing shares nothing', function()
		local function counter()
			local n = 0
			return function() n = n + 1 return n end
		end
		local a, b = copy(counter(), counter())
		assert.same({1, 2, 1}, {a(), a(), b()})
	end)

	it('has upvalues of nil, varargs, int64 constants and inner functions', function()
		local none = nil
		local f = copy(function(...)
			local args = {...}
			return none, function() return args[1], 5LL, 2.5i end
		end)
		local v, g = f('x')
		assert.is_nil(v)
		local a, b, c = g()
		assert.same({'x', 2.5}, {a, c.im})
		assert.is_true(b == 5LL)
	end)

	it('has the modules of its upvalues in another state', function()
		local format, out, abs, C = string.format, io.stdout, math.abs, ffi
		local f = function()
			out:write(format('%d ', abs(-7)), tostring(socket == require'socket2'), ' ',
				tostring(C == require'ffi'), ' ', tostring(_G == getfenv(1)))
		end
		assert.equal('7 true true true', elsewhere(f, 'v()'))
	end)

	it('calls globals of the other state, which has no environment of this one', function()
		local f = setfenv(function() return tostring(x) end, {x = 1}) -- luacheck: ignore
		assert.equal('nil 2', elsewhere(f, 'io.write(v(), " ") x = 2 io.write(v())'))
	end)

	it('of a loaded module goes by name', function()
		local v = elsewhere({string.format, require'coro'.create, socket.sleep, _G, table.remove, jit.opt}, [[
		local t = {string.format, require'coro'.create, require'socket2'.sleep, _G, table.remove, require'jit.opt'}
		for i = 1, 6 do io.write(tostring(v[i] == t[i]), ' ') end]])
		assert.equal(('true '):rep(6), v)
	end)

	it('that the program put into a standard library goes as bytecode', function()
		function string.message_spec_shout(s) return s:upper() end -- luacheck: ignore
		_G.message_spec_global = function() return 'global' end
		local shout = string.message_spec_shout -- luacheck: ignore
		local v = elsewhere({shout, _G.message_spec_global}, [[io.write(v[1]'a', v[2]())]])
		string.message_spec_shout, _G.message_spec_global = nil, nil -- luacheck: ignore
		assert.equal('Aglobal', v)
	end)

	it('of the standard library goes by its own name, whatever modules have it, too', function()
		for i = 1, 20 do package.loaded['message_spec_alias' .. i] = {p = print, f = string.format} end
		local s = message.encode(print, string.format)
		for i = 1, 20 do package.loaded['message_spec_alias' .. i] = nil end
		assert.same({print, string.format}, {message.decode(s)})
	end)

	it('of a module that is not there raises', function()
		package.loaded.message_spec_module = {f = function() end}
		local bytes = encode(package.loaded.message_spec_module.f)
		local whole = encode(package.loaded.message_spec_module)
		package.loaded.message_spec_module.f = nil
		assert.has_error(function() decode(bytes) end,
			"cannot receive f of module 'message_spec_module': this state has none")
		package.loaded.message_spec_module = nil
		assert.error_matches(function() decode(whole) end, "module 'message_spec_module' not found")
	end)

	it('of a module that was replaced is not taken for the new one', function()
		local first, second = {f = function() return 1 end}, {f = function() return 2 end}
		package.loaded.message_spec_module = first
		assert.equal(first, copy(first))
		package.loaded.message_spec_module = second
		assert.equal(second, copy(second))
		assert.are_not.equal(first, copy(first))
		assert.equal(1, copy(first.f)())
		package.loaded.message_spec_module = nil
		assert.are_not.equal(second, copy(second))
	end)
end)

describe('what cannot be sent', function()
	it('is named with its place', function()
		local co = require'coro'.create(print)
		local t = {handler = function() return co end}
		refuses("cannot send a thread (at [1].handler.upvalue 'co')", t)
		refuses('cannot send a thread (at [2])', 1, co)
		refuses('cannot send a thread (at [1]["a b"][3][true].key [a thread])',
			{['a b'] = {1, 2, {[true] = {[co] = 1}}}})
		refuses('cannot send a userdata (at [1].u)', {u = newproxy()})
		refuses('cannot send a userdata (at [1])', io.tmpfile())
		refuses('cannot send a cdata of type struct socket2_addr (at [1])', ffi.new'socket2_addr')
		refuses('cannot send a cdata of type int [3] (at [1].a)', {a = ffi.new'int[3]'})
		refuses('cannot send a cdata of type void * (at [1])', ffi.cast('void *', 0))
		refuses('cannot send a ctype (at [1])', ffi.typeof'int')
		refuses('cannot send a C function that is no field of a loaded module (at [1])', ('x'):gmatch'y')
	end)

	it('deep down is told in a line, and in no time', function()
		local list = {require'coro'.create(print)}
		for _ = 1, 100000 do list = {next = list} end
		local ok, err = pcall(encode, list)
		assert.is_false(ok)
		assert.matches('cannot send a thread %(at %[1%]%.next.* %.%.%. .*%.next%[1%]%)$', err)
		assert.is_true(#err < 300)
	end)

	it('leaves what can be sent later as it is', function()
		pcall(encode, {1, {2}, newproxy()})
		assert.same({{3}}, {copy{3}})
	end)
end)

describe('one message', function()
	it('has nothing of another', function()
		for _, size in ipairs{2, 200} do
			local list = {}
			for i = 1, size do list[i] = {} end
			copy(list)
			assert.has_error(function() decode(string.char(message.tags.OBJECT, 2)) end, 'malformed message')
		end
		local n = 0
		local function f() n = n + 1 return n end
		local first, second = copy(f), copy(f)
		first()
		assert.same({2, 1}, {first(), second()})
	end)

	it('is read while another is', function()
		local inner = encode{'inner', {}, {}}
		package.preload.message_spec_inner = function() return {got = decode(inner)} end
		local module = {}
		package.loaded.message_spec_inner = module
		local outer = encode{{1}, module, {2}}
		package.loaded.message_spec_inner = nil
		local got = decode(outer)
		package.loaded.message_spec_inner, package.preload.message_spec_inner = nil, nil
		assert.same({{1}, {got = {'inner', {}, {}}}, {2}}, got)
	end)
end)

-- how many of the objects the collector leaves
local function left(objects)
	for _ = 1, 3 do collectgarbage() end
	local n = 0
	for _ in pairs(objects) do n = n + 1 end
	return n
end

describe('what is over', function()
	local function objects(n)
		local list, weak = {}, setmetatable({}, {__mode = 'k'})
		for i = 1, n do
			list[i] = {}
			weak[list[i]] = true
		end
		weak[list] = true
		return list, weak
	end

	it('leaves nothing of what was written', function()
		local list, weak = objects(20)
		local function write() message.done(message.write(list)) end
		write()
		message.done(message.write(1)) -- as a message that has no objects
		write()
		encode(list, 'x', list)
		list = nil
		assert.equal(0, left(weak))
		assert.is_nil(list)
	end)

	it('leaves nothing of what was read', function()
		local weak = setmetatable({}, {__mode = 'k'})
		local function read(...)
			for i = 1, select('#', ...) do
				local t = copy((select(i, ...)))
				weak[t] = true
				for _, inner in ipairs(t) do weak[inner] = true end
			end
		end
		read({{}, {}, {}, {}, {}}, {{}})
		copy(1, 2)
		assert.equal(0, left(weak))
	end)

	it('leaves no large memory', function()
		message.done(message.write(('x'):rep(1e6)))
		local w = message.write(1)
		assert.is_true(w.size < 1e6)
		message.done(w)
	end)
end)

describe('malformed bytes', function()
	it('are an error', function()
		local good = encode({1, 'two', {three = 3LL}}, 'x', ('y'):rep(300))
		for n = 0, #good - 1 do
			local ok, err = pcall(decode, good:sub(1, n))
			assert.is_false(ok)
			assert.equal('malformed message', err)
		end
		math.randomseed(1)
		for _ = 1, 2000 do
			local i = math.random(#good)
			pcall(decode, good:sub(1, i - 1) .. string.char(math.random(0, 255)) .. good:sub(i + 1))
		end
	end)

	local tags = message.tags

	it('are a string that is shorter than it says, of any length', function()
		for _, rest in ipairs{'', 'A', 'AB', ('A'):rep(199)} do
			for _, before in ipairs{'', string.char(tags.LIST, 1), string.char(tags.LIST, 2, tags.TRUE)} do
				local ok, err = pcall(decode, before .. string.char(tags.STRING, 200) .. rest)
				assert.same({false, 'malformed message'}, {ok, err})
			end
		end
	end)

	it('are text where the code of a function should be', function()
		local function text(s) return string.char(tags.STRING, #s) .. s end
		for _, code in ipairs{'return 1', '', 'x = 1'} do
			local bytes = string.char(tags.FUNCTION, 0) .. text(code) .. text'_G'
			local ok, err = pcall(decode, bytes)
			assert.same({false, 'malformed message'}, {ok, err})
		end
	end)
end)
