-- For specs that run in a separate process, with its own network (only a loopback), hosts file and name
-- servers. Needs `unshare` and `mount`.

local ffi = require'ffi'
local socket = require'socket2'
local spec = require'spec'

local namespace = {}

-- source_of(f) -> Lua code that makes f again from its bytecode and its upvalues: modules, what is in these,
-- plain values, tables of them, and other Lua functions.
local function source_of(f)
	local lines, names, count = {}, {}, 0
	local value

	local function line(...)
		local code = string.format(...) -- after the lines that its parts need
		lines[#lines + 1] = code
	end

	for module_name, module in pairs(package.loaded) do
		if type(module) == 'table' then
			for k, v in pairs(module) do
				if type(k) == 'string' and (type(v) == 'function' or type(v) == 'userdata') then
					names[v] = ('require%q[%q]'):format(module_name, k)
				end
			end
		end
	end
	for module_name, module in pairs(package.loaded) do
		names[module] = ('require%q'):format(module_name)
	end

	local function text(s)
		return '"' .. s:gsub('.', function(c) return ('\\%03d'):format(c:byte()) end) .. '"'
	end

	local function named(v, code)
		count = count + 1
		names[v] = ('v[%d]'):format(count)
		line('%s = %s', names[v], code)
		return names[v]
	end

	function value(v)
		local t = type(v)
		if t == 'nil' or t == 'boolean' then
			return tostring(v)
		elseif t == 'number' then
			return ('%.17g'):format(v)
		elseif t == 'string' then
			return text(v)
		elseif names[v] then
			return names[v]
		elseif t == 'table' then
			local name = named(v, '{}')
			for k, each in pairs(v) do
				line('%s[%s] = %s', name, value(k), value(each))
			end
			return name
		elseif t == 'function' then
			local name = named(v, ('loadstring(%s)'):format(text(string.dump(v))))
			for i = 1, debug.getinfo(v, 'u').nups do
				line('debug.setupvalue(%s, %d, %s)', name, i, value(select(2, debug.getupvalue(v, i))))
			end
			return name
		end
		error('a spec in a namespace cannot use a local of type ' .. t)
	end

	local name = value(f)
	return ('local v = {}\n%s\nreturn %s\n'):format(table.concat(lines, '\n'), name)
end

local function temporary(content)
	local path = os.tmpname()
	local file = assert(io.open(path, 'w'))
	file:write(content)
	file:close()
	return path
end

-- How lookups behave inside: first hosts, then a name server with a long timeout.
local FILES = {
	['/etc/nsswitch.conf'] = 'hosts: files dns\nservices: files\nprotocols: files\n',
	['/etc/resolv.conf'] = 'nameserver 127.0.0.1\noptions timeout:30 attempts:1\n',
	['/etc/hosts'] = '',
}

-- run(files, f) -> true, output | nil, reason: runs f() in a new process with its own network, in which these
-- files ({[path] = content}) replace those of the system. Errors inside are raised here. Nil when the system
-- does not permit namespaces.
function namespace.run(files, f)
	local temporaries, mounts = {}, {}
	local function file_of(content)
		local path = temporary(content)
		temporaries[#temporaries + 1] = path
		return path
	end
	if spec.windows then -- otherwise Wine's sockets belong to the server outside
		mounts[1] = 'mount -t tmpfs -o mode=700 none /tmp/$(cat $WINEPREFIX/wineserver)'
	end
	for path, default in pairs(FILES) do
		mounts[#mounts + 1] = ('mount --bind %s %s'):format(file_of(files[path] or default), path)
	end
	local code = file_of(source_of(f))
	local prefix = ([[timeout 60 unshare $(unshare -rnm true 2>/dev/null && echo -r) -nm sh -c ]]
		.. [['%s && luajit spec/support/loopback.lua && echo mounted && exec "$@"' -]])
		:format(table.concat(mounts, ' && '))
	local output, status = spec.luajit(([[
		require'namespace'.enter()
		local f = assert(loadfile(%q))()
		local ok, err = xpcall(f, function(e) return debug.traceback(tostring(e), 2) end)
		if not ok then
			print(err)
			os.exit(1)
		end]]):format(code), prefix)
	for _, path in ipairs(temporaries) do
		os.remove(path)
	end
	local result = output:match'^mounted\n(.*)'
	if not result then
		return nil, 'no namespaces: ' .. output
	elseif status ~= 0 then
		error(('exit code %s: %s'):format(tostring(status), result), 0)
	end
	return true, result
end

-- enter(): runs first in the new process.
function namespace.enter()
	_G.assert = require'luassert'
end

-- The rest is for specs inside, in socket threads.

-- black_hole(host, port, [family]) -> hole: from now on connects to there get no answer. It is a listener
-- with a full queue.
function namespace.black_hole(host, port, family)
	local s, filler = assert(socket.tcp(family)), assert(socket.tcp(family))
	assert(s:listen(host, port, 0))
	assert(filler:connect(s:localaddr()))
	return {s, filler, close = function()
		filler:close()
		s:close()
	end}
end

-- ticker() -> stop: starts a thread that sleeps in steps of a millisecond. stop() returns how long the
-- longest step took, and how many there were.
function namespace.ticker()
	local stopped, longest, count = false, 0, 0
	socket.newthread(function()
		local last = socket.clock()
		while not stopped do
			assert(socket.sleep(0.001))
			local now = socket.clock()
			longest, last, count = math.max(longest, now - last), now, count + 1
		end
	end)
	return function()
		stopped = true
		return longest, count
	end
end

local PORT, HEADER = 53, 12
local TYPES = {[1] = 'A', [28] = 'AAAA'}

-- The name and the type in a query, and where the question ends.
local function question_of(message)
	local labels, i = {}, HEADER + 1
	while message:byte(i) ~= 0 do
		local n = message:byte(i)
		labels[#labels + 1] = message:sub(i + 1, i + n)
		i = i + 1 + n
	end
	local number = message:byte(i + 1) * 256 + message:byte(i + 2)
	return table.concat(labels, '.'), TYPES[number] or tostring(number), i + 4
end

local function record(ip)
	local a, b, c, d = ip:match'^(%d+)%.(%d+)%.(%d+)%.(%d+)$'
	local POINTER_TO_NAME, TYPE, CLASS, TTL, LENGTH = '\192\12', '\0\1', '\0\1', '\0\0\0\60', '\0\4'
	return POINTER_TO_NAME .. TYPE .. CLASS .. TTL .. LENGTH .. string.char(a, b, c, d)
end

local function reply(message, ips)
	local _, _, last = question_of(message)
	local flags = ips and '\129\128' or '\129\131' -- found or not
	local records = {}
	for i, ip in ipairs(ips or {}) do
		records[i] = record(ip)
	end
	return message:sub(1, 2) .. flags .. '\0\1\0' .. string.char(#records) .. '\0\0\0\0'
		.. message:sub(HEADER + 1, last) .. table.concat(records)
end

-- name_server(answer) -> queries: serves the names inside. answer(name, type) returns a list of IPv4
-- addresses, false for no such name, nil for silence. `queries` is a list of the queries that came, 'name
-- type', and also counts them by that text.
function namespace.name_server(answer)
	local s = assert(socket.udp())
	assert(s:bind('127.0.0.1', PORT))
	local queries = {}
	socket.newthread(function()
		local buf = ffi.new'char[512]'
		while true do
			local n, from = s:recv(buf, 512)
			if not n then break end
			local message = ffi.string(buf, n)
			local name, type = question_of(message)
			local query = name .. ' ' .. type
			queries[#queries + 1] = query
			queries[query] = (queries[query] or 0) + 1
			local ips = answer(name, type)
			if ips ~= nil then
				assert(s:send(reply(message, ips), from))
			end
		end
	end)
	return queries
end

-- silent_name_server() -> queries: receives queries and answers none.
function namespace.silent_name_server()
	return namespace.name_server(function() end)
end

return namespace
