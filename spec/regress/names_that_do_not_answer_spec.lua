-- Eight names kept all threads of the resolver when their server did not answer, long after the threads that
-- had asked were gone: no other name was looked up meanwhile, not even localhost and names of the hosts file.
-- Runs alone: it measures time.

local socket = require'socket2'
local spec = require'spec'
local namespace = require'namespace'

-- files(timeout) -> those that say which server the system asks, and after how many seconds it gives up
local function files(timeout)
	return {
		['/etc/hosts'] = '127.0.0.1 localhost\n127.0.0.7 known.test # and a comment\n'
			.. '127.0.0.8\tOther.test alias.test\n',
		['/etc/resolv.conf'] = ('nameserver 127.0.0.1\noptions timeout:%d attempts:1\n'):format(timeout),
		['/etc/nsswitch.conf'] = 'hosts: files dns\nservices: files\n',
	}
end

local PATIENT = 20 -- seconds
local LONG = 5 -- seconds; what needs no network takes far less

local function alone(what, f, timeout)
	spec.with('resolv.conf', it)(what, function()
		local ok, reason = namespace.run(files(timeout or PATIENT), function() spec.run(f, 60) end)
		if not ok then pending(reason) end
	end)
end

local function look(name, seconds, family)
	return socket.addr(name, 80, 'tcp', family or 'inet', nil, nil, socket.clock() + seconds)
end

local function ask_for_many(n, seconds, done)
	for i = 1, n do
		socket.newthread(function()
			look(('dead%d.test'):format(i), seconds)
			if done then done() end
		end)
	end
end

describe('names that do not answer', function()

	alone('do not hold up what needs no network', function()
		namespace.silent_name_server()
		ask_for_many(40, PATIENT)
		spec.turn()
		local start = socket.clock()
		assert.equal('127.0.0.1:80', tostring(assert(look('localhost', PATIENT))))
		assert.equal('127.0.0.7:80', tostring(assert(look('known.test', PATIENT))))
		assert.equal('127.0.0.8:80', tostring(assert(look('OTHER.test', PATIENT))))
		assert.equal('127.0.0.8:80', tostring(assert(look('alias.test', PATIENT))))
		assert.equal('[::1]:80', tostring(assert(look('localhost', PATIENT, 'inet6'))))
		assert.equal('127.0.0.1:80', tostring(assert(look('any.localhost', PATIENT))))
		assert.equal('127.0.0.1:443', tostring(assert(socket.addr('127.0.0.1', 'https'))))
		assert.is_true(socket.clock() - start < LONG)
		os.exit(0) -- for the others it would take long
	end)

	alone('give their places to others when those who asked have gone', function()
		local queries = namespace.silent_name_server()
		local gone = 0
		ask_for_many(8, 0.2, function() gone = gone + 1 end)
		spec.wait_until(function() return gone == 8 end)
		local before = #queries
		socket.newthread(function() look('next.test', PATIENT) end)
		spec.wait_until(function()
			for i = before + 1, #queries do
				if queries[i]:find('next', 1, true) then return true end
			end
		end)
		os.exit(0)
	end)

	alone('are asked for once, however many wait, and each has a time of its own', function()
		local queries = namespace.silent_name_server()
		local ended = {}
		for i = 1, 20 do
			socket.newthread(function()
				spec.fails('timeout', look('same.test', 0.05 * i))
				ended[#ended + 1] = i
			end)
		end
		spec.wait_until(function() return #ended == 20 end)
		for i = 1, 20 do assert.equal(i, ended[i]) end
		assert.equal(1, #queries)
		os.exit(0)
	end)

	alone('are remembered for a moment when the system has given up', function()
		local queries = namespace.silent_name_server()
		spec.fails('temporary_lookup_failure', look('silent.test', PATIENT))
		local asked = #queries
		spec.fails('temporary_lookup_failure', look('silent.test', PATIENT))
		assert.equal(asked, #queries)
		assert(socket.lookup_cache(0)) -- forgets
		spec.fails('temporary_lookup_failure', look('silent.test', PATIENT))
		assert.is_true(#queries > asked)
	end, 1)
end)
