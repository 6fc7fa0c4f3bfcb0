-- Each example runs as a user would run it, against a peer that is not ours.

local socket = require'socket2'
local process = require'process'
local spec = require'spec'

local started, files

local function start(...)
	local p = process.start(...)
	started[#started + 1] = p
	return p
end

local function tmp()
	local path = os.tmpname()
	files[#files + 1] = path
	return path
end

-- An example that serves: says where, in the first line.
local function server(example)
	local p = start(('timeout 60 tools/run examples/%s.lua'):format(example))
	local line = p.file:read'*l'
	return assert(line and line:match':(%d+)$', 'no address in: ' .. tostring(line))
end

local function contains(path, text)
	return function()
		local s = process.read(path)
		return s and s:find(text, 1, true)
	end
end

describe('the examples', function()
	before_each(function()
		started, files = {}, {}
	end)

	after_each(function()
		for _, p in ipairs(started) do p:stop() end
		for _, path in ipairs(files) do os.remove(path) end
	end)

	it('echo_server serves nc', function()
		local port = server'echo_server'
		assert.equal('hello\nworld\n', process.output(
			("printf 'hello\\nworld\\n' | timeout 10 nc -N 127.0.0.1 %s"):format(port)))
	end)

	it('echo_server serves two at once', function()
		local port = server'echo_server'
		local first, second = tmp(), tmp()
		local a = start(('timeout 60 nc 127.0.0.1 %s >%s'):format(port, first), 'w')
		local b = start(('timeout 60 nc 127.0.0.1 %s >%s'):format(port, second), 'w')
		a.file:write'one\n' a.file:flush()
		process.wait_for(contains(first, 'one'))
		b.file:write'two\n' b.file:flush()
		process.wait_for(contains(second, 'two'))
	end)

	it('echo_client talks with nc', function()
		local said, heard = tmp(), tmp()
		start(("timeout 60 sh -c 'echo from nc | nc -v -N -l 127.0.0.1 0 >%s 2>%s'"):format(heard, said))
		local port = process.wait_for(function()
			return (process.read(said) or ''):match'Listening on %S+ (%d+)'
		end)
		local got = process.output(('timeout 10 tools/run examples/echo_client.lua %s 127.0.0.1 a b'):format(port))
		assert.equal('from nc\n', got)
		process.wait_for(contains(heard, 'a\nb\n'))
	end)

	it('udp_echo serves nc', function()
		local port = server'udp_echo'
		assert.equal('hello', process.output(
			('printf hello | timeout 10 nc -u -w 1 127.0.0.1 %s'):format(port)))
	end)

	it('ping hears the system', function()
		local raw, err = socket.raw('inet', 'icmp')
		if not raw then
			return pending('raw sockets: ' .. err)
		end
		raw:close()
		local out = process.output'timeout 10 tools/run examples/ping.lua 127.0.0.1 2'
		assert.matches('84 bytes from 127%.0%.0%.1: icmp_seq=1 ttl=%d+ time=[%d.]+ ms\n84 bytes .*icmp_seq=2', out)
	end)

	it('http_get fetches 10 MB from nginx byte for byte', function()
		local dir = process.output'mktemp -d':match'%S+'
		local port = process.free_port()
		local conf = assert(io.open(dir .. '/nginx.conf', 'w'))
		conf:write((([[
daemon off;
pid DIR/pid;
error_log DIR/error.log;
worker_processes 1;
events {}
http {
	access_log off;
	client_body_temp_path DIR/t1; proxy_temp_path DIR/t2; fastcgi_temp_path DIR/t3;
	uwsgi_temp_path DIR/t4; scgi_temp_path DIR/t5;
	server { listen 127.0.0.1:PORT; root DIR/www; }
}
]]):gsub('DIR', dir):gsub('PORT', port)))
		conf:close()
		os.execute(('chmod 755 %s; mkdir %s/www; head -c 10000000 /dev/urandom >%s/www/file'):format(dir, dir, dir))
		os.execute(('chmod -R a+rX %s/www'):format(dir))
		start(('timeout 60 nginx -c %s/nginx.conf -p %s 2>/dev/null'):format(dir, dir))
		local url = ('http://127.0.0.1:%d/'):format(port)
		process.wait_for(function()
			return process.output(('curl -s -o /dev/null -w %%{http_code} %sfile -r 0-0'):format(url)) == '206'
		end)
		local fetch = 'timeout 20 tools/run examples/http_get.lua ' .. url
		assert.equal('same\n', process.output(
			('%sfile >%s/copy && cmp %s/copy %s/www/file && echo same'):format(fetch, dir, dir, dir)))
		assert.matches('404 Not Found', process.output(fetch .. 'nothing 2>&1'))
		os.execute('rm -r ' .. dir)
	end)

	it('chat lets nc users hear one another', function()
		local port = server'chat'
		local heard, user = {}, {}
		for _, name in ipairs{'ann', 'bob'} do
			heard[name] = tmp()
			user[name] = start(('timeout 60 nc 127.0.0.1 %s >%s'):format(port, heard[name]), 'w')
			process.wait_for(contains(heard[name], 'Your name?'))
			user[name].file:write(name .. '\n')
			user[name].file:flush()
		end
		process.wait_for(contains(heard.ann, '* bob is here'))
		user.bob.file:write'hi all\n'
		user.bob.file:flush()
		process.wait_for(contains(heard.ann, 'bob: hi all'))
		assert.is_nil(contains(heard.bob, 'bob: hi all')())
		user.bob:stop()
		process.wait_for(contains(heard.ann, '* bob has left'))
	end)

	spec.with('descriptors of pipes and files', it)(
		'serve has several connections, tells how many, and stops when they are over', function()
		local said = tmp()
		local p = start(('timeout 60 tools/run examples/serve.lua >%s'):format(said), 'w')
		local port = process.wait_for(function() return (process.read(said) or ''):match':(%d+)\n' end)
		local users, heard = {}, {}
		for i = 1, 3 do
			heard[i] = tmp()
			users[i] = start(('timeout 60 nc -N 127.0.0.1 %s >%s'):format(port, heard[i]), 'w')
			users[i].file:write('user ' .. i .. '\n')
			users[i].file:flush()
			process.wait_for(contains(heard[i], 'user ' .. i))
		end
		process.wait_for(function()
			p.file:write'\n'
			p.file:flush()
			local loads, n = process.read(said):match'connections: ([%d ]+)\n$', 0
			for load in (loads or ''):gmatch'%d+' do n = n + load end
			return n == 3
		end)
		p.file:write'stop\n'
		p.file:flush()
		users[1].file:write'still there?\n'
		users[1].file:flush()
		process.wait_for(contains(heard[1], 'still there?'))
		assert.is_nil(contains(said, 'stopped')())
		for i = 1, 3 do users[i]:stop() end
		process.wait_for(contains(said, 'stopped\n'))
	end)

	it('threads counts primes', function()
		local out = process.output'timeout 30 tools/run examples/threads.lua 1e6 2>/dev/null; echo "exit $?"'
		assert.equal('78498 primes below 1000000\nexit 0\n', out)
	end)

	it('the demo does its job', function()
		local out = process.output'timeout 30 tools/run examples/demo.lua 1; echo "exit $?"'
		assert.matches('%d+ TCP connections and %d+ datagrams there and back, .* 0 errors\n', out)
		assert.matches('exit 0\n$', out)
	end)
end)
