-- A recvn() that came to the end of the stream let others have a turn before it had left its buffer. If one
-- of them closed the socket, the buffer went back to the pool, the next read on any socket had it, and the
-- recvn() put its own bytes there.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'
local streams = require'streams'

local SENT, BUDGET = streams.CHUNK + 1000, 256 -- what a thread may spend in a turn: sched.lua's

describe('a socket that is closed when a read comes to the end of the stream', function()
	local event

	-- Spends that much of the budget, then reads to the end, while another thread closes the socket and reads on
	-- the second one.
	local function read_to_the_end(budget)
		local c, d = spec.pair()
		local c2, d2 = spec.pair()
		local go, got = socket.event(), nil
		local ready = spec.go(d.wait, d, 'r') -- so that the loop knows of the end, and the read does not wait
		assert(c:send(('a'):rep(SENT)))
		assert(c:shutdown'w')
		assert(ready() == 'r')
		local reader = socket.threadset()
		reader:thread(function()
			go:wait()
			d:close()
			got = d2:read(5, socket.clock() + 5)
		end)
		socket.sleep(0) -- the budget is new
		for _ = 1, budget do
			event:wait()
		end
		go:set()
		local buf = ffi.new('char[?]', 2 * SENT)
		local n, err = d:recvn(buf, 2 * SENT, socket.clock() + 5)
		assert.is_nil(n)
		assert.is_true(err == 'end_of_stream' or err == 'closed')
		assert(c2:send'right')
		assert(reader:wait(socket.clock() + 5))
		assert.equal('right', got)
		for _, s in ipairs{c, c2, d2} do
			s:close()
		end
	end

	it('keeps its bytes out of those of others', spec.threaded(function()
		event = socket.event()
		event:set()
		for budget = BUDGET - 40, BUDGET do
			read_to_the_end(budget)
		end
	end))
end)
