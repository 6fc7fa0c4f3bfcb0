---@meta socket2

-- The types of require'socket2', for editors (lua-language-server and others that read LuaCATS). docs/ is the
-- manual. `...?` results are nil after an error; then err and errcode follow.

---The second result of a failing function: see docs/errors.md.
---@alias socket2.err
---| "closed"
---| "timeout"
---| "canceled"
---| "busy"
---| "bad_handle"
---| "invalid_argument"
---| "not_supported"
---| "out_of_memory"
---| "too_many_open_files"
---| "too_many_open_files_in_system"
---| "access_denied"
---| "not_permitted"
---| "address_already_in_use"
---| "address_not_available"
---| "address_family_not_supported"
---| "protocol_not_supported"
---| "socket_type_not_supported"
---| "connection_refused"
---| "connection_reset"
---| "connection_aborted"
---| "connection_timed_out"
---| "broken_pipe"
---| "not_connected"
---| "already_connected"
---| "not_listening"
---| "network_unreachable"
---| "host_unreachable"
---| "network_down"
---| "message_too_long"
---| "no_buffer_space"
---| "destination_address_required"
---| "file_not_found"
---| "path_too_long"
---| "unknown_host"
---| "unknown_service"
---| "invalid_port"
---| "temporary_lookup_failure"
---| "lookup_failure"
---| "unknown_option"
---| "no_such_device"
---| "bad_descriptor"
---| "too_many_handles"
---| "system_error"
---| "end_of_stream"
---| "too_long"
---| "not_suspended"
---| "io_error"

---@alias socket2.socket_type "tcp"|"udp"|"raw"
---@alias socket2.family "inet"|"inet6"|"unix"
---@alias socket2.direction "r"|"w"|"rw"

---A name, an IP literal, a path (family "unix"), false for loopback, nil or "*" for all interfaces, or an
---address, which then takes the place of the port as well.
---@alias socket2.host string|false|socket2.addr

---Asynchronous sockets for LuaJIT, with coroutines in place of callbacks.
---@class socket2
---@field _VERSION string "socket2 MAJOR.MINOR.PATCH"
---@field onerror? fun(thread: thread, err: any, traceback: string) is called with errors in threads
local socket = {}

---The foreign libraries that can be used here, by their names ("zlib").
---@return table<string, {version: string, library: string}> features
function socket.features() end

---An address, one of the list that a lookup gave.
---@class socket2.addr
local ai = {}

---The next address of the list; nil after the last.
---@return socket2.addr? ai, socket2.err? err, integer? errcode
function ai:next() end

---An iterator over this address and the ones after it.
---@return fun(head: socket2.addr, last?: socket2.addr): socket2.addr?
---@return socket2.addr
function ai:addrs() end

---@return socket2.socket_type? type, socket2.err? err, integer? errcode
function ai:type() end

---@return socket2.family? family, socket2.err? err, integer? errcode
function ai:family() end

---"tcp", "udp", "icmp" ..., or the number as a string if the protocol has no name here.
---@return string? protocol, socket2.err? err, integer? errcode
function ai:protocol() end

---0 for unix.
---@return integer? port, socket2.err? err, integer? errcode
function ai:port() end

---"1.2.3.4", "::1", or the path.
---@return string? ip, socket2.err? err, integer? errcode
function ai:ip() end

---The canonical name, if the lookup had the flag "canonname".
---@return string? name, socket2.err? err, integer? errcode
function ai:name() end

---"1.2.3.4:80", "[::1]:80", or the path.
---@return string? text, socket2.err? err, integer? errcode
function ai:tostring() end

---A string to use as a table key, which is the same for equal addresses.
---@return string? key, socket2.err? err, integer? errcode
function ai:key() end

---Frees the whole list; its methods return nil, "closed" from then on.
function ai:free() end

---Looks up an address. Only for a name does it have to wait: in a socket thread that thread waits, elsewhere
---the process.
---@param host? socket2.host an address is returned as it is
---@param port? integer|string a number, a service name; 0, the default, is any free port
---@param socket_type? socket2.socket_type default "tcp"
---@param family? socket2.family|"unspec" default "inet"
---@param protocol? integer|string a number or one of ip icmp igmp tcp udp ipv6 icmpv6 raw
---@param flags? integer|string|table passive canonname numerichost numericserv all v4mapped addrconfig
---@param expires? number a time of socket.clock()
---@return socket2.addr? ai, socket2.err? err, integer? errcode, string? detail
function socket.addr(host, port, socket_type, family, protocol, flags, expires) end

---Sets how long the process remembers the addresses of names; with 0, the default, it does not.
---@param seconds number
---@return true? ok, socket2.err? err, integer? errcode
function socket.lookup_cache(seconds) end

---What sockets of every kind have.
---@class socket2.socket
local s = {}

---@return socket2.socket_type
function s:type() end

---@return socket2.family
function s:family() end

---@return string
function s:protocol() end

---Binds to a local address.
---@param host? socket2.host
---@param port? integer|string
---@param expires? number a time of socket.clock(), for the lookup of a name
---@return true? ok, socket2.err? err, integer? errcode, string? detail
function s:bind(host, port, expires) end

---The address that the socket is bound to.
---@return socket2.addr? ai, socket2.err? err, integer? errcode
function s:localaddr() end

---The address of the peer.
---@return socket2.addr? ai, socket2.err? err, integer? errcode
function s:remoteaddr() end

---Ends receiving, sending, or (the default) both.
---@param how? socket2.direction
---@return true? ok, socket2.err? err, integer? errcode
function s:shutdown(how) end

---@param name string
---@param value boolean|number|string|table
---@return true? ok, socket2.err? err, integer? errcode
function s:setopt(name, value) end

---@param name string
---@return boolean|number|string|nil value, socket2.err? err, integer? errcode
function s:getopt(name) end

---The process at the other end of a unix socket; pid is false where the system does not tell.
---@return integer|false|nil pid, socket2.err|integer uid, integer gid err and errcode after nil
function s:peercred() end

---Closes the object but not the descriptor, which belongs to the program from now on.
---@return integer? fd, socket2.err? err, integer? errcode
function s:detach() end

---Anything with a handle that a thread can wait on.
---@class socket2.waitable
local waitable = {}

---Sets how long an operation without its own `expires` may wait; nil is forever. One argument sets both.
---@param read? number seconds
---@param write? number seconds
---@return true? ok, socket2.err? err, integer? errcode
function waitable:settimeout(read, write) end

---Waits until reading (or accepting) or writing would not block. Holds no buffer meanwhile.
---@param what socket2.direction
---@param expires? number a time of socket.clock()
---@return socket2.direction? ready, socket2.err? err, integer? errcode
function waitable:wait(what, expires) end

---The system's descriptor, which the program may inspect but not close or read from.
---@return integer? fd, socket2.err? err, integer? errcode
function waitable:fd() end

---Closes it; threads that wait on it get nil, "closed". Twice is harmless.
---@return true
function waitable:close() end

---Reading from an ordered stream of bytes. A read that fails consumes nothing.
---@class socket2.stream
local stream = {}

---Receives what has come, at most `maxlen` bytes; returns 0 at the end of the stream.
---@param buf ffi.cdata*
---@param maxlen? integer bytes, more than 0; default: the size of the array or struct
---@param expires? number a time of socket.clock()
---@return integer? len, socket2.err? err, integer? errcode
function stream:recv(buf, maxlen, expires) end

---Receives n bytes into a buffer.
---@param buf ffi.cdata*
---@param n? integer bytes; default: the size of the array or struct
---@param expires? number a time of socket.clock()
---@return integer? n, socket2.err? err, integer? errcode
function stream:recvn(buf, n, expires) end

---Returns n bytes.
---@param n integer
---@param expires? number a time of socket.clock()
---@return string? s, socket2.err? err, integer? errcode
function stream:read(n, expires) end

---Returns n bytes, and the next read gets them again.
---@param n integer
---@param expires? number a time of socket.clock()
---@return string? s, socket2.err? err, integer? errcode
function stream:peek(n, expires) end

---Returns a line that ends in LF or CRLF, without that ending.
---@param maxlen? integer bytes, default 65536
---@param expires? number a time of socket.clock()
---@return string? line, socket2.err? err, integer? errcode
function stream:readline(maxlen, expires) end

---Returns what comes before the delimiter, and reads past the delimiter.
---@param delim string any bytes, at least one
---@param maxlen? integer bytes, default 65536
---@param expires? number a time of socket.clock()
---@return string? s, socket2.err? err, integer? errcode
function stream:readuntil(delim, maxlen, expires) end

---Returns everything until the end of the stream.
---@param maxlen? integer bytes, default 64 MiB
---@param expires? number a time of socket.clock()
---@return string? s, socket2.err? err, integer? errcode
function stream:readall(maxlen, expires) end

---An iterator over the lines. It raises every failure but the end of the stream.
---@param maxlen? integer bytes, default 65536
---@param expires? number a time of socket.clock()
---@return (fun(): string?)? iterator, socket2.err? err, integer? errcode
function stream:lines(maxlen, expires) end

---The number of bytes that were received and not read.
---@return integer
function stream:buffered() end

---A TCP socket, or a unix socket of the stream kind.
---@class socket2.tcp : socket2.waitable, socket2.socket, socket2.stream
local tcp = {}

---Binds, unless that was done, and listens: listen(host, port, backlog) or listen(backlog, host, port), with
---an address in place of host and port.
---@param host? socket2.host|integer
---@param port? integer|string|socket2.host
---@param backlog? integer|string default: the system's maximum
---@return true? ok, socket2.err? err, integer? errcode, string? detail
function tcp:listen(host, port, backlog) end

---The next connection and its peer.
---@param expires? number a time of socket.clock()
---@return socket2.tcp? connection
---@return socket2.addr|socket2.err peer or an err, after nil
---@return integer? errcode
function tcp:accept(expires) end

---Connects to whichever of the addresses answers first.
---@param host? socket2.host
---@param port? integer|string|number
---@param expires? number a time of socket.clock()
---@return true? ok, socket2.err? err, integer? errcode, string? detail
function tcp:connect(host, port, expires) end

---Sends all of the data. After an error `sent` is how many bytes the system took.
---@param data string|ffi.cdata*|(string|ffi.cdata*)[]
---@param len? integer bytes; a pointer needs it
---@param expires? number a time of socket.clock()
---@return integer? len, socket2.err? err, integer? errcode, integer? sent
function tcp:send(data, len, expires) end

---A UDP socket, or a unix socket of the datagram kind.
---@class socket2.udp : socket2.waitable, socket2.socket
local udp = {}

---Sets where send() goes without an address, and the only sender that recv() hears. connect("*") undoes it.
---@param host? socket2.host
---@param port? integer|string|number
---@param expires? number a time of socket.clock()
---@return true? ok, socket2.err? err, integer? errcode, string? detail
function udp:connect(host, port, expires) end

---Sends one whole datagram. The length may be left out: send(data, host, port).
---@param data string|ffi.cdata*
---@param len? integer|socket2.host bytes
---@param host? socket2.host|integer|string
---@param port? integer|string|number
---@param expires? number a time of socket.clock()
---@return integer? len, socket2.err? err, integer? errcode, string? detail
function udp:send(data, len, host, port, expires) end

---Receives one datagram, and returns its sender; with an address given, the next datagram from there.
---@param buf ffi.cdata*
---@param maxlen? integer bytes; default: the size of the array or struct
---@param host? socket2.host|number
---@param port? integer|string|number|socket2.addr
---@param expires? number|socket2.addr a time of socket.clock()
---@param ai? socket2.addr gets the sender, in place of a new one
---@return integer? len
---@return socket2.addr|socket2.err sender or an err, after nil
---@return true|integer|nil truncated true when the datagram was longer; errcode after nil
---@return string? detail after nil
function udp:recv(buf, maxlen, host, port, expires, ai) end

---A raw socket, like UDP without ports.
---@class socket2.raw : socket2.udp
local raw = {}

---A pipe, a terminal or another descriptor that the program owns.
---@class socket2.fd : socket2.waitable, socket2.stream
local fd = {}

---Writes all of the data. After an error `sent` is how many bytes the system took.
---@param data string|ffi.cdata*|(string|ffi.cdata*)[]
---@param len? integer bytes; a pointer needs it
---@param expires? number a time of socket.clock()
---@return integer? len, socket2.err? err, integer? errcode, integer? sent
function fd:send(data, len, expires) end

---A new stream socket.
---@param family? socket2.family default "inet"
---@param protocol? integer|string
---@return socket2.tcp? tcp, socket2.err? err, integer? errcode
function socket.tcp(family, protocol) end

---A new stream socket, connected.
---@param host? socket2.host
---@param port? integer|string|number
---@param expires? number a time of socket.clock()
---@return socket2.tcp? tcp, socket2.err? err, integer? errcode, string? detail
function socket.connect(host, port, expires) end

---A new datagram socket.
---@param family? socket2.family default "inet"
---@param protocol? integer|string
---@return socket2.udp? udp, socket2.err? err, integer? errcode
function socket.udp(family, protocol) end

---A new raw socket; needs a privilege.
---@param family? socket2.family default "inet"
---@param protocol? integer|string default "raw"
---@return socket2.raw? raw, socket2.err? err, integer? errcode
function socket.raw(family, protocol) end

---An object for a descriptor that the program keeps.
---@param number integer
---@return socket2.fd? fd, socket2.err? err, integer? errcode
function socket.wrapfd(number) end

---Takes over a descriptor that is a socket.
---@param fd integer
---@param kind socket2.socket_type
---@return socket2.tcp|socket2.udp|socket2.raw|nil socket, socket2.err? err, integer? errcode
function socket.attach(fd, kind) end

---Starts f(...) in a new socket thread; returns when that first waits or is over.
---@param f function
---@param ... any
---@return thread
function socket.newthread(f, ...) end

---Waits for I/O and timers, and resumes the threads they are for.
---@param timeout? number seconds, default: forever
---@return boolean? ok, socket2.err? err, integer? errcode
function socket.poll(timeout) end

---Polls until stop(), or until nothing waits any more (true, and how many threads wait for each other, if
---any), or until the time is over (false).
---@param timeout? number seconds, default: forever
---@return boolean? ok, integer|socket2.err? n_or_err, integer? errcode
function socket.start(timeout) end

---Makes start() return.
function socket.stop() end

---The time of the monotonic clock, in seconds.
---@return number
function socket.clock() end

---The system's own code behind the last error that a socket or the loop gave; 0 for the library's own errors.
---@return integer
function socket.os_error() end

---What an error code means, and its word.
---@param errcode integer
---@return string message
---@return string word
function socket.strerror(errcode) end

---Linux: gets or, before the first socket, sets the loop's epoll descriptor.
---@param fd? integer
---@return integer? fd, socket2.err? err, integer? errcode
function socket.epoll_fd(fd) end

---Windows: gets or, before the first socket, sets the loop's completion port.
---@param handle? integer
---@return integer? handle, socket2.err? err, integer? errcode
function socket.iocp(handle) end

---@param seconds number
---@return true? ok, socket2.err? err, integer? errcode
function socket.sleep(seconds) end

---@param time number of socket.clock()
---@return true? ok, socket2.err? err, integer? errcode
function socket.sleep_until(time) end

---The names of signals. A signal that the system lacks gives "not_supported".
---@alias socket2.signal_of_all "int"|"term"|"hup"
---@alias socket2.signal_of_windows "break"
---@alias socket2.signal_of_jobs "quit"|"chld"|"winch"|"cont"|"tstp"|"ttin"|"ttou"
---@alias socket2.signal_of_posix "usr1"|"usr2"|"alrm"|"pipe"|"urg"|"io"|"xcpu"|"xfsz"|socket2.signal_of_jobs
---@alias socket2.signal_name socket2.signal_of_all|socket2.signal_of_windows|socket2.signal_of_posix

---Watches for signals of the system.
---@class socket2.signal
local signal = {}

---The name of a signal that came since the object was made and that no wait has returned yet.
---@param expires? number
---@return socket2.signal_name? name, socket2.err? err, integer? errcode
function signal:wait(expires) end

---Stops watching: the signals do what they did before.
---@return true
function signal:close() end

---Watches for signals of these names, which do nothing else to the process from now on.
---@param name socket2.signal_name
---@param ... socket2.signal_name
---@return socket2.signal? s, socket2.err? err, integer? errcode
function socket.signal(name, ...) end

---A function that runs at a time.
---@class socket2.timer
local timer = {}

---Stops the timer, which does not run (again); false when it was over already.
---@return boolean
function timer:cancel() end

---Runs f() in a new thread at a time.
---@param time number of socket.clock()
---@param f function
---@return socket2.timer? timer, socket2.err? err, integer? errcode
function socket.runat(time, f) end

---Runs f() in a new thread after some seconds.
---@param seconds number
---@param f function
---@return socket2.timer? timer, socket2.err? err, integer? errcode
function socket.runafter(seconds, f) end

---Runs f() in a new thread again and again.
---@param seconds number more than 0
---@param f function
---@return socket2.timer? timer, socket2.err? err, integer? errcode
function socket.runevery(seconds, f) end

---Runs f(...), in which nothing waits longer than until `time`. Returns what f returns.
---@param time number of socket.clock()
---@param f function
---@param ... any
---@return any ...
function socket.deadline(time, f, ...) end

---The socket thread that runs.
---@return thread?
function socket.currentthread() end

---Waits until resume(thread, ...), and returns the arguments of that call after the thread.
---@param ... any the results of the resume() that brought the thread here
---@return any ...
function socket.suspend(...) end

---Runs a suspended thread until it waits again; returns true and what it passed to its next suspend().
---@param thread thread
---@param ... any
---@return true? ok
---@return any ... or err, errcode
function socket.resume(thread, ...) end

---Ends the thread's wait, or else its next one, with nil, "canceled"; false when the thread is over.
---@param thread thread
---@return boolean
function socket.cancel(thread) end

---What a thread of a threadset returned or raised: `ok`, and the results as an array or the error as [1].
---@class socket2.result
---@field thread thread
---@field ok boolean
---@field n integer the number of results
---@field traceback? string of the error
---@field [integer] any
local result = {}

---Threads that belong together.
---@class socket2.threadset
local ts = {}

---Starts f(...) in a new thread; the set keeps what it returns or raises.
---@param f function
---@param ... any
---@return thread
function ts:thread(f, ...) end

---Waits until all threads are over; returns the result of each that first() has not given, in the order in
---which they were started.
---@param expires? number a time of socket.clock()
---@return socket2.result[]? results, socket2.err? err, integer? errcode
function ts:wait(expires) end

---Returns the result of the first thread to end, then of the second ...; nil, "closed" after the last. The
---set forgets the results that it has given.
---@param expires? number a time of socket.clock()
---@return socket2.result? result, socket2.err? err, integer? errcode
function ts:first(expires) end

---Cancels all threads that are not over.
---@return true
function ts:cancel() end

---@return socket2.threadset
function socket.threadset() end

---A thread that waits. tostring() of their list is a report.
---@class socket2.waiting
---@field thread thread
---@field name? string see socket.threadname()
---@field what string "recv", "accept", "send", "connect", "wait", "lookup", "sleep", "event" ...
---@field since number a time of socket.clock()
---@field socket? socket2.tcp|socket2.udp|socket2.fd the object that it waits on
---@field opened? string "file:line" where that object was made
---@field at? string "file:line" where it waits
---@field started? string "file:line" where its function is
local waiting = {}

---Lists every thread that waits, the longest wait first.
---@return socket2.waiting[]
function socket.threads() end

---Gets or sets the name that threads() shows.
---@param thread thread
---@param name? string
---@return string?
function socket.threadname(thread, name) end

---A flag that threads can wait for.
---@class socket2.event
local event = {}

---Sets the flag and wakes all threads that wait; a thread that comes later does not wait.
function event:set() end

function event:clear() end

---@param expires? number a time of socket.clock()
---@return true? ok, socket2.err? err, integer? errcode
function event:wait(expires) end

---@return socket2.event
function socket.event() end

---@class socket2.semaphore
local semaphore = {}

---Takes one permit, as soon as there is one.
---@param expires? number a time of socket.clock()
---@return true? ok, socket2.err? err, integer? errcode
function semaphore:take(expires) end

---@param n? integer permits, default 1
function semaphore:give(n) end

---@param n integer permits
---@return socket2.semaphore
function socket.semaphore(n) end

---@class socket2.queue
local queue = {}

---@param value any not nil
---@param expires? number a time of socket.clock()
---@return true? ok, socket2.err? err, integer? errcode
function queue:push(value, expires) end

---Removes and returns the oldest value; nil, "closed" when the queue is empty and closed.
---@param expires? number a time of socket.clock()
---@return any value, socket2.err? err, integer? errcode
function queue:pop(expires) end

---@return integer
function queue:count() end

---@return true
function queue:close() end

---@param max? integer how many values it holds before push() waits; default: no limit
---@return socket2.queue
function socket.queue(max) end

---@class socket2.serve.options
---@field handler fun(connection: socket2.tcp)|string a function, or the name of a module that is a function
---@field host? string|false default: all IPv4 interfaces
---@field port? integer|string default: any free port
---@field family? socket2.family|"unspec"
---@field backlog? integer
---@field threads? integer default: one for each processor
---@field balance? "handoff"|"reuseport"
---@field share_epoll? boolean
---@field onerror? fun(thread: thread, err: any, traceback: string) is called with errors in threads
local options = {}

---A server on several OS threads.
---@class socket2.server
local server = {}

---The address that the server listens on.
---@return socket2.addr
function server:addr() end

---The number of open connections of each thread.
---@return integer[]
function server:loads() end

---Accepts no more and waits until all connections are over; nil, "timeout" when some were cut off.
---@param expires? number a time of socket.clock()
---@return true? ok, string? err, integer? errcode
function server:stop(expires) end

---Waits until the server has been stopped, or its threads have failed.
---@param expires? number a time of socket.clock()
---@return true? ok, string? err, integer? errcode
function server:wait(expires) end

---A TCP server on all processors.
---@param options socket2.serve.options
---@return socket2.server? server, socket2.err? err, integer? errcode
function socket.serve(options) end

return socket
