-- The bounds of what socket.http takes.

local web = require'servers.web'

local ours, ok, get, alone, refuses = web.ours, web.ok, web.get, web.alone, web.refuses

local U

setup(function()
	U = web.start().url
end)

teardown(web.stop)

-- What is not as the original, and why.
describe('socket.http, unlike the original', function()
	local KB = 1024

	it('bounds the status line, for a server may send without end', function()
		refuses('status line too long', get, {'[head]', 'HTTP/1.1 200 ', '[flood x]'})
		local r = alone(get, {'[head]', 'HTTP/1.1 200 ' .. ('x'):rep(64 * KB - 13 - 2 + 5) .. '\r\n\r\nbody'})
		assert.equal('body', r[1])
	end)

	it('bounds a header', function()
		refuses('header line too long', get, {'[head]', 'HTTP/1.1 200 OK\r\nx: ', '[flood x]'})
	end)

	it('bounds the headers', function()
		local line = 'x: ' .. ('x'):rep(30 * KB) .. '\r\n'
		refuses('headers too long', get, {'[head]', 'HTTP/1.1 200 OK\r\n', '[flood ' .. line .. ']'})
	end)

	it('bounds their number, folded ones too', function()
		refuses('too many headers', get, {'[head]', 'HTTP/1.1 200 OK\r\n', '[flood x: y\r\n]'})
		refuses('too many headers', get, {'[head]', 'HTTP/1.1 200 OK\r\nx: y\r\n', '[flood  z\r\n]'})
	end)

	it('bounds the answers of 1xx', function()
		refuses('too many interim responses', get, {'[head]', '[flood HTTP/1.1 100 x\r\n\r\n]'})
	end)

	it('bounds the line of a size', function()
		refuses('chunk size line too long', get,
			{'[head]', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;', '[flood x]'})
	end)

	it('does not hold a chunk in memory, however long it says it is', function()
		local pieces = {}
		local r = alone(function(m)
			return m.http.request{url = U, sink = function(chunk)
				pieces[#pieces + 1] = chunk and #chunk
				return #pieces < 3 and 1 or nil, 'enough'
			end}
		end, {'[head]', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n', '[flood x]'})
		assert.equal('enough', r[2])
		assert.same({64 * KB, 64 * KB, 64 * KB}, pieces)
	end)

	it('bounds a body when asked to', function()
		local http = ours.http
		local function cases(fails)
			for _, connection in ipairs{ok('hello', 'Content-Length: 5'), ok'hello', {'[head]', 'hello'},
					ok('3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n', 'Transfer-Encoding: chunked')} do
				for _, f in ipairs{get, function(m) return m.http.request{url = U, sink = m.ltn12.sink.null()} end} do
					local r = alone(f, connection)
					if fails then
						assert.same({n = 2, nil, 'body too long'}, r)
					else
						assert.equal(200, r[2])
					end
				end
			end
		end
		http.MAXBODY = 4
		cases(true)
		http.MAXBODY = 5
		cases(false)
		http.MAXBODY = nil
		cases(false)
	end)

	it('bounds a body that becomes a string, at 256 MB', function()
		refuses('body too long', get, ok('', 'Content-Length: 268435457'))
		local r = alone(function(m) -- not what goes to a sink
			return m.http.request{url = U, sink = m.ltn12.sink.null()}
		end, ok('', 'Content-Length: 268435457'))
		assert.equal('closed', r[2])
	end)
end)
