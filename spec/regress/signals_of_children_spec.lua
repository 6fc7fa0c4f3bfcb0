-- What an OS thread started could not be ended by a signal: it inherited a mask that blocked them all.

local socket = require'socket2'
local thread = require'socket2.thread'
local spec = require'spec'

local it = spec.with('signals', it)

-- Ends itself, unless SIGTERM is blocked.
local ITSELF = 'kill -TERM $$; sleep 1; echo alive'

local function execute(command)
	os.execute(command .. ' >/dev/null')
	local f = assert(io.popen('sh -c "' .. command:gsub('%$', '\\$') .. '"'))
	local output = f:read'*a'
	f:close()
	return output
end

describe('what an OS thread starts', function()
	it('is ended by a signal', spec.threaded(function()
		assert.equal('', execute(ITSELF))
		local t = assert(thread.new(execute, ITSELF))
		assert.equal('', t:join())
	end))

	it('blocks what its parent blocks', spec.threaded(function()
		local function blocked()
			local f = assert(io.popen'grep ^SigBlk: /proc/self/status 2>&1')
			local text = f:read'*a'
			f:close()
			return text
		end
		assert.equal(blocked(), thread.new(blocked):join())
	end))

	it('takes signals while a connection is served', spec.threaded(function()
		local server = assert(socket.serve{host = '127.0.0.1', port = 0, threads = 1, handler = function(c)
			local p = assert(io.popen'kill -TERM $$; sleep 1; echo alive')
			local output = p:read'*a'
			p:close()
			c:send('[' .. output .. ']')
		end})
		local s = assert(socket.connect(server:addr()))
		assert.equal('[]', s:readall())
		s:close()
		server:stop()
	end))
end)
