-- With much live data collections are rare: sockets that were forgotten used up the descriptors.

local spec = require'spec'

local it = spec.with('a limit of descriptors', it)

describe('a program that forgets its sockets', function()
	it('does not run out of descriptors', function()
		local output = spec.luajit([[
collectgarbage'stop'
local socket = require'socket2'
local server = assert(socket.tcp())
assert(server:listen('127.0.0.1', 0))
local n = 0
socket.newthread(function()
	while assert(server:accept()) do end
end)
socket.newthread(function()
	for i = 1, 300 do
		local s, err = socket.connect(server:localaddr())
		if not s then
			io.write('connect: ', err, ' after ', i)
			os.exit(1)
		end
	end
	io.write'well'
	os.exit(0)
end)
socket.start()]], 'ulimit -n 250;')
		assert.equal('well', output)
	end)
end)
