-- A cancel that came in the same moment as a connection to one of several addresses ended nothing: connect()
-- succeeded, and so did the next wait.

local socket = require'socket2'
local spec = require'spec'
local namespace = require'namespace'

local FILES = {['/etc/hosts'] = '127.0.0.1 two.test\n::1 two.test\n'}

local function alone(what, f)
	spec.with('resolv.conf', it)(what, function()
		local ok, reason = namespace.run(FILES, function() spec.run(f, 60) end)
		if not ok then pending(reason) end
	end)
end

describe('a thread that connects to several addresses', function()

	alone('is canceled, then or at its next wait', function()
		local one, two = spec.listener(nil, 'inet'), assert(socket.tcp'inet6')
		local port = one:localaddr():port()
		assert(two:setopt('v6only', true))
		assert(two:listen('::1', port))
		for _, listener in ipairs{one, two} do
			socket.newthread(function()
				local s = listener:accept()
				while s do
					s:close()
					s = listener:accept()
				end
			end)
		end
		local ai = assert(socket.addr('two.test', port, 'tcp', 'unspec'))
		assert(ai:next())
		local succeeded = 0
		for _ = 1, 10 do
			for turns = 0, 8 do
				local err
				local thread = socket.newthread(function()
					local s = assert(socket.tcp())
					local ok
					ok, err = s:connect(ai)
					if ok then
						succeeded = succeeded + 1
						ok, err = socket.sleep(1)
					end
					assert(not ok)
					s:close()
				end)
				for _ = 1, turns do socket.sleep(0) end
				assert(socket.cancel(thread))
				spec.wait_until(function() return err end)
				assert.equal('canceled', err)
			end
		end
		one:close()
		two:close()
		assert.is_true(succeeded > 0)
	end)

end)
