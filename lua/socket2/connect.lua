-- Connecting to one of several addresses: Happy Eyeballs, RFC 8305.

local lib = require'socket2.lib'
local sched = require'socket2.sched'
local addr = require'socket2.addr'
local socket = require'socket2.socket'
local sync = require'socket2.sync'

local C, fail = lib.C, lib.fail
local loop = sched.loop
local min, ipairs, pairs, getmetatable = math.min, ipairs, pairs, getmetatable

local PENDING, WRITE, TIMEOUT = C.SOCKET2_PENDING, C.SOCKET2_WRITE, C.SOCKET2_ETIMEOUT
local HEAD_START = 0.25 -- seconds: the "connection attempt delay" of section 5

-- One address: 0 or an error code.
local function attempt(self, ai, time)
	local p = addr.pointer(ai)
	local r = p and C.socket2_tcp_connect(loop, self.h, p, time) or C.SOCKET2_ECLOSED
	if r == PENDING then
		r = sched.wait(self, WRITE, addr.memory(ai))
	end
	return r
end

local function family_of(ai)
	return C.socket2_addr_family(addr.pointer(ai))
end

-- The addresses the socket can use, the families taking turns, as section 4 has it.
local function candidates(self, ai)
	local any = self.any_family and not self.bound
	local first, second = {}, {}
	local family
	for a in ai:addrs() do
		local f = family_of(a)
		if any and f ~= C.SOCKET2_UNIX or f == self.owner.family then
			family = family or f
			local t = f == family and first or second
			t[#t + 1] = a
		end
	end
	local list = {}
	for i = 1, #first + #second do
		list[#list + 1] = first[i]
		list[#list + 1] = second[i]
	end
	return list
end

-- A socket like this one, in another family: with the options that were set on it.
local function sibling(self, family)
	local h = C.socket2_tcp_new(loop, family, 0)
	if h < 0 then
		return nil, h
	end
	local s = socket.wrap(getmetatable(self), h, family, C.socket2_socket_protocol(loop, h), self.opened)
	for name, value in pairs(self.options or {}) do
		s:setopt(name, value)
	end
	return s
end

-- Takes over the winner's connection; its own, which has lost, is closed.
local function become(self, winner)
	C.socket2_socket_close(loop, self.h)
	self.owner.handle = 0
	self.h, self.owner = winner.h, winner.owner
	winner.h = 0
end

-- Runs the attempts, each in a thread, one after the other as long as none has succeeded: the socket that
-- did | nil, code.
local function race(self, list, time)
	local results = sync.queue()
	local sockets, running, own_used = {}, 0, false

	local function start(ai)
		local s, code = self, nil
		if own_used or family_of(ai) ~= self.owner.family then
			s, code = sibling(self, family_of(ai))
		else
			own_used = true
		end
		running = running + 1
		if not s then
			return results:push{r = code}
		end
		sockets[#sockets + 1] = s
		sched.start_thread(time, function()
			results:push{r = attempt(s, ai, time), socket = s}
		end)
	end

	local winner, code = nil, TIMEOUT
	local next_index = 1
	while not winner and (running > 0 or list[next_index]) do
		if list[next_index] then
			start(list[next_index])
			next_index = next_index + 1
		end
		repeat
			local more = list[next_index] ~= nil
			local result, _, errcode = results:pop(more and min(time, C.socket2_clock() + HEAD_START) or time)
			if result then
				running = running - 1
				winner, code = result.r >= 0 and result.socket, result.r
			elseif errcode ~= TIMEOUT or C.socket2_clock() >= sched.deadline(time) then
				next_index, running, code = #list + 1, 0, errcode
			end
		until winner or list[next_index] or running == 0
	end
	for _, s in ipairs(sockets) do
		if s == self and not winner then
			C.socket2_socket_cancel(loop, s.h, WRITE) -- stays the program's
		elseif s ~= winner and s ~= self then
			s:close()
		end
	end
	return winner or nil, code
end

-- connect(socket, ai, time) -> true | nil, err, errcode: connects to the first of the addresses that
-- answers, until `time`.
local function connect(self, ai, time)
	if not addr.pointer(ai) then
		return fail(C.SOCKET2_ECLOSED)
	end
	local list = candidates(self, ai)
	local r
	if #list == 0 then
		r = C.SOCKET2_EFAMILY
	elseif #list == 1 and family_of(list[1]) == self.owner.family or not sched.can_wait() then
		r = attempt(self, list[1], time)
	elseif self:remoteaddr() then
		r = C.SOCKET2_EISCONN
	else
		local winner
		winner, r = race(self, list, time)
		if winner and winner ~= self then
			become(self, winner)
		end
	end
	if r < 0 then
		return fail(r)
	end
	self.any_family, self.options = nil, nil
	return true
end

return connect
