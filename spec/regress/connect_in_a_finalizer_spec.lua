-- Where a thread cannot wait connect() tried only the addresses of one family: on a system that has ::1 and
-- 127.0.0.1 for localhost, a finalizer did not reach a server on the second.

local classic = require'socket2.luasocket.tcp'
local spec = require'spec'
local namespace = require'namespace'

local FILES = {['/etc/hosts'] = '127.0.0.1 two.test\n::1 two.test\n'}

describe('connect() in a finalizer', function()

	spec.with('resolv.conf', it)('tries the addresses of both families', function()
		local ok, reason = namespace.run(FILES, function()
			local result
			spec.run(function()
				local listener = spec.listener(nil, 'inet')
				local port = listener:localaddr():port()
				getmetatable(newproxy(true)).__gc = function()
					local c = classic.tcp()
					result = {c:connect('two.test', port)}
					result.peer = c:getpeername()
					c:close()
				end
				while not result do collectgarbage() end
				listener:close()
			end, 60)
			assert(result[1] == 1, result[2])
			assert(result.peer == '127.0.0.1', result.peer)
		end)
		if not ok then pending(reason) end
	end)

end)
