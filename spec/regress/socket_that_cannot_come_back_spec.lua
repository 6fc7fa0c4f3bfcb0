-- A socket in an unsent message was closed for the program when its descriptor could not be attached
-- again, but the descriptor stayed open.

local descriptor = require'descriptor'
local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

local it = spec.with('descriptors of pipes and files', it)

describe('a descriptor that cannot be attached again after a send that failed', function()
	it('is closed', spec.threaded(function()
		local ch = assert(thread.channel(0))
		local s = assert(socket.udp())
		local fd = s:fd()
		local over = spec.go(ch.send, ch, {s}, socket.clock() + 0.05)
		local reading, writing = descriptor.pipe()
		descriptor.rename(writing, fd) -- no socket any more
		spec.fails('timeout', over())
		assert.equal('', descriptor.read(reading, 1)) -- nobody can write
		spec.fails('closed', s:bind('127.0.0.1', 0))
		s:close()
		descriptor.close(reading)
	end))
end)
