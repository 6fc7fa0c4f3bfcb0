-- Connecting to one of several addresses: Happy Eyeballs, RFC 8305.

local lib = require'socket2.lib'
local sched = require'socket2.run.sched'
local addr = require'socket2.net.addr'
local socket = require'socket2.net.socket'
local sync = require'socket2.run.sync'

local C, fail = lib.C, sched.fail
local loop = sched.loop
local min, ipairs, pairs, getmetatable = math.min, ipairs, pairs, getmetatable

local PENDING, WRITE = C.SOCKET2_PENDING, C.SOCKET2_WRITE
local TIMEOUT, ECLOSED, ECANCELED = C.SOCKET2_ETIMEOUT, C.SOCKET2_ECLOSED, C.SOCKET2_ECANCELED
-- Errors that another address would not change.
local final = {[TIMEOUT] = true, [ECLOSED] = true, [C.SOCKET2_EBADHANDLE] = true,
	[ECANCELED] = true, [C.SOCKET2_EBUSY] = true, [C.SOCKET2_EISCONN] = true}

-- How telling an error is, when several addresses fail: an address that answered and refused tells more than
-- one that does not answer. All other errors are in between: something on this machine is in the way.
local UNTOLD, SILENT, UNREACHABLE, OTHER, ANSWERED = 0, 1, 2, 3, 4
local ranks = {
	[TIMEOUT] = SILENT, [C.SOCKET2_ECONNTIMEDOUT] = SILENT,
	[C.SOCKET2_ENETUNREACH] = UNREACHABLE, [C.SOCKET2_EHOSTUNREACH] = UNREACHABLE,
	[C.SOCKET2_ENETDOWN] = UNREACHABLE, [C.SOCKET2_EADDRNOTAVAIL] = UNREACHABLE,
	[C.SOCKET2_EFAMILY] = UNREACHABLE,
	[C.SOCKET2_ECONNREFUSED] = ANSWERED, [C.SOCKET2_ECONNRESET] = ANSWERED,
	[C.SOCKET2_ECONNABORTED] = ANSWERED,
}
local HEAD_START = 0.25 -- seconds: the "connection attempt delay" of section 5

-- Connects to one address: 0 or an error code.
local function attempt(self, ai, time)
	local p = addr.pointer(ai)
	sched.hold(self, WRITE, addr.memory(ai))
	local r = p and C.socket2_tcp_connect(loop, self.h, p, time) or ECLOSED
	if r == PENDING then
		return (sched.wait(self, WRITE))
	end
	sched.over()
	return r
end

-- note(worst, code, ai): keeps the most telling error so far; among equals the first.
local function note(worst, code, ai)
	local rank = ranks[code] or OTHER
	if rank > worst.rank then
		worst.rank, worst.code, worst.ai = rank, code, ai
	end
end

local function family_of(ai)
	return C.socket2_addr_family(addr.pointer(ai))
end

-- The addresses that the socket can use. The families take turns, as in section 4.
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

-- A socket like this one, maybe in another family, with the options that were set on this one.
local function sibling(self, family)
	local s, code = socket.made(getmetatable(self), C.socket2_tcp_new, family, 0, self.opened)
	if not s then
		return nil, code
	end
	for name, value in pairs(self.options or {}) do
		s:setopt(name, value)
	end
	return s
end

-- Takes over the winner's connection, and closes its own socket, which has lost.
local function become(self, winner)
	C.socket2_socket_close(loop, self.h)
	self.owner.handle = 0
	self.h, self.owner = winner.h, winner.owner
	winner.h = 0
end

-- A race of attempts, each in a thread of its own. `worst` is the error that the race fails with; `over` is
-- what has ended the race before an attempt did.
local function new_race(self, time)
	return {socket = self, time = time, waiters = sync.list(), sockets = {}, running = 0, failures = 0,
		own_used = false, winner = nil, over = nil, worst = {rank = UNTOLD}}
end

local function failed(race, code, ai)
	race.failures = race.failures + 1
	note(race.worst, code, ai)
end

local function take_part(race, s, ai)
	sched.hide()
	local r = attempt(s, ai, race.time)
	race.running = race.running - 1
	if r >= 0 then
		race.winner = race.winner or s
	else
		failed(race, r, ai)
	end
	race.waiters:wake_all(true)
end

-- Begins the attempt at one address, with the socket itself, or with another one like it if that is in use or
-- of another family.
local function begin_attempt(race, ai)
	local s, family = race.socket, family_of(ai)
	if not race.own_used and family == s.owner.family then
		race.own_used = true
	else
		local code
		s, code = sibling(s, family)
		if not s then
			return failed(race, code, ai)
		end
	end
	race.sockets[#race.sockets + 1] = s
	race.running = race.running + 1
	sched.start_thread(race.time, take_part, race, s, ai)
end

-- Waits until an attempt has ended, `before` counting the failures, or else until `time`.
local function wait_for_attempt(race, before, time)
	while not (race.winner or race.over) and race.running > 0 and race.failures == before do
		local r = race.waiters:wait('connect', time, nil, race.socket)
		if r == TIMEOUT and time < race.time then
			return
		elseif r ~= true then
			race.over = r
		end
	end
end

-- Ends the attempts that have not won. The program keeps the socket itself, which would be busy for the next
-- connect as long as its attempt runs.
local function end_attempts(race)
	for _, s in ipairs(race.sockets) do
		if s ~= race.winner and s == race.socket then
			C.socket2_socket_cancel(loop, s.h, WRITE)
		elseif s ~= race.winner then
			s:close()
		end
	end
	while race.running > 0 do
		sched.turn()
	end
end

-- Runs the attempts until one succeeds or `time` comes. Returns the socket that succeeded, or nil, code, ai.
local function run_race(self, list, time)
	local race = new_race(self, time)
	self.race = race.waiters -- for close()
	local i = 0
	while not (race.winner or race.over) and (list[i + 1] or race.running > 0) do
		local before = race.failures
		if list[i + 1] then
			i = i + 1
			begin_attempt(race, list[i])
		end
		wait_for_attempt(race, before, list[i + 1] and min(time, C.socket2_clock() + HEAD_START) or time)
	end
	local worst, winner, over = race.worst, race.winner, race.over
	if over == TIMEOUT then
		note(worst, over, list[1])
		over = nil
	end
	local code, ai = over or worst.code, worst.ai -- before the errors of the attempts that are ended here
	end_attempts(race)
	self.race = nil
	if winner and over == ECANCELED then -- both came at once: the cancel ends the next wait
		sched.cancel_wait(sched.this())
	end
	if winner and self.h == 0 then -- the program has closed it
		winner:close()
		return nil, ECLOSED
	end
	return winner, winner and 0 or code, ai
end

-- attempt_alone(socket, ai, time) -> 0 | code: an address of another family takes a socket of that family;
-- this one takes over its connection.
local function attempt_alone(self, ai, time)
	local family = family_of(ai)
	if family == self.owner.family then
		return attempt(self, ai, time)
	end
	local s, code = sibling(self, family)
	if not s then
		return code
	end
	local r = attempt(s, ai, time)
	if r >= 0 then
		become(self, s)
	else
		s:close()
	end
	return r
end

-- Tries one address after the other: 0 | code, ai.
local function try_each(self, list, time)
	local worst = {rank = UNTOLD}
	for _, ai in ipairs(list) do
		local r = attempt_alone(self, ai, time)
		if r >= 0 or final[r] and r ~= TIMEOUT then
			return r, ai
		end
		note(worst, r, ai)
		if r == TIMEOUT then
			break
		end
	end
	return worst.code, worst.ai
end

-- connect(socket, ai, time) -> true | nil, err, errcode, detail: connects to the first of the addresses that
-- answers, until `time`.
local function connect(self, ai, time)
	if not addr.pointer(ai) then
		return fail(ECLOSED)
	end
	local list = candidates(self, ai)
	local r, which
	if #list == 0 then
		r = C.SOCKET2_EFAMILY
	elseif self.race then
		r = C.SOCKET2_EBUSY
	elseif self.bound or #list == 1 and family_of(list[1]) == self.owner.family or not sched.can_wait() then
		r, which = try_each(self, list, time) -- no other socket can have its local address
	elseif self:remoteaddr() then
		r = C.SOCKET2_EISCONN
	else
		local winner
		winner, r, which = run_race(self, list, time)
		if winner and winner ~= self then
			become(self, winner)
		end
	end
	if r < 0 then
		return addr.fail(r, which or ai)
	end
	self.any_family, self.options = nil, nil
	return true
end

return connect
