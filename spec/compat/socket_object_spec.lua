-- socket: tcp objects as values.

local oracle = require'oracle'

local case, HOST, listener, pair = oracle.case, oracle.HOST, oracle.listener, oracle.pair

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
end)
