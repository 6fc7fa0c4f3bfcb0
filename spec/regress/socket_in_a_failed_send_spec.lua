-- A socket in a message that was not sent, or not received, is somebody's: its sender's again, or closed.

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

local threaded, fails = spec.threaded, spec.fails

local function soon()
	return socket.clock() + 10
end

describe('a socket', function()
	it('is its sender\'s when the send raises beside one that waits', threaded(function()
		local ch = thread.channel(1)
		ch:send(1)
		local other = socket.newthread(function() ch:send(2) end)
		local client, s = spec.pair()
		-- In a plain coroutine, where nothing can wait.
		local ok, err = coroutine.wrap(function() return pcall(ch.send, ch, {s}) end)()
		assert.is_false(ok)
		assert.matches('cannot wait here', err)
		assert(client:send'still here\n')
		assert.equal('still here', s:readline(nil, soon()))
		socket.cancel(other)
	end))

	it('is its sender\'s again when the send is canceled', threaded(function()
		local ch = thread.channel(0)
		local client, s = spec.pair()
		local ts = socket.threadset()
		socket.cancel(ts:thread(ch.send, ch, {s}))
		assert.equal('canceled', ts:first(soon())[2])
		assert(client:send'back\n')
		assert.equal('back', s:readline(nil, soon()))
	end))

	it('is closed with the state whose send goes on', threaded(function()
		local full = thread.channel(0)
		local client, s = spec.pair()
		local t = assert(thread.new(function()
			socket.newthread(function() full:send{s} end)
			error'over'
		end))
		assert.is_nil((t:join()))
		fails('end_of_stream', client:readline(nil, soon()))
	end))

	it('is closed with a message that cannot be read', threaded(function()
		local module = {}
		package.loaded.socket_in_a_failed_send_module = module
		local ch = thread.channel()
		local client, s = spec.pair()
		assert(ch:send{s, module})
		local t = assert(thread.new(function() return (pcall(ch.recv, ch)) end))
		package.loaded.socket_in_a_failed_send_module = nil
		assert.is_false(t:join())
		fails('end_of_stream', client:readline(nil, soon()))
		assert.equal(0, ch:count())
	end))
end)
