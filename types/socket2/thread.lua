---@meta socket2.thread

-- The types of require'socket2.thread', for editors. docs/thread.md and docs/channel.md are the manual.

---OS threads, each with its own Lua state and loop.
---@class socket2.thread
local thread = {}

---An OS thread that was started.
---@class socket2.thr
local thr = {}

---Waits until the thread is over; returns what its function returned, or true, or nil and the error with its
---traceback.
---@param expires? number a time of socket.clock()
---@return any ...
function thr:join(expires) end

---Tells whether the thread ended with an error; nil before a join() has seen the end.
---@return boolean?
function thr:failed() end

---"file:line" of the thread's function.
---@return string
function thr:name() end

---Carries values from one state to another.
---@class socket2.channel
local ch = {}

---Sends a copy of a value.
---@param v any not nil
---@param expires? number a time of socket.clock()
---@return true? ok, socket2.err? err, integer? errcode
function ch:send(v, expires) end

---Returns the oldest value; nil, "closed" when the channel is closed and empty.
---@param expires? number a time of socket.clock()
---@return any value, socket2.err? err, integer? errcode
function ch:recv(expires) end

---An iterator over the values, until the channel is closed. It raises other errors.
---@param expires? number a time of socket.clock()
---@return fun(): any
function ch:values(expires) end

---The number of values that wait to be received.
---@return integer
function ch:count() end

---Closes the channel for all states: no more can be sent, and what is in it can still be received.
---@return true
function ch:close() end

---Runs f(...) in a new OS thread with a new Lua state.
---@param f function|string a function, or Lua source
---@param ... any
---@return socket2.thr? thr, socket2.err? err, integer? errcode
function thread.new(f, ...) end

---A new channel. A capacity of 1/0 is no limit.
---@param capacity? number how many messages it holds, default 64; with 0 a send waits for its receiver
---@return socket2.channel? ch, socket2.err? err, integer? errcode
function thread.channel(capacity) end

---The number of processors that may be used.
---@return integer
function thread.cpus() end

---Gets or sets the system's name for the running OS thread.
---@param name? string
---@return string? name, socket2.err? err, integer? errcode
function thread.name(name) end

return thread
