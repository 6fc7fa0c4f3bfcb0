-- Errors in threads, each kept with its traceback until take() returns it.

local error, type, tostring, pcall, xpcall = error, type, tostring, pcall, xpcall
local traceback, getinfo = debug.traceback, debug.getinfo
local remove = table.remove

local failure = {}

failure.CANNOT_WAIT = 'I/O cannot wait here, inside a plain coroutine or a function that C calls'
	.. ' (of string.gsub, table.sort, require), a handler of xpcall, a finalizer or a hook. Those can start a'
	.. ' thread that waits. Coroutines can wait: make them with coro.wrap or coro.create, or call'
	.. ' coro.install() at the start of the program'
failure.INTRUDER = 'a thread that waits was resumed by something else than what it waits for'

-- text_of(err) -> string
function failure.text_of(err)
	local ok, text = pcall(tostring, err)
	return ok and type(text) == 'string' and text or 'an error that has no text'
end
local text_of = failure.text_of

local passing_trace -- the traceback of the error that pass_on() raises

-- catch(err): the handler for xpcall.
function failure.catch(err)
	local trace = passing_trace
	passing_trace = nil
	local raiser = trace and getinfo(3, 'f')
	if raiser and raiser.func == failure.pass_on then
		return {err = err, trace = trace}
	end
	return {err = err, trace = traceback(text_of(err), 2)}
end
local catch = failure.catch

-- parts(caught) -> err, traceback: takes apart what xpcall returned: a table that catch() made, or text from
-- Lua itself when no stack or memory was left for that.
function failure.parts(caught)
	if type(caught) == 'string' then
		return caught, caught
	end
	return caught.err, caught.trace
end
local parts = failure.parts

-- Raises what xpcall caught, with the traceback that it had.
function failure.pass_on(caught)
	local err
	err, passing_trace = parts(caught)
	error(err, 0)
end

local unheard = {} -- tracebacks for take()

local listener = {}

-- listen(t): errors are reported to the `onerror` of t, if it has one. t is the public table, where programs
-- set it.
function failure.listen(t)
	listener = t
end

-- set_onerror(f): sets `onerror` in that table for the program.
function failure.set_onerror(f)
	listener.onerror = f
end

-- report(thread, caught) -> boolean: false if `onerror` has been told of the error, true if the error is kept
-- for take().
function failure.report(thread, caught)
	local err, trace = parts(caught)
	local onerror = listener.onerror
	if onerror then
		local ok, caught1 = xpcall(onerror, catch, thread, err, trace)
		if ok then
			return false
		end
		unheard[#unheard + 1] = trace
		trace = select(2, parts(caught1))
	end
	unheard[#unheard + 1] = trace
	return true
end

-- take() -> traceback | nil: removes the oldest.
function failure.take()
	return unheard[1] and remove(unheard, 1)
end

function failure.any()
	return unheard[1] ~= nil
end

return failure
