-- A wait in a handler of xpcall, a finalizer or a hook raised a message that spoke of other places.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

local places = {
	['a handler of xpcall'] = function(f)
		xpcall(error, f, 'the error')
	end,
	['a finalizer'] = function(f)
		ffi.gc(ffi.new'int[1]', f)
		collectgarbage()
		collectgarbage()
	end,
	['a hook'] = function(f)
		jit.off(true, true)
		debug.sethook(function()
			debug.sethook()
			f()
		end, '', 1)
		for _ = 1, 10 do tostring(0) end
	end,
}

describe('a wait', function()
	local s, buf

	before_each(function()
		s, buf = assert(socket.udp()), spec.buffer(10)
		assert(s:bind('127.0.0.1', 0))
	end)

	after_each(function()
		s:close()
	end)

	local waits = {
		recv = function() return s:recv(buf, 10) end,
		wait = function() return s:wait('r') end,
		['wait for both'] = function() return s:wait('rw') end,
		sleep = function() return socket.sleep(0.01) end,
		pop = function() return socket.queue():pop() end,
		suspend = function() return socket.suspend() end,
	}

	for place, at in pairs(places) do
		for name, wait in pairs(waits) do
			it(('(%s) in %s raises and says so'):format(name, place), spec.threaded(function()
				local ok, err
				at(function() ok, err = pcall(wait) end)
				assert.is_false(ok)
				assert.matches('I/O cannot wait here', err, 1, true)
				assert.matches(place:match'%a+$', err, 1, true)
				-- and nothing is left behind
				assert.is_true(socket.sleep(0))
				assert(s:send('x', s:localaddr()))
				assert.equal(1, (assert(s:recv(buf, 10))))
			end))
		end

		it('in a thread that was started in ' .. place .. ' is fine', spec.threaded(function()
			local got
			at(function()
				socket.newthread(function() got = assert(s:recv(buf, 10)) end)
			end)
			assert(s:send('abc', s:localaddr()))
			spec.wait_until(function() return got end)
			assert.equal(3, got)
		end))
	end
end)
