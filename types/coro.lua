---@meta coro

-- The types of require'coro', for editors. docs/coro.md is the manual.

---Symmetric coroutines.
---@class coro
local coro = {}

---Makes a thread that runs f.
---@param f function gets the arguments of the first transfer or resume
---@return thread
function coro.create(f) end

---Suspends the caller and passes control to a thread; returns the values that come when control is passed
---back.
---@param t thread
---@param ... any
---@return any ...
function coro.transfer(t, ...) end

---Like transfer(), but returns true, ... or false, err instead of raising an error.
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

---Passes values to the code that resumed the thread; returns what the next resume or transfer passes.
---@param ... any
---@return any ...
function coro.yield(...) end

---Makes a function that resumes a thread of f and raises the thread's errors.
---@param f function
---@return fun(...: any): any
function coro.wrap(f) end

---Like wrap(), but calls f(yield, ...) with a yield that works from whichever thread calls it.
---@param f fun(yield: fun(...: any): any, ...: any): any
---@return fun(...: any): any
function coro.safewrap(f) end

---The running thread, and whether it is the main one.
---@return thread
---@return boolean ismain
function coro.running() end

---The same as running().
---@return thread
---@return boolean ismain
function coro.current() end

---@param t thread
---@return "running"|"suspended"|"normal"|"dead"
function coro.status(t) end

---Tells whether the caller can yield.
---@return boolean
function coro.isyieldable() end

---Replaces the coroutines of the coroutine library by coro's threads, and returns the library that was there.
---@return table
function coro.install() end

return coro
