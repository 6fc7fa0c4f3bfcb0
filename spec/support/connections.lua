-- What the specs of streams share: connections, and what goes over them.

local ffi = require'ffi'
local assert = require'luassert'
local spec = require'spec'

local connections = {}

-- close(object...): closes each of them.
function connections.close(...)
	for i = 1, select('#', ...) do
		select(i, ...):close()
	end
end

-- accepted(listener) -> over: over() waits for the listener's next accept(), and returns its results.
function connections.accepted(s)
	return spec.go(function() return assert(s:accept()) end)
end

-- dead_port() -> a port without a listener
function connections.dead_port()
	local s, port = spec.listener()
	s:close()
	return port
end

-- pattern(n) -> n bytes that differ from place to place
function connections.pattern(n)
	local words = ffi.new('uint32_t[?]', math.ceil(n / 4))
	for i = 0, math.ceil(n / 4) - 1 do
		words[i] = i * 2654435761
	end
	return ffi.string(words, n)
end

-- reset(tcp): closes it so that the peer sees a reset.
function connections.reset(s)
	assert(s:setopt('linger', 0))
	s:close()
end

-- fill(s, [size]) -> over: starts to send until the system takes no more. over() waits for the end, which
-- comes when the peer reads.
function connections.fill(s, size)
	local sending = spec.go(function() return s:send(spec.buffer(size or 2e7)) end)
	for _ = 1, 100 do spec.turn() end
	assert.is_false(sending'done?')
	return sending
end

return connections
