-- socket: tcp objects as values.

local oracle = require'oracle'

local case, HOST, listener, pair, arrive =
	oracle.case, oracle.HOST, oracle.listener, oracle.pair, oracle.arrive

describe('tcp objects', function()
	case('wrong classes', function(m, log)
		local master, server, client = m.tcp4(), listener(m), pair(m)
		local udp = m.udp4()
		for _, o in ipairs{master, server, client} do
			if o ~= master then
				log(pcall(o.bind, o, HOST, 0))
				log(pcall(o.listen, o))
			end
			if o ~= server then log(pcall(o.accept, o)) end
			if o ~= client then
				log(pcall(o.send, o, 'x'))
				log(pcall(o.receive, o))
				log(pcall(o.shutdown, o))
				log(pcall(function() return o:receive() end))
				log(pcall(function() local x = o:send('x') return x end))
			end
		end
		log(pcall(udp.send, udp, 'x'))
		log(pcall(udp.send, client, 'x'))
		log(pcall(client.send, udp, 'x'))
		log(pcall(client.close, udp))
		for _, v in ipairs{1, 'x', false, {}} do
			log(pcall(client.close, v))
			log(pcall(client.receive, v))
		end
		log(pcall(client.close))
		log(pcall(client.close, io.stdout))
		log(client.class, master.class, server.class, udp.class, client.nothing)
	end)

	case('statistics', function(m, log)
		local c, a = pair(m)
		c:send'hello\n'
		a:receive()
		local r, s, age = c:getstats()
		log(r, s, age >= 0 and age < 5)
		r, s, age = a:getstats()
		log(r, s, age >= 0 and age < 5)
		log(a:send'abcdef\r\nghi')
		log(c:receive(2), (c:getstats()))
		log(c:receive(), (c:getstats()))
		log(c:setstats(10, 20, 30))
		r, s, age = c:getstats()
		log(r, s, age >= 30 and age < 35)
		log(c:setstats())
		log(select('#', c:getstats()), (c:getstats()))
		log(pcall(c.setstats, c, 'x'))
		log(c:receive(3), (c:getstats()))
		log(pcall(c.settimeout, m.udp(), 1), pcall(c.gettimeout, m.udp()), pcall(c.settimeout, {}))
		c:close()
		r, s, age = c:getstats()
		log(r, s, age >= 30 and age < 35)
		local t = m.tcp()
		log(t:setstats(1, 2, 3))
		log((t:getstats()))
	end)

	case('descriptors given and taken', function(m, log)
		local c, a = pair(m)
		local fd = c:getfd()
		log(c:setfd(-1))
		log(c:getfd())
		log(c:receive())
		local o = m.tcp()
		log(o:setfd(fd))
		log(o:getfd() == fd)
		log((o:getpeername()))
		log(pcall(o.setfd, o))
		log(pcall(o.setfd, o, 'x'))
		a:send'x'
		c:setfd(fd)
		log(c:receive(1))
		o:setfd(-1)
	end)

	case('as keys and as text', function(m, log)
		local c, a = pair(m)
		local t = {[c] = 1, [a] = 2}
		log(t[c], t[a], c == a, c == c)
		for _, o in ipairs{c, m.tcp(), listener(m), m.udp(), m.udp4()} do
			log((tostring(o):gsub(': %w+$', ': X')))
			log(tostring(o) == tostring(o))
		end
		log(tostring(c) ~= tostring(a))
	end)

	case('are userdata', function(m, log)
		local s, c, u = listener(m), pair(m), m.udp()
		for _, o in ipairs{m.tcp(), s, c, u, m.unix()} do
			log(type(o), o.class, getmetatable(o).__index.class, getmetatable(o).__index.send == o.send)
			log(rawequal(o, o), tostring(o):match'^[^:]*: 0x%x+$' == tostring(o))
			log(pcall(function() o.field = 1 end))
			log(o.field, pcall(rawget, o, 'class'))
			log(pcall(function() return #o end))
			log(pcall(function() return o < o end))
		end
		log(getmetatable(c) == getmetatable((pair(m))), getmetatable(c) == getmetatable(s))
	end)

	case('change their class and stay what they are', function(m, log)
		local s, port = listener(m)
		local o = m.tcp4()
		local t, before, method = {[o] = 1}, getmetatable(o), o.send
		log(o.class, before == getmetatable(m.tcp4()))
		o:settimeout(5)
		assert(o:connect(HOST, port))
		log(t[o], o.class, before == getmetatable(o), o:gettimeout())
		log(pcall(method, m.tcp4(), 'x'))
		log(method(o, 'x'), assert(s:accept()):receive(1))
		local server = m.tcp4()
		before = getmetatable(server)
		assert(server:bind(HOST, 0))
		log(before == getmetatable(server))
		assert(server:listen())
		log(server.class, before == getmetatable(server), getmetatable(s) == getmetatable(server))
		local u = m.udp4()
		log(u.class)
		assert(u:setpeername(HOST, port))
		log(u.class, getmetatable(u).__index.class)
		assert(u:setpeername'*')
		log(u.class, getmetatable(u) == getmetatable(m.udp4()))
	end)

	case('in wrappers', function(m, log)
		local c, a = pair(m)
		local wrapper = setmetatable({}, {__index = c})
		log(wrapper.class, wrapper.send == c.send)
		log(pcall(wrapper.send, wrapper, 'x'))
		log(pcall(m.select, {wrapper}, nil, 0))
		wrapper = setmetatable({}, {__index = function(_, name)
			return function(_, ...) return c[name](c, ...) end
		end})
		a:send'one\ntwo\n'
		arrive(m, c)
		log(#m.select({wrapper}, nil, 5), wrapper:receive())
		log(#m.select({wrapper}, nil, 0), wrapper:dirty(), wrapper:receive())
	end)
end)
