-- Symmetric coroutines over native ones. A thread never resumes another from
-- its own stack: it yields a request to a trampoline in the root (the thread
-- outside any coro thread: the main thread or a native coroutine), which
-- resumes the target. So any thread can pass control to any suspended one.
--
-- The resumer of the running thread is kept in a register, `parent`, which a
-- thread that switches away saves on its own stack. A table of parents would
-- not do: weak, it loses the resumer of a generator that only a scheduler
-- holds; strong, it leaks abandoned generators.

local ncreate, nresume, nyield, nwrap = coroutine.create, coroutine.resume, coroutine.yield, coroutine.wrap
local nrunning, nstatus, nisyieldable = coroutine.running, coroutine.status, coroutine.isyieldable
local getinfo, traceback, gethook, sethook = debug.getinfo, debug.traceback, debug.gethook, debug.sethook
local type, error, pcall, tostring, setmetatable = type, error, pcall, tostring, setmetatable

local coro = {}

-- Stands for the main thread where Lua has no object for it.
local main = setmetatable({}, {__tostring = function() return 'thread: main' end})

-- What a suspended thread waits for. true: anything; 'held': its resumer waits
-- for it, so no other thread may resume it; 'normal': only the thread that it
-- resumed; nil: it is dead, or not suspended by coro.
local state = setmetatable({}, {__mode = 'k'})

-- Registers. A thread leaves it to the trampoline to change them, because its
-- native yield can fail (inside a C call).
local current -- thread that the trampoline runs, nil when control is in the root
local root    -- thread that the trampoline runs in
local waits   -- thread that the root waits for in resume
local parent  -- resumer of current, or the link of a ptransfer into it

-- The first value of a switch request. SET also changes the state of the thread
-- and the parent of the target; only GO is cheap.
local GO, SET = {}, {}
local newstate, newparent

-- Does p still wait for t? An error of another thread makes the root leave
-- resume early.
local function resumed(p, t)
	return state[p] == 'normal' or p == root and waits == t
end

local function is_link(p)
	return type(p) == 'table' and p ~= main
end

local step, finish

-- Does what t has requested.
local function switch(t, mark, to, ...)
	if mark == GO then
		parent = nil
	else
		state[t], parent, newparent = newstate, newparent, nil
	end
	if to == root then
		current = nil
		root = nil
		waits = nil
		return ...
	end
	current = to
	return step(to, nresume(to, ...))
end

-- The trampoline: takes what the native resume of t returned. A thread that ends
-- may have returned nothing, so no parameters stand for its values.
function step(t, ok, ...)
	local mark = ...
	if mark == GO or mark == SET then
		return switch(t, ...)
	end
	return finish(t, ok, ...)
end

-- t has ended, failed, or yielded natively, or it is not a coro thread and could
-- not be resumed.
function finish(t, ok, ...)
	local p, dead, err = parent, nstatus(t) == 'dead', ...
	if ok or dead then
		state[t] = nil
	end
	if resumed(p, t) then
		if ok then
			return switch(t, GO, p, true, ...)
		end
		return switch(t, GO, p, false, err)
	elseif ok then
		err = tostring(t) .. (dead and ' ended without transferring control'
			or ' called native coroutine.yield but was not resumed')
	end
	if is_link(p) and p.thread then
		p.failed = true
		return switch(t, GO, p.thread, err)
	end
	current, root, waits, parent = nil, nil, nil, nil
	error(err, 0)
end

local function back(me, p, ...)
	if me ~= current then
		error('thread waiting in coro was resumed by native coroutine.resume', 0)
	end
	state[me] = true
	-- `parent` is set already if `me` was resumed anew, or if a ptransfer set a link, which is not a resumer
	if p and (not parent or is_link(parent) and not is_link(p)) then
		parent = p
	end
	return ...
end

-- Switches from `me` to t, leaving `me` in state st and giving t the parent p.
local function away(me, st, p, t, ...)
	newstate, newparent = st, p
	return back(me, parent, nyield(SET, t, ...))
end

local probed

local function probe()
	probed = true
end

-- interrupted() -> boolean: does the caller run in a finalizer or a hook, and so perhaps in the middle of
-- anything? LuaJIT calls no hooks there. False where a hook in C is set, which Lua could not set again.
local function interrupted()
	local hook, mask, count = gethook()
	if type(hook) == 'string' then
		return false
	end
	probed = false
	sethook(probe, '', 1)
	sethook(hook, mask, count)
	return not probed
end
jit.off(interrupted) -- compiled code calls no hooks, either

local function unnest(c, s, r, w, p, ns, np, ok, ...)
	state[c], current, root, waits, parent, newstate, newparent = s, c, r, w, p, ns, np
	if not ok then
		error((...), 0)
	end
	return ...
end

-- Calls f, which starts a trampoline, on top of one further down the native
-- stack. Threads down there cannot be reached meanwhile.
local function nested(f, ...)
	if (nrunning() or main) == root and not interrupted() then -- an error (in a hook) has ended that trampoline
		current, root, waits, parent = nil, nil, nil, nil
		return f(...)
	end
	local c, s, r, w, p, ns, np = current, state[current], root, waits, parent, newstate, newparent
	state[c], current, root, waits, parent = nil, nil, nil, nil, nil
	return unnest(c, s, r, w, p, ns, np, pcall(f, ...))
end

-- Why `me` cannot transfer to t; nil if it can.
local function refusal(t, me)
	local s = state[t]
	if t == me then
		return 'cannot transfer to the running thread'
	elseif s == 'normal' or t == root and waits then
		return 'cannot transfer to a thread waiting in resume'
	elseif s or t == root and current then
		return
	elseif type(t) ~= 'thread' and t ~= main then
		return 'cannot transfer: thread expected, got ' .. type(t)
	end
	s = t == main and 'normal' or nstatus(t)
	if s == 'dead' then
		return 'cannot transfer to a dead thread'
	elseif s ~= 'suspended' then
		return 'cannot transfer to a thread inside a native coroutine.resume or a C function'
	elseif getinfo(t, 0, 'f') then
		return 'cannot transfer to a thread suspended by native coroutine.yield'
	end
	state[t] = true -- a native thread that has not started
end

local function check(t, me)
	local why = refusal(t, me)
	if why then
		error(why, 3)
	end
end

-- create(f) -> thread (a native one). f gets the arguments of the first
-- transfer or resume.
local function create(f)
	if type(f) ~= 'function' then
		return ncreate(f) -- which raises, in the name of the caller
	end
	local t = ncreate(f)
	state[t] = true
	return t
end

-- transfer(thread, ...) -> ...: suspends the caller and passes control to thread;
-- returns what comes with control when it is passed back. Raises an error unless
-- thread is new, is suspended in transfer, ptransfer or yield, or is the root
-- waiting in one of the first two.
-- A thread that was transferred into must end by transferring. If it fails or
-- returns, the error (its own value) is raised in the root.
-- A native coroutine that calls this, or a callback from C, is a root of its
-- own, which cannot reach the threads that it runs in.
local function transfer(t, ...)
	local me = current
	if me then
		if nrunning() ~= me or not nisyieldable() then
			return nested(transfer, t, ...)
		end
		if (t ~= root or waits) and (state[t] ~= true or t == me) then
			check(t, me)
		end
		if parent then
			return away(me, resumed(parent, me) and 'held' or true, nil, t, ...)
		end
		return nyield(GO, t, ...)
	end
	me = nrunning() or main
	if state[t] ~= true or t == me then
		check(t, me)
	end
	root = me
	current = t
	return step(t, nresume(t, ...))
end

local function caught(link, ...)
	link.thread = nil -- later errors go to the root
	return not link.failed, ...
end

-- ptransfer(thread, ...) -> true, ... | false, err: a transfer that returns the
-- error that would be raised. In the root that is any error raised there until
-- control comes back. In a thread it is also the error of `thread` itself (or
-- its end without transferring), unless another thread has resumed it since;
-- errors of threads that `thread` transfers to go to the root.
local function ptransfer(t, ...)
	local me = nrunning() or main
	if me ~= current or not nisyieldable() then
		return pcall(transfer, t, ...)
	end
	local why = refusal(t, me)
	if why then
		return false, why
	end
	local link = {thread = me}
	return caught(link, away(me, resumed(parent, me) and 'held' or true,
		t ~= root and link or nil, t, ...))
end

-- Why `me` cannot resume t; nil if it can.
local function unfit(t, me)
	local s = state[t] or t == main and 'normal' or nstatus(t)
	if s == 'dead' then
		return 'cannot resume dead coroutine'
	elseif t == me or t == root or s ~= true and s ~= 'suspended' then
		return 'cannot resume running coroutine'
	end
end

-- resume() of the coroutine library.
local function plain_resume(t, ...)
	local me = nrunning() or main
	if type(t) ~= 'thread' and t ~= main then
		return nresume(t) -- raises
	end
	local why = unfit(t, me)
	if why then
		return false, why
	elseif current and (me ~= current or not nisyieldable()) then
		return nested(plain_resume, t, ...)
	end
	state[t] = true
	if current then
		return away(me, 'normal', me, t, ...)
	end
	state[me] = nil -- a coro thread that was resumed natively is no longer a coro thread
	root, current, parent, waits = me, t, me, t
	return step(t, nresume(t, ...))
end

local function traced(t, why, ok, ...)
	if ok or why then
		return ok, ...
	end
	local err = ...
	return false, err, traceback(t)
end

-- resume(thread, ...) -> true, ... | false, err, traceback: runs thread until it
-- yields or ends; in between it can transfer away and be transferred into.
-- Returns false, err if it is dead, not suspended or already resumed. Native
-- threads can be resumed too. In a callback from C the caller is a root of its
-- own.
local function resume(t, ...)
	if type(t) ~= 'thread' and t ~= main then
		return nresume(t)
	end
	return traced(t, unfit(t, nrunning() or main), plain_resume(t, ...))
end

-- yield(...) -> ...: passes values to the resumer; returns what the next resume
-- or transfer passes. Raises an error in a thread that was not resumed. In the
-- main thread and in a native coroutine it is the native yield.
local function yield(...)
	local me = nrunning()
	if not me or me ~= current then
		return nyield(...)
	elseif not resumed(parent, me) then
		error('yielding from a non-resumed thread', 2)
	end
	return nyield(GO, parent, true, ...)
end

-- isyieldable() -> boolean: can the caller yield?
local function isyieldable()
	local me = nrunning()
	return nisyieldable() and (me ~= current or resumed(parent, me))
end

local function unwrap(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

-- wrap(f) -> function(...) -> ...: resumes a thread of f; raises its errors in
-- the caller, with their own value.
local function wrap(f)
	local t = create(f)
	return function(...)
		return unwrap(plain_resume(t, ...))
	end
end

-- safewrap(f) -> function(...) -> ...: like wrap, but calls f(yield, ...) with
-- a yield that returns from the wrapper whichever thread calls it; the next
-- call of the wrapper continues that thread.
local function safewrap(f)
	local caller -- the thread that waits in the wrapper
	local thread -- where the next call continues; nil when f is done
	local failed

	local function leave(...)
		if not caller then
			error('yielding to a wrapper that nobody waits in', 2)
		end
		thread = nrunning()
		return transfer(caller, ...)
	end
	local function done(ok, ...)
		thread, failed = nil, not ok
		if not caller then
			error(failed and (...) or 'ended with nobody waiting in the wrapper', 0)
		end
		return transfer(caller, ...)
	end
	local function result(ok, ...)
		caller = nil
		return unwrap(ok and not failed, ...)
	end
	thread = create(function(...)
		return done(pcall(f, leave, ...))
	end)
	return function(...)
		if not thread then
			error('cannot resume dead coroutine', 2)
		elseif caller then
			error('cannot resume running coroutine', 2)
		end
		caller = nrunning() or main
		return result(ptransfer(thread, ...))
	end
end

-- running() -> thread, ismain: where Lua has no object for the main thread, a
-- token that stands for it in all functions here.
local function running()
	local t, ismain = nrunning()
	if not t then
		return main, true
	end
	return t, ismain or false
end

-- status(thread) -> 'running' | 'suspended' | 'normal' | 'dead'
local function status(t)
	local me = nrunning() or main
	if type(t) ~= 'thread' and t ~= main then
		return nstatus(t) -- raises
	elseif t == me then
		return 'running'
	elseif state[t] == 'normal' then
		return 'normal'
	elseif t == root and me == current then
		return waits and 'normal' or 'suspended'
	end
	return t == main and 'normal' or nstatus(t)
end

-- The functions below are for a scheduler. To park a thread and enter it again costs half of what two
-- transfers cost, because only one value is passed, and nothing has to check where the two sides are.

-- self() -> thread | nil: the running thread if it can park; nil in the root, in native coroutines and under
-- C functions that call back (string.gsub, table.sort, require).
local function self()
	local me = nrunning()
	if me == current and nisyieldable() then
		return me
	end
end

-- park(to) -> value: like transfer(to), in a thread for which self() is not nil.
local function park(to)
	if parent then
		return transfer(to)
	end
	local me = current
	local value = nyield(GO, to)
	if me ~= current then
		back(me)
	end
	return value
end

local function settle(me, t, ok, ...)
	local mark, to = ...
	if mark == GO and to == me then
		current, root, waits, parent = nil, nil, nil, nil
	else
		step(t, ok, ...)
	end
end

-- enter(me, thread, value): like transfer(thread, value), in the root, which running() calls `me`. Drops what
-- comes back.
local function enter(me, t, value)
	if current or state[t] ~= true then
		transfer(t, value)
	else
		root, current = me, t
		settle(me, t, nresume(t, value))
	end
end

-- leave(to, ...): a thread that was transferred into ends with `return leave(to, ...)`, which passes
-- control to `to`, or to the root if that is nil.
local function leave(to, ...)
	state[current] = nil
	return GO, to or root, ...
end

local function plain_unwrap(ok, ...)
	if ok then
		return ...
	end
	local err = ...
	error(err, type(err) == 'string' and 2 or 0)
end

-- wrap() of the coroutine library: adds the position to errors that are text.
local function plain_wrap(f)
	if type(f) ~= 'function' then
		return nwrap(f) -- raises
	end
	local t = create(f)
	return function(...)
		return plain_unwrap(plain_resume(t, ...))
	end
end

-- The coroutine library, made from coro's threads. Programs see no difference.
local plain = {create = create, resume = plain_resume, yield = yield, wrap = plain_wrap,
	status = status, running = nrunning, isyieldable = isyieldable}
local old = coroutine

-- install() -> table: puts coro's threads in place of the coroutine library's;
-- returns the library that was there before.
local function install()
	if _G.coroutine ~= plain then
		old = _G.coroutine
		_G.coroutine, package.loaded.coroutine = plain, plain
	end
	return old
end

coro.create, coro.transfer, coro.ptransfer = create, transfer, ptransfer
coro.resume, coro.yield, coro.isyieldable = resume, yield, isyieldable
coro.wrap, coro.safewrap, coro.status = wrap, safewrap, status
coro.running, coro.current, coro.install = running, running, install
coro.self, coro.park, coro.enter, coro.leave, coro.interrupted = self, park, enter, leave, interrupted

return coro
