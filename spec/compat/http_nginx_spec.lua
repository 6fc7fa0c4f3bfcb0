-- socket.http and nginx, the original as the oracle.

local process = require'process'
local peers = require'servers.peers'
local web = require'servers.web'

local ours, compares = web.ours, web.compares

describe('socket.http and nginx', function()
	local dir, nginx, N, HTTPS, proxy, PROXY, locked, LOCKED
	local BIG = 20 * 1000 * 1000

	local CONF = [[
daemon off;
pid DIR/pid;
error_log DIR/error.log;
worker_processes 1;
events {}
http {
	access_log off;
	keepalive_timeout 0;
	client_max_body_size 0;
	client_body_temp_path DIR/t1; proxy_temp_path DIR/t2; fastcgi_temp_path DIR/t3;
	uwsgi_temp_path DIR/t4; scgi_temp_path DIR/t5;
	server {
		listen 127.0.0.1:PORT;
		TLS
		root DIR/www;
		location /ssi/ { alias DIR/www/; ssi on; ssi_types *; }
		location /put/ { dav_methods PUT DELETE; create_full_put_path on; client_body_in_file_only clean; }
		location /private/ { alias DIR/www/; auth_basic who; auth_basic_user_file DIR/users; }
		location /r301 { return 301 /hello.txt; }
		location /r302 { return 302 http://127.0.0.1:PORT/hello.txt?x; }
		location /r303 { return 303 /ssi/hello.txt; }
		location /r307 { return 307 /hello.txt; }
		location /r308 { return 308 /hello.txt; }
		location /loop { return 302 /loop; }
		location /empty { return 204; }
	}
}
]]

	setup(function()
		dir = process.output'mktemp -d':match'%S+'
		local port, tls = process.free_port(), ''
		if os.execute(('openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout %s/key ' ..
				'-out %s/crt 2>/dev/null'):format(dir, dir)) == 0 then
			HTTPS = process.free_port()
			tls = ('listen 127.0.0.1:%d ssl; ssl_certificate DIR/crt; ssl_certificate_key DIR/key;'):format(HTTPS)
		end
		local conf = assert(io.open(dir .. '/nginx.conf', 'w'))
		conf:write((CONF:gsub('TLS', tls):gsub('DIR', dir):gsub('PORT', port)))
		conf:close()
		local users = assert(io.open(dir .. '/users', 'w'))
		users:write'me:{PLAIN}se cret\n'
		users:close()
		os.execute(('chmod 755 %s; mkdir -m 755 %s/www; mkdir -m 777 %s/www/put; echo hello >%s/www/hello.txt')
			:format(dir, dir, dir, dir))
		-- A last byte that does not begin a command of SSI: nginx would wait for the rest, and drop it.
		os.execute(('(head -c %d /dev/urandom; printf x) >%s/www/big; chmod a+r %s/www/*'):format(BIG, dir, dir))
		nginx = process.start(('timeout 200 nginx -c %s/nginx.conf -p %s 2>/dev/null'):format(dir, dir))
		N = 'http://127.0.0.1:' .. port
		process.wait_for(function()
			return process.output(('curl -s -o /dev/null -w %%{http_code} %s/hello.txt'):format(N)) == '200'
		end)
		proxy, PROXY = peers.start'proxy'
		locked, LOCKED = peers.start('proxy', 'auth')
		PROXY, LOCKED = '127.0.0.1:' .. PROXY, '127.0.0.1:' .. LOCKED
	end)

	teardown(function()
		for _, p in pairs{nginx, proxy, locked} do p:stop() end
		os.execute('rm -r ' .. dir)
	end)

	-- The date differs from call to call.
	local function undated(body, code, headers, status)
		if headers then
			assert.is_string(headers.date)
			headers.date = nil
		end
		return body, code, headers, status
	end

	for _, path in ipairs{'/hello.txt', '/ssi/hello.txt', '/nothing', '/empty', '/r301', '/r302', '/r303',
			'/r307', '/r308', '/loop', '/private/hello.txt'} do
		compares('get ' .. path, function(m) return undated(m.http.request(N .. path)) end)
		compares('head ' .. path, function(m)
			return undated(m.http.request{url = N .. path, method = 'HEAD', redirect = false})
		end)
		compares('get ' .. path .. ' through a proxy', function(m)
			local t = {}
			local r = {undated(m.http.request{url = N .. path, sink = (m.ltn12.sink.table(t)),
				proxy = 'http://' .. PROXY})}
			return r, table.concat(t)
		end)
	end

	it('gets it in chunks', function()
		local body, _, headers = ours.http.request(N .. '/ssi/hello.txt')
		assert.equal('hello\n', body)
		assert.equal('chunked', headers['transfer-encoding'])
	end)

	it('gets 304', function()
		local _, _, headers = ours.http.request(N .. '/hello.txt')
		local reqt = {url = N .. '/hello.txt', headers = {['if-modified-since'] = headers['last-modified']}}
		local r, code = ours.http.request(reqt)
		assert.same({1, 304}, {r, code})
	end)

	for _, path in ipairs{'/big', '/ssi/big'} do
		it('gets 20 MB byte for byte of ' .. path, function()
			local there = process.read(dir .. '/www/big')
			local body, code = ours.http.request(N .. path)
			assert.equal(200, code)
			assert.is_true(there == body)
			local t = {}
			assert.equal(1, (ours.http.request{url = N .. path, sink = (ours.ltn12.sink.table(t))}))
			assert.is_true(there == table.concat(t))
		end)
	end

	it('puts 20 MB, in chunks and by length, with and without waiting for 100', function()
		local content = process.read(dir .. '/www/big')
		local n = 0
		for _, headers in ipairs{{}, {['content-length'] = #content}, {Expect = '100-continue'}} do
			n = n + 1
			local u = N .. '/put/' .. n
			local r, code = ours.http.request{url = u, method = 'PUT', headers = headers,
				source = ours.ltn12.source.string(content)}
			assert.same({1, 201}, {r, code})
			assert.is_true(content == process.read(dir .. '/www/put/' .. n))
		end
	end)

	compares('post where it is not allowed', function(m)
		return undated(m.http.request(N .. '/hello.txt', 'a=b'))
	end)

	compares('the password', function(m)
		local u = '/private/hello.txt'
		return {undated(m.http.request((N .. u):gsub('//', '//me:se%%20cret@', 1)))},
			{undated(m.http.request{url = N .. u, user = 'me', password = 'se cret'})},
			{undated(m.http.request{url = N .. u, user = 'me', password = 'wrong'})}
	end)

	compares('the password of a proxy', function(m)
		local u = N .. '/hello.txt'
		m.http.PROXY = 'http://' .. LOCKED
		local r = {{m.http.request(u)}}
		m.http.PROXY = 'http://p:q@' .. LOCKED
		r[2] = {undated(m.http.request(u))}
		m.http.PROXY = nil
		return r
	end)

	it('talk https through LuaSec, as the original', function()
		local path = "package.path = 'lua/socket2/compat/?.lua;' .. package.path "
		if process.output('${SOCKET2_LUAJIT:-luajit} -e "require\'ssl.https\'" 2>&1') ~= '' or not HTTPS then
			return pending'LuaSec or openssl is not installed'
		end
		for _, prefix in ipairs{'', path} do
			assert.equal('hello\n 200', process.output(([[tools/run -e "%s
				local body, code = require'socket.http'.request'https://127.0.0.1:%d/hello.txt'
				io.write(tostring(body), ' ', tostring(code))" 2>&1]]):format(prefix, HTTPS)))
		end
	end)

	it('talks https through a proxy, by LuaSec', function()
		if process.output('${SOCKET2_LUAJIT:-luajit} -e "require\'ssl.https\'" 2>&1') ~= '' or not HTTPS then
			return pending'LuaSec or openssl is not installed'
		end
		for at, expected in pairs{[PROXY] = 'hello\n 200', ['p:q@' .. LOCKED] = 'hello\n 200',
				[LOCKED] = 'nil refused by the proxy: HTTP/1.1 407 Who?'} do
			assert.equal(expected, process.output(([[tools/run -lsocket2.dropin -e "
				local http = require'socket.http'
				http.PROXY = 'http://%s'
				local body, code = http.request'https://127.0.0.1:%d/hello.txt'
				io.write(tostring(body), ' ', tostring(code))" 2>&1]]):format(at, HTTPS)))
		end
	end)

	it('gets 2000 small files, one after the other, without keeping anything', function()
		if jit.os ~= 'Linux' then return end
		local function open_sockets()
			collectgarbage()
			collectgarbage()
			local pid = process.output'echo $PPID':match'%d+'
			return select(2, process.output(('ls -l /proc/%s/fd'):format(pid)):gsub('socket:', ''))
		end
		for _ = 1, 10 do ours.http.request(N .. '/hello.txt') end
		local before = open_sockets()
		for _ = 1, 2000 do
			local body = ours.http.request(N .. '/hello.txt')
			if body ~= 'hello\n' then error('got ' .. tostring(body)) end
		end
		assert.is_true(open_sockets() <= before)
	end)
end)
