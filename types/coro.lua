---@meta coro

-- The types of require'coro', for editors. docs/coro.md is the manual.

---Symmetric coroutines.
---@class coro
local coro = {}

---@param f function gets the arguments of the first transfer or resume
---@return thread
function coro.create(f) end

---Suspends the caller and passes control to a thread; returns what comes with control when it is passed back.
---@param t thread
---@param ... any
---@return any ...
function coro.transfer(t, ...) end

---transfer() that returns an error: true, ... or false, err.
---@param t thread
---@param ... any
---@return boolean ok
---@return any ...
function coro.ptransfer(t, ...) end

---Runs a thread until it yields or ends: true, ... or false, err, traceback.
---@param t thread
---@param ... any
---@return boolean ok
---@return any ...
function coro.resume(t, ...) end

---Passes values to the resumer; returns what the next resume or transfer passes.
---@param ... any
---@return any ...
function coro.yield(...) end

---A function that resumes a thread of f and raises its errors.
---@param f function
---@return fun(...: any): any
function coro.wrap(f) end

---As wrap(), but calls f(yield, ...) with a yield that works from whichever thread calls it.
---@param f fun(yield: fun(...: any): any, ...: any): any
---@return fun(...: any): any
function coro.safewrap(f) end

---The running thread, and whether it is the main one.
---@return thread
---@return boolean ismain
function coro.running() end

---As running().
---@return thread
---@return boolean ismain
function coro.current() end

---@param t thread
---@return "running"|"suspended"|"normal"|"dead"
function coro.status(t) end

---Can the caller yield?
---@return boolean
function coro.isyieldable() end

---Puts coro's threads in place of those of the coroutine library, which it returns.
---@return table
function coro.install() end

return coro
