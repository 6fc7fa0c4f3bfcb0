-- What begins when a finalizer (or a hook) runs turns of the loop in the middle of it. The thread goes on
-- only after these turns: what comes for it meanwhile is kept, and given to it when it has parked.

local lib = require'socket2.lib'
local pending = require'socket2.run.pending'
local turn = require'socket2.run.turn'

local C = lib.C
local loop, waiting_for, release = pending.loop, pending.waiting_for, pending.release
local type, setmetatable = type, setmetatable

local LOOKUP = C.SOCKET2_LOOKUP

local record = {}
record.__index = record

-- Is it in flight, and nobody stands for it yet?
local function unclaimed(object, kind)
	local h = object.h
	if type(h) ~= 'number' or waiting_for[kind][h] then
		return false
	end
	return kind == LOOKUP or C.socket2_socket_pending(loop, h, kind, nil) > 0
end

-- set_aside(can_wait) -> record | nil: of what is held, which is not held any more. A caller that can wait is
-- not a finalizer: there an error has ended the thread that held it.
local function set_aside(can_wait)
	if can_wait then
		return
	end
	local self = pending.take()
	if not self then
		return
	end
	setmetatable(self, record)
	self.live = true
	if self.parked then
		turn.keep(self.parked, self)
	end
	local object, kind = self.object, self.kind
	if kind then
		if unclaimed(object, kind) then
			self.h = object.h
			pending.add(self.h, kind, self)
		end
	elseif object.co == false then
		object.co, self.stands_in = self, true
	end
	return self
end

-- fire(value): it has come.
function record:fire(value)
	if self.live then
		self.value, self.detail = value, turn.entered()
		return
	end
	local object, who = self.object, self.parked
	if self.h then
		who = waiting_for[self.kind][self.h]
		if who then
			pending.remove(self.h, self.kind)
		end
	elseif self.stands_in then
		who = release(object)
	end
	if who then
		turn.give(who, value, self.detail)
	elseif pending.held(object) then -- it has still not parked
		turn.ready(self, value)
	end
end

-- Takes it out of its thread's place.
local function step_back(self)
	local object = self.object
	if self.parked then
		turn.keep(self.parked, nil)
	end
	if self.h then
		if waiting_for[self.kind][self.h] == self then
			pending.remove(self.h, self.kind)
		end
	elseif self.stands_in then
		if object.co == self then
			object.co = false
		else -- taken from its list
			object.prev, object.next = object, object
		end
	end
end

-- restore(record): it is held again.
local function restore(self)
	pending.settle()
	step_back(self)
	self.live = false
	if self.value ~= nil then
		turn.ready(self, self.value)
	end
	pending.put_back(self)
end

return {set = set_aside, restore = restore}
