---@meta socket2.thread

-- The types of require'socket2.thread', for editors. docs/thread.md and docs/channel.md are the manual.

---Threads of the system's, each with a Lua state and a loop of its own.
---@class socket2.thread
local thread = {}

---A thread that was started.
---@class socket2.thr
local thr = {}

---Waits until it is over: what its function returned, or true; nil and the error with its traceback.
---@param expires? number a time of socket.clock()
---@return any ...
function thr:join(expires) end

---Did it end with an error? nil before a join() has seen the end.
---@return boolean?
function thr:failed() end

---"file:line" of its function.
---@return string
function thr:name() end

---Values on their way from one state to another.
---@class socket2.channel
local ch = {}

---Sends a copy of a value.
---@param v any not nil
---@param expires? number a time of socket.clock()
---@return true? ok, socket2.err? err, integer? errcode
function ch:send(v, expires) end

---The oldest value; nil, "closed" when there is none and will be none.
---@param expires? number a time of socket.clock()
---@return any value, socket2.err? err, integer? errcode
function ch:recv(expires) end

---An iterator of the values, until the channel is closed. It raises other errors.
---@param expires? number a time of socket.clock()
---@return fun(): any
function ch:values(expires) end

---The number of values that wait to be received.
---@return integer
function ch:count() end

---For all states: no more is sent; what is in it can still be received.
---@return true
function ch:close() end

---Runs f(...) in a new OS thread with a new Lua state.
---@param f function|string a function, or Lua source
---@param ... any
---@return socket2.thr? thr, socket2.err? err, integer? errcode
function thread.new(f, ...) end

---A new channel.
---@param capacity? number default 64; 0: each send waits for its receiver; 1/0: no limit
---@return socket2.channel? ch, socket2.err? err, integer? errcode
function thread.channel(capacity) end

---The number of processors that may be used.
---@return integer
function thread.cpus() end

---Gets or sets what the system calls the running OS thread.
---@param name? string
---@return string? name, socket2.err? err, integer? errcode
function thread.name(name) end

return thread
