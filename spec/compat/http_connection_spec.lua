-- The connections of socket.http: it closes them whatever they come to, and other threads go on meanwhile.

local web = require'servers.web'
local spec = require'spec'

local ours, answer, ok, redirect, get, alone, refuses =
	web.ours, web.answer, web.ok, web.redirect, web.get, web.alone, web.refuses

local server, U

setup(function()
	server = web.start()
	U = server.url
end)

teardown(web.stop)

-- What is not as the original, and why.
describe('socket.http, unlike the original', function()
	it('closes its connections itself, whatever they come to', function()
		local function left(f)
			return function(m)
				collectgarbage()
				collectgarbage()
				collectgarbage'stop'
				local before = spec.fds()
				f(m)
				local n = spec.fds() - before
				collectgarbage'restart'
				return n
			end
		end
		local chunked = 'Transfer-Encoding: chunked'
		for what, connections in pairs{
			['an answer'] = {ok'body'},
			['an answer without a body'] = {answer'204 No Content'},
			['an answer of HTTP/0.9'] = {{'[head]', 'body'}},
			['a timeout of the server'] = {answer'408 Request Timeout'},
			['a redirect'] = {redirect'/y', redirect'/z', ok'body'},
			['a redirect that is refused'] = {redirect'ftp://127.0.0.1/'},
			['no answer'] = {{'[head]'}},
			['an error in the headers'] = {{'[head]', 'HTTP/1.1 200 OK\r\nnone\r\n\r\n'}},
			['an error in the body'] = {ok('x\r\n', chunked)},
			['an error after a redirect'] = {redirect'/y', ok('x\r\n', chunked)},
		} do
			assert.equal(0, alone(left(get), unpack(connections))[1], what)
		end
		assert.equal(0, alone(left(function(m)
			m.http.request{url = U, sink = function() return nil, 'enough' end}
		end), ok'body')[1])
	end)

	it('does not raise for what came from outside: a scheme, a proxy, a url', function()
		for u, err in pairs{['foo://x/'] = "unknown scheme 'foo'", [''] = 'invalid url',
				['127.0.0.1:80/x'] = "unknown scheme '127.0.0.1'"} do
			refuses(err, function(m) return m.http.request(u) end)
		end
		refuses("invalid proxy 'prox:1'", function(m) return m.http.request{url = U, proxy = 'prox:1'} end)
	end)

	it('lets everything yield: sockets, sources, sinks and steps', function()
		-- The parts of `socket` that are C in the original, in Lua.
		local mark = {}
		local function newtry(finalizer)
			return function(...)
				if ... then return ... end
				if finalizer then pcall(finalizer) end
				error({[mark] = select(2, ...)}, 0)
			end
		end
		local sock = setmetatable({newtry = newtry, try = newtry(), sourcet = {}, sinkt = {},
			protect = function(f)
				return function(...)
					local r = {pcall(f, ...)}
					if r[1] then return unpack(r, 2, table.maxn(r)) end
					if type(r[2]) == 'table' and r[2][mark] then return nil, r[2][mark] end
					error(r[2], 0)
				end
			end,
		}, {__index = ours.socket})
		for k, v in pairs(ours.socket.sourcet) do sock.sourcet[k] = v end
		for k, v in pairs(ours.socket.sinkt) do sock.sinkt[k] = v end
		sock.source = function(mode, c, n) return sock.sourcet[mode](c, n) end
		sock.sink = function(mode, c) return sock.sinkt[mode](c) end

		local loaded = {}
		for name, module in pairs{socket = sock, ltn12 = ours.ltn12, mime = ours.mime, ['socket.url'] = ours.url,
				['socket.headers'] = ours.headers} do
			loaded[name] = package.loaded[name]
			package.loaded[name] = module
		end
		local http = dofile'lua/socket2/compat/socket/http.lua'
		for name in pairs{socket = 1, ltn12 = 1, mime = 1, ['socket.url'] = 1, ['socket.headers'] = 1} do
			package.loaded[name] = loaded[name]
		end

		local yields = 0
		local function yielding(f)
			return function(...)
				yields = yields + 1
				coroutine.yield'waiting'
				return f(...)
			end
		end
		local function create()
			local c = ours.socket.tcp()
			return setmetatable({}, {__index = function(_, name)
				return yielding(function(_, ...) return c[name](c, ...) end)
			end})
		end
		server:script(redirect'/y', ok('3\r\nabc\r\n0\r\n\r\n', 'Transfer-Encoding: chunked'),
			{'[until 0\r\n\r\n]', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc'},
			ok('zz\r\n', 'transfer-encoding: x'))
		local results
		local co = coroutine.create(function()
			local t = {}
			local function request(reqt)
				reqt.url, reqt.create = U, create
				reqt.sink = yielding((ours.ltn12.sink.table(t)))
				return {http.request(reqt)}
			end
			results = {request{}[2], request{source = yielding(ours.ltn12.source.string'hello'),
				step = yielding(ours.ltn12.pump.step)}[2], request{}[2], table.concat(t)}
		end)
		while coroutine.status(co) ~= 'dead' do
			local done, what = coroutine.resume(co)
			assert(done, what)
			assert.is_true(what == nil or what == 'waiting')
		end
		assert.same({200, 200, 'invalid chunk size', 'abcabc'}, results)
		assert.is_true(yields > 100)
	end)
end)
