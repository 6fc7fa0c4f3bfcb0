-- Errors in socket threads.

local socket = require'socket2'
local coro = require'coro'
local threads = require'threads'
local spec = require'spec'

local raises = spec.raises
local timed_out, bound, recv, batch, check_usable =
	threads.timed_out, threads.bound, threads.recv, threads.batch, threads.check_usable

after_each(threads.tidy)

describe('an error in a thread', function()
	local function a_named_function()
		local line = debug.getinfo(1, 'l').currentline + 1
		error(('failed in line %d.'):format(line))
	end
	local function fail(i) error(i, 0) end

	for _, name in ipairs{'poll', 'start'} do
		it('is raised by ' .. name .. ' with the traceback of the thread', function()
			batch{a_named_function}
			local line, failed = raises('^[^\n]*sched_error_spec%.lua:%d+: failed in line %d+%.\nstack traceback:\n',
				socket[name], 5):match'sched_error_spec%.lua:(%d+): failed in line (%d+)%.'
			assert.equal(line, failed)
			check_usable()
		end)
	end

	it('names the functions on the way', function()
		batch{function()
			a_named_function()
			return 'no tail call'
		end}
		raises("in function 'a_named_function'", socket.poll, 5)
	end)

	it('before its first wait is raised by the next poll, not by newthread', function()
		local co = socket.newthread(a_named_function)
		assert.equal('thread', type(co))
		raises('failed in line', socket.poll, 5)
		socket.newthread(a_named_function)
		raises('failed in line', socket.start)
		check_usable()
	end)

	it('in a thread started by a thread does not harm that one', function()
		local over
		socket.newthread(function()
			socket.newthread(a_named_function)
			over = true
		end)
		assert.is_true(over)
		raises('failed in line', socket.poll, 5)
		timed_out(socket.poll(0))
	end)

	it('does not hide another of the same batch', function()
		batch{fail, fail, function() end, fail}
		local seen = {}
		for i = 1, 3 do
			local ok, err = pcall(i == 2 and socket.start or socket.poll, 5)
			assert.is_false(ok)
			seen[err:match'^%d'] = true
		end
		assert.same({['1'] = true, ['2'] = true, ['4'] = true}, seen)
		check_usable()
	end)

	it('leaves the rest of the batch for the next poll', function()
		local ran = 0
		local function run() ran = ran + 1 end
		batch{fail, run, run, run, run}
		repeat
			local ok = pcall(socket.poll, 0)
		until not ok
		assert.is_true(socket.poll(0) or ran == 4)
		assert.equal(4, ran)
		check_usable()
	end)

	it('may be of any type', function()
		local object = setmetatable({}, {__tostring = function() return 'an object' end})
		for _, t in ipairs{
			{42, '^42\nstack traceback'}, {{}, '^table: 0x%x+\nstack'}, {nil, '^nil\nstack'}, {false, '^false\n'},
			{object, '^an object\nstack traceback'},
		} do
			batch{function() error(t[1], 0) end}
			raises(t[2], socket.poll, 5)
		end
		check_usable()
	end)

	it('is not lost when it cannot be put into words', function()
		local mute = setmetatable({}, {__tostring = function() error'no words' end})
		local odd = setmetatable({}, {__tostring = function() return {} end})
		for _, err in ipairs{mute, odd} do
			batch{function() error(err) end}
			raises('stack traceback', socket.poll, 5)
			local got
			socket.onerror = function(_, e) got = e end
			batch{function() error(err) end}
			assert.is_true(socket.poll(5))
			assert.equal(err, got)
			socket.onerror = nil
		end
	end)

	it('may be a stack overflow', function()
		local function deeper() return 1 + deeper() end
		batch{deeper}
		assert.is_true(spec.is_overflow(raises('', socket.poll, 5)))
		check_usable()
	end)

	it('in a generator inside the thread arrives with its own message', function()
		batch{function()
			for _ in coro.wrap(a_named_function) do end
		end}
		raises('failed in line', socket.poll, 5)
		check_usable()
	end)

	it('that native coroutine.yield is called in a thread is one too', function()
		local output = spec.luajit([[
			local socket, ffi = require'socket2', require'ffi'
			local s = assert(socket.udp())
			assert(s:bind('127.0.0.1', 0))
			local function wait() return assert(s:recv(ffi.new'char[9]', 9)) end
			local function send() s:send('hello', s:localaddr()) end
			local function check_usable()
				local n
				socket.newthread(function() n = wait() end)
				socket.newthread(send)
				assert(socket.start(5))
				assert(n == 5)
			end

			socket.newthread(function() wait() coroutine.yield() end)
			socket.newthread(send)
			print(pcall(socket.poll, 5))
			check_usable()
			print(pcall(function() -- either of the two may raise it
				socket.newthread(coroutine.yield)
				socket.poll(0)
			end))
			check_usable()
			print'usable'
		]], 'timeout 20')
		assert.matches('^false.*coroutine%.yield.*\nfalse.*coroutine%.yield.*\nusable\n$', output)
	end)

	it('goes to onerror as it is, if there is one', function()
		for _, err in ipairs{'text', 42, {}, false, print} do
			local calls = {}
			socket.onerror = function(...)
				calls[#calls + 1] = {n = select('#', ...), ...}
			end
			local s = bound()
			local thread = socket.newthread(function()
				recv(s)
				error(err, 0)
			end)
			socket.newthread(function() s:send('x', s:localaddr()) end)
			assert.is_true(socket.poll(5))
			assert.equal(1, #calls)
			assert.equal(3, calls[1].n)
			assert.equal(thread, calls[1][1])
			assert.equal(err, calls[1][2])
			assert.matches('^' .. tostring(err):gsub('%p', '%%%0') .. '\nstack traceback:', calls[1][3])
			assert.matches('sched_error_spec.lua', calls[1][3])
		end
		check_usable()
	end)

	it('goes to onerror at once when it happens before the first wait', function()
		local got
		socket.onerror = function(thread, err) got = {thread, err} end
		local co = socket.newthread(error, 'early', 0)
		assert.same({co, 'early'}, got)
		timed_out(socket.poll(0))
	end)

	it('lets the batch go on when onerror takes it', function()
		local got, ran = {}, 0
		socket.onerror = function(_, err) got[#got + 1] = err end
		local function run() ran = ran + 1 end
		batch{fail, run, fail, run}
		assert.is_true(socket.poll(5))
		table.sort(got)
		assert.same({1, 3}, got)
		assert.equal(2, ran)
	end)

	it('in onerror itself is raised, and does not hide the first one', function()
		socket.onerror = function() error'the handler failed' end
		batch{function() error'the thread failed' end}
		local messages = {}
		repeat
			local ok, err = pcall(socket.poll, 0)
			messages[#messages + 1] = not ok and err or nil
		until ok
		messages = table.concat(messages)
		assert.matches('the handler failed', messages)
		assert.matches('the thread failed', messages)
		socket.onerror = nil
		check_usable()
	end)
end)
