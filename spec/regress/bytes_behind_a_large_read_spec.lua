-- A few bytes that had come behind a large read kept all of its memory, for as long as the next read waited.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

local SIZE, COUNT = 4 * 1024 * 1024, 10

local allocated -- () -> bytes that the process has from malloc() | nil where the C library does not tell
pcall(function()
	ffi.cdef[[
struct counts_of_malloc { size_t numbers[4], mapped, more[2], used, others[2]; };
struct counts_of_malloc mallinfo2(void);]]
	local mallinfo2 = ffi.C.mallinfo2
	allocated = function()
		local counts = mallinfo2()
		return tonumber(counts.mapped + counts.used)
	end
	if allocated() == 0 then allocated = nil end -- a sanitizer has a malloc() of its own
end)

describe('bytes behind a large read', function()

	after_each(spec.tidy)

	spec.with('mallinfo2', it, not allocated)('keep little memory while a read waits for more', function()
		local sockets, readers = {}, {}
		local before, while_waiting
		spec.run(function()
			local text = ('x'):rep(SIZE) .. 'half '
			for i = 1, COUNT do
				local c, d = spec.pair()
				spec.go(function() assert(c:send(text)) end)
				assert(d:peek(#text))
				assert(#d:read(SIZE) == SIZE)
				sockets[2 * i - 1], sockets[2 * i] = c, d
			end
			before = allocated()
			for i = 1, COUNT do
				readers[i] = spec.go(function() return sockets[2 * i]:readline() end)
			end
			spec.turn()
			while_waiting = allocated()
			for i = 1, COUNT do
				assert(sockets[2 * i - 1]:send'a line\n')
				assert.equal('half a line', readers[i]())
			end
		end)
		assert.is_true(before - while_waiting > SIZE * COUNT * 0.9, before - while_waiting)
		for _, s in ipairs(sockets) do
			s:close()
		end
		assert.is_true(socket.start(10))
	end)
end)
