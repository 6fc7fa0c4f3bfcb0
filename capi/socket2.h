/*
 * socket2: asynchronous sockets for any language with a foreign-function interface.
 *
 * The contract
 *
 *  1. Every function returns an int unless its comment says otherwise. A negative int is an error
 *     code (SOCKET2_E...) or SOCKET2_PENDING; any other is the value: bytes, a new handle, or 0.
 *  2. SOCKET2_PENDING: exactly one event {handle, kind, result} follows from socket2_poll(), and
 *     its result means what the return value would have meant.
 *  3. From PENDING until that event the library owns everything that was passed by pointer (data,
 *     addresses): it has to stay valid and unchanged. The event is given only when the system and
 *     the library no longer use it. If a comment says that something is copied, the caller may
 *     reuse it at once.
 *  4. A handle is a positive int. A handle that is stale, of the wrong kind or made up is
 *     SOCKET2_EBADHANDLE, never undefined behaviour. A number is reused only after 2^29 (half a
 *     billion) more objects of the loop; a handle that is kept for longer can name a stranger.
 *     Closing a socket completes its pending operations with SOCKET2_ECLOSED.
 *  5. No callbacks, no structs by value, no exceptions, no errno, no signals, not even SIGPIPE.
 *     Times are doubles in seconds of the monotonic clock that socket2_clock() reads. A deadline is
 *     absolute; SOCKET2_NEVER (infinity) means no deadline, and with a deadline that has passed an
 *     operation tries once without waiting. NaN is SOCKET2_EINVAL. SOCKET2_AT_ONCE (minus infinity)
 *     is for classic non-blocking programs: an operation is never PENDING, but SOCKET2_ETIMEOUT
 *     when it would have to wait. socket2_poll() then returns, perhaps without an event, when that
 *     may have changed. Such a send may take only a part. Such a connect goes on in the system: it
 *     is SOCKET2_EBUSY when tried again before it is over, and SOCKET2_EISCONN after.
 *  6. A loop and all handles on it belong to one thread at a time. Only socket2_wake(), and the
 *     functions without a loop argument, may be called from any thread at any time. A handle is a
 *     name on its loop: another loop can use the same number for another socket. Loops, of one
 *     thread or of several, share only channels: each loop has its own handles on them, and the
 *     numbers of socket2_channel_id() are the same in the whole process. Several loops may use a
 *     channel at the same time.
 *     A forked child has copies of the loops and of everything on them, for the thread that has
 *     forked: see docs/fork.md.
 *  7. Error codes are the library's own, the same on every system. socket2_error_name() has their
 *     words, and socket2_os_error() the system's code behind the last one.
 *  8. Within one soname (SOCKET2_ABI_VERSION is its number) functions and constants are only added,
 *     and no struct of this header grows. What a comment marks "Since 0.2" came with that version;
 *     everything else has been there since 0.1. A program that may meet an older library asks
 *     socket2_version(), or looks the function up by its name.
 *
 * One operation of each kind at a time: while a SOCKET2_READ (recv, accept) or SOCKET2_WRITE (send,
 * connect) is pending on a socket or a channel's handle, another of that kind is SOCKET2_EBUSY.
 * Reading and writing do not hinder each other.
 *
 * Pointers: every pointer is checked for null. Null is SOCKET2_EINVAL unless the comment says what
 * it means; `data` and arrays may be null when their size or number is 0. Otherwise a pointer has
 * to point to as much memory as the comment says (an int for `int*`, a zero-terminated text for
 * `const char*`, `size` bytes), which is not checked. Texts are UTF-8 or any other bytes; they are
 * copied, and so is everything that is passed to a function that never returns PENDING.
 *
 * Numbers: sizes over INT_MAX and negative numbers of items are SOCKET2_EINVAL (but the room for a
 * text may be larger). A number that is not one of the constants below is SOCKET2_EINVAL, too, or
 * it has a code of its own (SOCKET2_EFAMILY, SOCKET2_EPROTOCOL, SOCKET2_ESOCKTYPE). If there are
 * several mistakes, a bad loop is reported first, then a bad handle.
 *
 * Any function can return SOCKET2_EBADHANDLE if it takes a loop or a handle, SOCKET2_ENOMEM if it
 * allocates, and SOCKET2_ESYSTEM when the system reports an error that has no code here; comments
 * name the others that are to be expected.
 */
#ifndef SOCKET2_H
#define SOCKET2_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__MINGW32__)
#define SOCKET2_API __attribute__((visibility("default")))
#else
#define SOCKET2_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SOCKET2_ABI_VERSION = 1,

    SOCKET2_PENDING = -1,

    SOCKET2_ECLOSED = -2,
    SOCKET2_ETIMEOUT = -3,
    SOCKET2_ECANCELED = -4,
    SOCKET2_EBUSY = -5,
    SOCKET2_EBADHANDLE = -6,
    SOCKET2_EINVAL = -7,
    SOCKET2_ENOTSUPPORTED = -8,
    SOCKET2_ENOMEM = -9,
    SOCKET2_EMFILE = -10,
    SOCKET2_ENFILE = -11,
    SOCKET2_EACCES = -12,
    SOCKET2_EPERM = -13,
    SOCKET2_EADDRINUSE = -14,
    SOCKET2_EADDRNOTAVAIL = -15,
    SOCKET2_EFAMILY = -16,
    SOCKET2_EPROTOCOL = -17,
    SOCKET2_ESOCKTYPE = -18,
    SOCKET2_ECONNREFUSED = -19,
    SOCKET2_ECONNRESET = -20,
    SOCKET2_ECONNABORTED = -21,
    SOCKET2_ECONNTIMEDOUT = -22,
    SOCKET2_EPIPE = -23,
    SOCKET2_ENOTCONN = -24,
    SOCKET2_EISCONN = -25,
    SOCKET2_ENOTLISTENING = -26,
    SOCKET2_ENETUNREACH = -27,
    SOCKET2_EHOSTUNREACH = -28,
    SOCKET2_ENETDOWN = -29,
    SOCKET2_EMSGSIZE = -30,
    SOCKET2_ENOBUFS = -31,
    SOCKET2_EDESTADDRREQ = -32,
    SOCKET2_ENOENT = -33,
    SOCKET2_EPATHTOOLONG = -34,
    SOCKET2_EUNKNOWNHOST = -35,
    SOCKET2_EUNKNOWNSERVICE = -36,
    SOCKET2_EPORT = -37,
    SOCKET2_ELOOKUPAGAIN = -38,
    SOCKET2_ELOOKUP = -39,
    SOCKET2_EOPTION = -40,
    SOCKET2_ENODEV = -41,
    SOCKET2_EDESCRIPTOR = -42,
    SOCKET2_ENOHANDLE = -43,
    SOCKET2_ESYSTEM = -44,
    SOCKET2_EENDOFSTREAM = -45,
    SOCKET2_ETOOLONG = -46,
    SOCKET2_ENOTSUSPENDED = -47,
    SOCKET2_EIO = -48
};

/* What an event reports. */
enum { SOCKET2_READ = 1, SOCKET2_WRITE = 2, SOCKET2_TIMER = 3, SOCKET2_LOOKUP = 4 };

/* What an operation in flight does; see socket2_socket_pending(). */
enum {
    SOCKET2_OP_RECV = 1,
    SOCKET2_OP_ACCEPT = 2,
    SOCKET2_OP_SEND = 3,
    SOCKET2_OP_CONNECT = 4,
    SOCKET2_OP_WAIT = 5
};

/* Signals of the system, to be added up; see socket2_signal_new(). */
enum {
    SOCKET2_SIGINT = 1,   /* the user's Ctrl-C */
    SOCKET2_SIGBREAK = 2, /* Windows: Ctrl-Break */
    SOCKET2_SIGTERM = 4,  /* the program is to end */
    SOCKET2_SIGHUP = 8,   /* its terminal is gone */
    SOCKET2_SIGQUIT = 16, /* Ctrl-\ */
    SOCKET2_SIGUSR1 = 32,
    SOCKET2_SIGUSR2 = 64,
    SOCKET2_SIGCHLD = 128,   /* a child process has ended or stopped */
    SOCKET2_SIGWINCH = 256,  /* the terminal has another size */
    SOCKET2_SIGCONT = 512,   /* the program goes on after a stop */
    SOCKET2_SIGTSTP = 1024,  /* Ctrl-Z */
    SOCKET2_SIGTTIN = 2048,  /* a read or */
    SOCKET2_SIGTTOU = 4096,  /* a write at the terminal from the background */
    SOCKET2_SIGALRM = 8192,  /* alarm(2) */
    SOCKET2_SIGPIPE = 16384, /* a write without a reader; the library itself raises none */
    SOCKET2_SIGURG = 32768,
    SOCKET2_SIGIO = 65536,
    SOCKET2_SIGXCPU = 131072, /* the limit of CPU time */
    SOCKET2_SIGXFSZ = 262144  /* the limit of a file's size */
};

/* Socket types; tcp and udp over the unix family are stream and datagram. */
enum { SOCKET2_TCP = 1, SOCKET2_UDP = 2, SOCKET2_RAW = 3 };

/* Address families. */
enum { SOCKET2_UNSPECIFIED = 0, SOCKET2_INET = 1, SOCKET2_INET6 = 2, SOCKET2_UNIX = 3 };

/* Protocols are IANA's numbers (6 tcp, 17 udp, 1 icmp, 58 icmpv6, 255 raw ...); 0: the default. */

/* Flags of a lookup; see getaddrinfo(3) for their meaning. */
enum {
    SOCKET2_PASSIVE = 1,
    SOCKET2_CANONNAME = 2,
    SOCKET2_NUMERICHOST = 4,
    SOCKET2_NUMERICSERV = 8,
    SOCKET2_ALL = 16,
    SOCKET2_V4MAPPED = 32,
    SOCKET2_ADDRCONFIG = 64,
    SOCKET2_REVERSE = 128 /* the host is an IP address: look up its name with getnameinfo(3) */
};

/* Directions of a shutdown, to be added up. */
enum { SOCKET2_SHUT_READ = 1, SOCKET2_SHUT_WRITE = 2 };

/* What kind of value a socket option has. */
enum {
    SOCKET2_OPTION_BOOLEAN = 1,   /* an int, 0 or not */
    SOCKET2_OPTION_INTEGER = 2,   /* an int */
    SOCKET2_OPTION_LINGER = 3,    /* an int: seconds, or -1 for off */
    SOCKET2_OPTION_TEXT = 4,      /* text */
    SOCKET2_OPTION_INTERFACE = 5, /* an int: an index; also set by text: name, IPv4 address */
    SOCKET2_OPTION_ERROR = 6      /* an int: 0 or an error code of this library; read only */
};

#define SOCKET2_NEVER ((double)(1e300 * 1e300))
#define SOCKET2_AT_ONCE ((double)(-1e300 * 1e300))

/*
 * A finished operation. `result` is a value or an error code, never SOCKET2_PENDING. `detail` says
 * for a socket2_stream_send() or _sendv() how many bytes the system took, also when it failed, and
 * for a socket2_udp_recv() whether the datagram was cut (1) or not (0); for others it is 0.
 */
typedef struct socket2_event {
    int32_t handle;
    int32_t kind;
    int32_t result;
    int32_t detail;
} socket2_event;

/*
 * An address, with the type and protocol of the socket that it is for. Plain memory that belongs to
 * the caller: it can be copied freely, and there is nothing to free. Only the library fills it;
 * memory that it has not filled is SOCKET2_EINVAL wherever an address is needed.
 */
typedef struct socket2_addr {
    uint64_t content[16];
} socket2_addr;

/* ---- version and errors -- any thread ---- */

/* The library's version, "MAJOR.MINOR.PATCH". The text is never freed. */
SOCKET2_API const char* socket2_version(void);

/*
 * The foreign libraries that can be used here, a line each: "NAME VERSION LIBRARY\n", for example
 * "zlib 1.2.13 libz.so.1\n". A library that is missing, or that the build is without, has no line.
 * Opens those that were not needed before. The text is never freed. Since 0.2.
 */
SOCKET2_API const char* socket2_features(void);

/*
 * The SOCKET2_ABI_VERSION that the library was built with. A program that loads the library by its
 * name should go on only if this equals the number in its own header.
 */
SOCKET2_API int socket2_abi_version(void);

/*
 * The word of an error code ("connection_refused") and its sentence, in English. The texts are
 * never freed. A number that is not an error code has "unknown_error".
 */
SOCKET2_API const char* socket2_error_name(int code);
SOCKET2_API const char* socket2_error_message(int code);

/* ---- time -- any thread ---- */

/* Now: seconds, monotonic, from an arbitrary start. A double. */
SOCKET2_API double socket2_clock(void);

/* The time of day: seconds since 1970 (UTC), which can jump. A double. */
SOCKET2_API double socket2_time(void);

/* ---- process -- any thread ---- */

/*
 * Ignores SIGPIPE in the whole process, if its disposition is the default: 0. This library does not
 * need it, but others that write to sockets and pipes may. A program that the process executes
 * inherits it. On Windows there is nothing to do.
 */
SOCKET2_API int socket2_ignore_sigpipe(void);

/* How many descriptors the process may have at once; INT_MAX when there is no limit. */
SOCKET2_API int socket2_descriptor_limit(void);

/*
 * Closes a descriptor that the caller owns (on Windows a SOCKET), for example one that
 * socket2_socket_detach() gave and that cannot be attached again: 0. SOCKET2_EDESCRIPTOR when it is
 * not a descriptor.
 */
SOCKET2_API int socket2_descriptor_close(intptr_t fd);

/* ---- loop ---- */

/*
 * Makes a loop, and returns its handle. SOCKET2_EMFILE and the like; SOCKET2_ENOHANDLE with 1023
 * loops alive.
 */
SOCKET2_API int socket2_loop_new(void);

/*
 * Closes the loop and every object on it. Events that were not taken are lost. When it returns, the
 * library has let go of all memory that was passed to it.
 */
SOCKET2_API int socket2_loop_close(int loop);

/*
 * Waits for operations to finish, until `deadline` (absolute; a past one: only looks), a signal, or
 * socket2_wake(). Returns the number of events written, at most `max` (> 0); the others wait for
 * the next call. 0 when there were none, which can happen before the deadline: call again.
 */
SOCKET2_API int socket2_poll(int loop, socket2_event* events, int max, double deadline);

/*
 * Makes the present or, if there is none, the next socket2_poll() of that loop return: 0. Any
 * thread.
 */
SOCKET2_API int socket2_wake(int loop);

/*
 * The system's own code (errno) behind the last error that a function of this loop returned or an
 * event reported; 0 when that error was the library's own. A value, so only a bad loop handle makes
 * it negative.
 */
SOCKET2_API int socket2_os_error(int loop);

/*
 * The same for the handle's last operation of `kind` (SOCKET2_READ or SOCKET2_WRITE), because one
 * poll can give several events. From then on socket2_os_error() returns this code, too.
 * SOCKET2_EINVAL for another kind. Since 0.2.
 */
SOCKET2_API int socket2_socket_os_error(int loop, int handle, int kind);

/*
 * Linux: the loop's epoll descriptor, which other loops of the process, on any thread, can be set
 * to. Whichever of them takes an event from it, the event reaches the loop that waits for it. The
 * descriptor is valid as long as any of these loops. Setting one returns the descriptor in use: if
 * no loop works on the given epoll yet, that is a duplicate, and the caller keeps the given
 * descriptor and closes it. SOCKET2_EBUSY once the loop has sockets; SOCKET2_EINVAL or
 * SOCKET2_EDESCRIPTOR when it is not an epoll. On other systems SOCKET2_ENOTSUPPORTED.
 */
SOCKET2_API int socket2_loop_epoll_fd(int loop);
SOCKET2_API int socket2_loop_set_epoll_fd(int loop, int epoll_fd);

/*
 * Windows: the loop's completion port, a HANDLE, goes to *port. The rules are those of the epoll,
 * but setting one returns 0. A port that the caller made should let as many threads run as there
 * are loops on it, and only these loops may take packets from it. On other systems
 * SOCKET2_ENOTSUPPORTED.
 */
SOCKET2_API int socket2_loop_iocp(int loop, intptr_t* port);
SOCKET2_API int socket2_loop_set_iocp(int loop, intptr_t port);

/* ---- timers ---- */

/*
 * Makes a timer that fires once, at `deadline` (absolute; NaN and SOCKET2_NEVER are
 * SOCKET2_EINVAL), and returns its handle. Then the event {handle, SOCKET2_TIMER, 0} follows, never
 * before that time. Timers with the same time fire in the order in which they were armed; a time
 * that has passed counts as now. With the event the handle becomes stale. Arming, closing and
 * firing take O(log n) of the loop's timers. SOCKET2_ENOHANDLE.
 */
SOCKET2_API int socket2_timer_new(int loop, double deadline);

/*
 * Disarms a timer: 0, and no event will come. SOCKET2_EBADHANDLE when its event was given already.
 */
SOCKET2_API int socket2_timer_close(int loop, int handle);

/* ---- signals ---- */

/*
 * Watches for signals of the system, and returns a handle. Until socket2_signal_close() the signals
 * do nothing else to the process: the library's handlers replace those that were set. Each signal
 * comes to all handles that watch for it, on any loop of any thread. SOCKET2_ENOTSUPPORTED when the
 * system lacks one of the signals; SOCKET2_ENOHANDLE.
 *
 * On Windows the signals are what a console tells its programs: SOCKET2_SIGINT, SOCKET2_SIGBREAK,
 * and SOCKET2_SIGTERM when the console is closed (SOCKET2_SIGHUP comes as well), the user logs off
 * or the system shuts down. After one of these last three the system gives the program some seconds
 * to end.
 *
 * The first call starts a thread that belongs to the library and takes no signals itself. At least
 * one thread of the program must have the signals unblocked.
 */
SOCKET2_API int socket2_signal_new(int loop, int signals);

/*
 * SOCKET2_READ: gives a signal, SOCKET2_SIG..., that came since the handle was made and was not
 * given yet. A signal that comes several times before it is given is given once; among different
 * signals the lowest number comes first. socket2_socket_cancel() and socket2_socket_pending()
 * (SOCKET2_OP_WAIT) take the handle, too. SOCKET2_AT_ONCE: SOCKET2_ETIMEOUT when there is no
 * signal; one that comes later makes socket2_poll() return.
 */
SOCKET2_API int socket2_signal_wait(int loop, int handle, double deadline);

/*
 * Ends the watch: SOCKET2_ECLOSED follows for what was pending. When the last handle in the process
 * that watches for a signal is closed, the signal does what it did before, unless the program has
 * set another handler meanwhile. (On Windows other handlers get it again.) socket2_loop_close()
 * does this, too.
 */
SOCKET2_API int socket2_signal_close(int loop, int handle);

/* ---- addresses -- any thread, no loop ---- */

/*
 * Like socket2_addr_lookup(), but only for what needs no resolver. 1 and *out filled for an IP
 * literal, "*", the loopback or a path, with a numeric port; 0 and *out untouched for a name. Never
 * blocks.
 */
SOCKET2_API int socket2_addr_parse(const char* host, const char* service, int type, int family,
                                   int protocol, int flags, socket2_addr* out);

/*
 * Makes the address of a unix name of `size` bytes: 0, and *out filled. Only an abstract name,
 * which begins with "@" or a zero byte, may contain zero bytes (SOCKET2_EINVAL).
 * SOCKET2_EPATHTOOLONG; SOCKET2_ENOTSUPPORTED for abstract names when the system has none. Since
 * 0.2.
 */
SOCKET2_API int socket2_addr_unix(const char* name, size_t size, int type, int protocol,
                                  socket2_addr* out);

/*
 * Looks up a host and service for a socket type. `host`: a name, an IP literal, "*" for all
 * interfaces, null for loopback; with SOCKET2_UNIX a path ("@name": one of Linux's abstract names).
 * `service`: a port number or a service name, null for port 0. `family` SOCKET2_UNSPECIFIED: inet
 * and inet6. `protocol` 0: the type's default. `flags`: SOCKET2_PASSIVE ...
 *
 * Writes up to `max` addresses to `out` and returns how many there are, which can be more. With
 * SOCKET2_CANONNAME the canonical name goes to `name` (`name_size` bytes with its zero, cut to fit;
 * empty when there is none); without it `name` may be null.
 *
 * Literals and paths never leave the process. A name is looked up with the system's getaddrinfo(3),
 * which blocks for as long as that takes; socket2_lookup_new() does not block.
 * SOCKET2_EUNKNOWNHOST, SOCKET2_EUNKNOWNSERVICE, SOCKET2_EPORT, SOCKET2_EFAMILY (a literal of
 * another family), SOCKET2_EPATHTOOLONG, SOCKET2_ENODEV (an unknown zone after "%"),
 * SOCKET2_ELOOKUPAGAIN, SOCKET2_ELOOKUP.
 */
SOCKET2_API int socket2_addr_lookup(const char* host, const char* service, int type, int family,
                                    int protocol, int flags, socket2_addr* out, int max, char* name,
                                    size_t name_size);

/* The name of this machine. `text`, `size` and the result are like those of socket2_addr_ip(). */
SOCKET2_API int socket2_hostname(char* text, size_t size);

/*
 * SOCKET2_TCP ..., SOCKET2_INET ..., IANA's protocol number, the port (0 for unix). SOCKET2_EINVAL
 * for memory that the library has not filled.
 */
SOCKET2_API int socket2_addr_type(const socket2_addr* addr);
SOCKET2_API int socket2_addr_family(const socket2_addr* addr);
SOCKET2_API int socket2_addr_protocol(const socket2_addr* addr);
SOCKET2_API int socket2_addr_port(const socket2_addr* addr);

/*
 * The address as text: only the host ("1.2.3.4", "::1", the path), or all of it ("1.2.3.4:80",
 * "[::1]:80", the path; "" for an unnamed unix socket). Writes at most `size` bytes with the zero,
 * cut to fit, and returns the full length without the zero. With `text` null it only returns the
 * length. 192 bytes are always enough.
 */
SOCKET2_API int socket2_addr_ip(const socket2_addr* addr, char* text, size_t size);
SOCKET2_API int socket2_addr_format(const socket2_addr* addr, char* text, size_t size);

/* ---- lookups in the background ---- */

/*
 * Starts a lookup that does not block the caller, and returns its handle. Then the event {handle,
 * SOCKET2_LOOKUP, n} follows, with the number of addresses or an error code. The arguments and
 * errors are socket2_addr_lookup()'s; the strings are copied. SOCKET2_ETIMEOUT when `deadline`
 * comes first. Threads that all loops of the process share ask the system: at most 16 for answers
 * that are still wanted, and 64 with those that are no longer wanted, because the system cannot be
 * stopped. A loop has at most half of what others leave. Equal lookups share one. Localhost, names
 * in the hosts file, and literals with a service name have separate threads. For 3 seconds
 * after a name server was silent, the same question gets SOCKET2_ELOOKUPAGAIN at once.
 */
SOCKET2_API int socket2_lookup_new(int loop, const char* host, const char* service, int type,
                                   int family, int protocol, int flags, double deadline);

/*
 * Ends a pending lookup: its event, SOCKET2_ECANCELED, follows. Does nothing when none is pending.
 */
SOCKET2_API int socket2_lookup_cancel(int loop, int handle);

/*
 * After the event: copies the addresses and the canonical name like socket2_addr_lookup(), and
 * returns the event's result. SOCKET2_EBUSY before it.
 */
SOCKET2_API int socket2_lookup_result(int loop, int handle, socket2_addr* out, int max, char* name,
                                      size_t name_size);

/* Frees a lookup; while it is pending the event SOCKET2_ECLOSED follows. */
SOCKET2_API int socket2_lookup_close(int loop, int handle);

/*
 * Sets for how many seconds the process remembers what socket2_lookup_new() has found, at most 1024
 * names; 0, the default, means not at all. Failures are not remembered. Forgets what was remembered
 * before. Returns 0; SOCKET2_EINVAL for negative times and NaN. Any thread.
 */
SOCKET2_API int socket2_lookup_cache(double seconds);

/* ---- sockets of every kind ---- */

/*
 * Makes a socket, non-blocking and close-on-exec, and returns its handle. `family` is SOCKET2_INET,
 * SOCKET2_INET6 or SOCKET2_UNIX; `protocol` 0 is the default. SOCKET2_EFAMILY, SOCKET2_EPROTOCOL,
 * SOCKET2_EPERM (raw sockets need a privilege), SOCKET2_EMFILE, SOCKET2_ENFILE, SOCKET2_ENOHANDLE.
 * TCP sockets have TCP_NODELAY on.
 */
SOCKET2_API int socket2_tcp_new(int loop, int family, int protocol);
SOCKET2_API int socket2_udp_new(int loop, int family, int protocol);
SOCKET2_API int socket2_raw_new(int loop, int family, int protocol);

/*
 * Closes the socket. The handle is stale from now on, and the event SOCKET2_ECLOSED follows for
 * each pending operation.
 */
SOCKET2_API int socket2_socket_close(int loop, int handle);

/*
 * Ends the operation of `kind` (SOCKET2_READ or SOCKET2_WRITE) that is pending on the socket. Its
 * event follows, with SOCKET2_ECANCELED, or with its result when the system was faster. Does
 * nothing when none is pending. Also takes handles of channels and signals.
 */
SOCKET2_API int socket2_socket_cancel(int loop, int handle, int kind);

/*
 * Of the given `kind`, SOCKET2_READ or SOCKET2_WRITE: 0 when a read (accept) or a write would have
 * something to do; the end of the stream and errors count as that. It needs no buffer meanwhile. A
 * connect that is under way has its own event (SOCKET2_EBUSY).
 */
SOCKET2_API int socket2_socket_wait(int loop, int handle, int kind, double deadline);

/*
 * The pending operation of `kind`: SOCKET2_OP_..., or 0 when there is none. `since` (may be null)
 * gets the time of the loop's turn in which it began to wait. Also takes handles of channels:
 * SOCKET2_OP_RECV, SOCKET2_OP_SEND.
 */
SOCKET2_API int socket2_socket_pending(int loop, int handle, int kind, double* since);

/*
 * Gives the descriptor of a socket or other object to the caller, and returns it. The handle is
 * stale, and pending operations end with SOCKET2_ECLOSED, like in socket2_socket_close().
 */
SOCKET2_API int socket2_socket_detach(int loop, int handle);

/*
 * Takes over a descriptor of a TCP, UDP, raw or unix socket, makes it non-blocking and
 * close-on-exec, and returns a handle. After an error it stays the caller's (except for
 * SOCKET2_ENOHANDLE, which closes it). SOCKET2_EDESCRIPTOR, SOCKET2_ESOCKTYPE, SOCKET2_EFAMILY.
 */
SOCKET2_API int socket2_socket_attach(int loop, intptr_t fd);

/* The socket's SOCKET2_TCP ..., SOCKET2_INET ..., and IANA's protocol number. */
SOCKET2_API int socket2_socket_type(int loop, int handle);
SOCKET2_API int socket2_socket_family(int loop, int handle);
SOCKET2_API int socket2_socket_protocol(int loop, int handle);

/* The system's descriptor, which the socket keeps: for looking at, not for closing or reading. */
SOCKET2_API int socket2_socket_fd(int loop, int handle);

/*
 * Binds to a local address. A TCP socket that binds to a port which the program names gets
 * SO_REUSEADDR. SOCKET2_EADDRINUSE, SOCKET2_EADDRNOTAVAIL, SOCKET2_EACCES, SOCKET2_EFAMILY,
 * SOCKET2_EINVAL when it is bound already.
 */
SOCKET2_API int socket2_socket_bind(int loop, int handle, const socket2_addr* addr);

/*
 * Ends receiving, sending or both: `directions` of SOCKET2_SHUT_..., added up. What was sent still
 * goes out, and then the end of the stream. SOCKET2_ENOTCONN.
 */
SOCKET2_API int socket2_socket_shutdown(int loop, int handle, int directions);

/*
 * The address that the socket is bound to, or connected to (SOCKET2_ENOTCONN): 0, and *out filled.
 */
SOCKET2_API int socket2_socket_localaddr(int loop, int handle, socket2_addr* out);
SOCKET2_API int socket2_socket_remoteaddr(int loop, int handle, socket2_addr* out);

/*
 * The process at the other end of a connected unix socket, at the time when it connected or
 * listened: 0. Its number, or -1 when the system does not tell, goes to *pid, its effective user
 * and group to *uid and *gid. Each may be null. SOCKET2_ENOTCONN; SOCKET2_ENOTSUPPORTED for other
 * families, for sockets when the system does not keep it (datagrams), and on Windows. Since 0.2.
 */
SOCKET2_API int socket2_socket_peercred(int loop, int handle, int64_t* pid, int64_t* uid,
                                        int64_t* gid);

/* The kind of an option's value, SOCKET2_OPTION_...; SOCKET2_EOPTION if unknown. Any thread. */
SOCKET2_API int socket2_option_kind(const char* name);

/*
 * Options by name: "reuseaddr", "tcp_nodelay", "rcvbuf" ... (docs/socket.md has the list). A value of
 * the wrong kind is SOCKET2_EINVAL, an unknown name SOCKET2_EOPTION, one that the socket does not
 * have SOCKET2_ENOTSUPPORTED, one that needs a privilege SOCKET2_EPERM. The text form of get writes
 * at most `size` bytes with the zero and returns the length.
 */
SOCKET2_API int socket2_socket_setopt(int loop, int handle, const char* name, int value);
SOCKET2_API int socket2_socket_getopt(int loop, int handle, const char* name, int* value);
SOCKET2_API int socket2_socket_setopt_text(int loop, int handle, const char* name,
                                           const char* text);
SOCKET2_API int socket2_socket_getopt_text(int loop, int handle, const char* name, char* text,
                                           size_t size);

/* ---- TCP ---- */

/*
 * Starts listening: 0. `backlog`: how many connections may wait to be accepted, < 0: the system's
 * maximum. If the socket is not bound, the system picks a port. SOCKET2_EADDRINUSE; SOCKET2_EINVAL
 * for a connected socket, and for a unix socket that is not bound.
 */
SOCKET2_API int socket2_tcp_listen(int loop, int handle, int backlog);

/*
 * SOCKET2_READ: gives the handle of the next connection, with TCP_NODELAY on. `peer` (may be null)
 * gets its address. SOCKET2_ENOTLISTENING; SOCKET2_EMFILE or SOCKET2_ENFILE when no descriptor is
 * free: the listener stays usable, and its next accept waits 0.1 s before it tries again.
 */
SOCKET2_API int socket2_tcp_accept(int loop, int handle, socket2_addr* peer, double deadline);

/*
 * SOCKET2_WRITE: 0 when connected. SOCKET2_ECONNREFUSED, SOCKET2_ECONNTIMEDOUT,
 * SOCKET2_ENETUNREACH, SOCKET2_EHOSTUNREACH, SOCKET2_EFAMILY, SOCKET2_EISCONN, SOCKET2_ENOENT
 * (unix). After a failure it can be tried again on Linux. On Windows it cannot after its deadline
 * or a cancel, because the system may refuse another connect (SOCKET2_ENOTSUPPORTED), or go on with
 * the first (SOCKET2_EISCONN). On macOS and BSDs it never can (SOCKET2_EINVAL, or SOCKET2_EBUSY
 * while the first goes on).
 */
SOCKET2_API int socket2_tcp_connect(int loop, int handle, const socket2_addr* addr,
                                    double deadline);

/* ---- other descriptors ---- */

/*
 * Makes a handle for a descriptor that stays the caller's (on Windows a SOCKET): a pipe, a
 * terminal, a socket ... The handle is for socket2_stream_...() and socket2_socket_wait(),
 * _cancel(), _pending(), _fd(), _detach() and _close(); elsewhere it is SOCKET2_EBADHANDLE. The
 * descriptor's mode does not change, and the caller closes the handle first and the descriptor
 * after it. Regular files are always ready. If several handles on a loop, a socket's included, have
 * the same descriptor, the system reports its readiness to only one: the first that had to wait,
 * until that one is closed. An operation on another that cannot end at once is tried again every 10
 * ms, or is SOCKET2_EBUSY with SOCKET2_AT_ONCE, and a socket2_socket_wait() is SOCKET2_EBUSY. On
 * Windows several can wait. SOCKET2_EDESCRIPTOR when it is not a descriptor.
 */
SOCKET2_API int socket2_fd_new(int loop, intptr_t fd);

/*
 * The same for a descriptor that the library takes over: it becomes non-blocking and close-on-exec,
 * and is closed with the handle. After an error it stays the caller's (except for
 * SOCKET2_ENOHANDLE, which closes it).
 */
SOCKET2_API int socket2_fd_attach(int loop, intptr_t fd);

/*
 * The same for a path, which is opened for reading and writing, non-blocking and close-on-exec: a
 * serial line or another terminal (which does not become the controlling terminal of the process),
 * a FIFO, a file. SOCKET2_ENOENT, SOCKET2_EACCES, SOCKET2_ENODEV, SOCKET2_EMFILE, SOCKET2_ENFILE,
 * SOCKET2_EPATHTOOLONG, SOCKET2_EIO; SOCKET2_ESYSTEM for a directory.
 */
SOCKET2_API int socket2_fd_open(int loop, const char* path);

/* ---- streams: TCP and unix connections, and other descriptors ---- */

/* A piece of memory to send; `data` may be null when `size` is 0. */
typedef struct socket2_slice {
    const void* data;
    size_t size;
} socket2_slice;

/*
 * SOCKET2_WRITE: sends all `size` bytes and gives that number, or fails. The event's detail tells
 * how many were sent (none after an error that is returned at once). SOCKET2_EPIPE,
 * SOCKET2_ECONNRESET, SOCKET2_ENOTCONN.
 *
 * For a descriptor that is not a socket the errors are those of write(2): SOCKET2_EPIPE (nothing
 * reads the pipe), SOCKET2_EIO (a terminal without its other side), SOCKET2_EDESCRIPTOR (not open
 * for writing), SOCKET2_EINVAL (an eventfd wants 8 bytes). A descriptor in blocking mode does not
 * block the loop: the system is asked first whether it is ready, a pipe then takes PIPE_BUF bytes
 * at a time, and a send to anything but sockets, pipes and files is SOCKET2_ENOTSUPPORTED. A
 * program that shares the descriptor with other readers or writers has to make it non-blocking,
 * because they can be faster than the library after it has asked.
 */
SOCKET2_API int socket2_stream_send(int loop, int handle, const void* data, size_t size,
                                    double deadline);
/*
 * The same with `count` pieces (>= 0), which are sent in order like one piece; to a socket in one
 * system call for every 64 of them. While it is pending the array belongs to the library, too.
 * SOCKET2_EINVAL when the sizes add up to more than INT_MAX. Since 0.2.
 */
SOCKET2_API int socket2_stream_sendv(int loop, int handle, const socket2_slice* slices, int count,
                                     double deadline);
/*
 * SOCKET2_READ: gives the number of bytes that came, at most `size` (> 0); 0 at the end of the
 * stream. SOCKET2_ECONNRESET, SOCKET2_ENOTCONN. For a descriptor that is not a socket the errors
 * are those of read(2); blocking mode is handled like in a send.
 */
SOCKET2_API int socket2_stream_recv(int loop, int handle, void* data, size_t size, double deadline);

/*
 * Buffered reads, into memory that belongs to the library. SOCKET2_READ: gives the number of bytes,
 * which stay at socket2_stream_data() until the next read of any kind on the stream, its release, or
 * its close. While a read waits, it holds memory only for what has come. The deadline counts for all
 * that the read receives. A read that fails has consumed nothing: the next one continues where the
 * last successful one ended.
 *
 * SOCKET2_EENDOFSTREAM when the stream ends before all of it came; SOCKET2_ETOOLONG as soon as it
 * is certain that there are more than `max` bytes; otherwise the errors of socket2_stream_recv().
 * That function takes buffered bytes first, and socket2_socket_wait() counts them as readable.
 * Since 0.2.
 *
 * _read: `size` bytes (may be 0). _peek: the same, but the next read gets them again. _recvn: the
 * same as _read, but into the caller's memory; when it fails, some of the bytes may be there.
 * _readline: what is before LF or CRLF; that end follows the bytes. _readuntil: what is before the
 * delimiter of `delimiter_size` (> 0) bytes, which is removed, too; the delimiter belongs to the
 * library while the read is pending. _readall: all bytes until the end of the stream.
 */
SOCKET2_API int socket2_stream_read(int loop, int handle, size_t size, double deadline);
SOCKET2_API int socket2_stream_peek(int loop, int handle, size_t size, double deadline);
SOCKET2_API int socket2_stream_recvn(int loop, int handle, void* data, size_t size,
                                     double deadline);
SOCKET2_API int socket2_stream_readline(int loop, int handle, size_t max, double deadline);
SOCKET2_API int socket2_stream_readuntil(int loop, int handle, const void* delimiter,
                                         size_t delimiter_size, size_t max, double deadline);
SOCKET2_API int socket2_stream_readall(int loop, int handle, size_t max, double deadline);

/*
 * The bytes of the last buffered read: a pointer, not an int. Null when the read failed or is
 * pending, when there was none, or when the handle is bad. Must not be read beyond the size. Since
 * 0.2.
 */
SOCKET2_API const void* socket2_stream_data(int loop, int handle);

/* The result of a buffered read that was over at once. */
typedef struct socket2_read {
    const void* data; /* what socket2_stream_data() gives */
    int left;         /* the number of bytes that are still buffered */
    int received;     /* 0: all of it was in the buffer before */
} socket2_read;

/*
 * The result of the loop's last buffered read that has not returned SOCKET2_PENDING. The pointer stays the
 * same for as long as the loop lives, which saves a call where there are many short reads. Null for a bad
 * loop. Since 0.2.
 */
SOCKET2_API const socket2_read* socket2_loop_last_read(int loop);

/*
 * Gives the memory of the last buffered read's bytes back to the library, unless other bytes of the stream are
 * in it: 0. Since 0.2.
 */
SOCKET2_API int socket2_stream_release(int loop, int handle);

/*
 * Undoes the last buffered read, for a caller that has no memory for its bytes: 0, and the next read gets them
 * again, unless they were released or read by socket2_stream_recvn(). SOCKET2_EBUSY during a read. Since 0.2.
 */
SOCKET2_API int socket2_stream_undo(int loop, int handle);

/* How many bytes of the stream were received but not read. Since 0.2. */
SOCKET2_API int socket2_stream_buffered(int loop, int handle);

/*
 * Puts bytes before those that will be read next: 0. They are copied. For a stream that was read
 * elsewhere before. SOCKET2_EBUSY during a read. Since 0.2.
 */
SOCKET2_API int socket2_stream_unread(int loop, int handle, const void* data, size_t size);

/* ---- UDP and raw sockets ---- */

/*
 * Sets the default destination, and ignores all other senders; null undoes it. 0 at once, never
 * pending. SOCKET2_EFAMILY, SOCKET2_ENETUNREACH, SOCKET2_EACCES (a broadcast without the option),
 * SOCKET2_ECONNREFUSED, SOCKET2_ENOENT (unix).
 */
SOCKET2_API int socket2_udp_connect(int loop, int handle, const socket2_addr* addr);

/*
 * SOCKET2_WRITE: sends one datagram as a whole (it may be empty), and gives its size. `to` null: to
 * the connected address (if there is none, SOCKET2_EDESTADDRREQ; unix: SOCKET2_ENOTCONN).
 * SOCKET2_EMSGSIZE, SOCKET2_EACCES (a broadcast without the option), SOCKET2_ECONNREFUSED (for an
 * earlier datagram, on connected sockets).
 */
SOCKET2_API int socket2_udp_send(int loop, int handle, const void* data, size_t size,
                                 const socket2_addr* to, double deadline);

/*
 * SOCKET2_READ: receives one datagram, and gives the number of bytes copied. What did not fit in
 * `size` is lost, and the event's detail says so. For a datagram that was received at once
 * socket2_udp_truncated() says so (1, or 0), until the next recv on the socket. A result below
 * `size` means a whole datagram, so a program need not ask then. `only` (may be null): datagrams
 * from other senders are dropped. `from` (may be null) gets the sender. It can be the memory of
 * `only`, and its content is undefined after an error. Raw inet sockets deliver the IP header, too.
 */
SOCKET2_API int socket2_udp_recv(int loop, int handle, void* data, size_t size,
                                 const socket2_addr* only, socket2_addr* from, double deadline);
SOCKET2_API int socket2_udp_truncated(int loop, int handle);

/*
 * Joins or leaves a multicast group. `ifname`: the interface's name, its index as text, or one of
 * its IPv4 addresses; null: the system's choice. SOCKET2_ENODEV; SOCKET2_EINVAL when `group` is not
 * a group; SOCKET2_EADDRINUSE when it was joined before, SOCKET2_EADDRNOTAVAIL when it was not.
 */
SOCKET2_API int socket2_udp_join(int loop, int handle, const socket2_addr* group,
                                 const char* ifname);
SOCKET2_API int socket2_udp_leave(int loop, int handle, const socket2_addr* group,
                                  const char* ifname);

/* ---- channels: messages between loops of the process, on any threads ---- */

/*
 * Makes a channel, and returns a handle on it for this loop. At most `capacity` (>= 0) messages
 * wait in it; with 0 each send waits for its receiver. SOCKET2_ENOHANDLE.
 *
 * Messages come in the order in which they were accepted, each to one receiver. Waiting senders and
 * receivers are served first come, first served. Handles are independent of each other, even on the
 * same loop.
 */
SOCKET2_API int socket2_channel_new(int loop, int capacity);

/*
 * The channel's number in the process: positive, the same for all its handles, and valid as long as
 * a handle, a thread or a message has the channel.
 */
SOCKET2_API int socket2_channel_id(int loop, int handle);

/*
 * Makes a new handle on the channel with that number, which may have come from another thread.
 * SOCKET2_EBADHANDLE when the channel is gone.
 */
SOCKET2_API int socket2_channel_open(int loop, int id);

/*
 * Closes the handle, which is stale from now on; the channel's other handles go on. SOCKET2_ECLOSED
 * follows for each pending operation, and nothing was sent or received. (A message that had come
 * for a recv goes back to its place in the channel if the event was not given yet. A send that was
 * accepted before still gets its 0.) socket2_loop_close() does this, too. With the last reference
 * the channel is freed, along with the messages in it, and their descriptors are closed.
 */
SOCKET2_API int socket2_channel_close(int loop, int handle);

/*
 * Ends the channel for all handles: sends, including waiting ones, get SOCKET2_ECLOSED from now on.
 * Messages in it can still be received; after that recv gives SOCKET2_ECLOSED. Another shutdown
 * does nothing.
 */
SOCKET2_API int socket2_channel_shutdown(int loop, int handle);

/*
 * From now on closing this handle, also by socket2_loop_close(), shuts the channel down, so that
 * its users learn of the end.
 */
SOCKET2_API int socket2_channel_own(int loop, int handle);

/* How many messages wait in the channel, without those of waiting senders. */
SOCKET2_API int socket2_channel_length(int loop, int handle);

/*
 * SOCKET2_WRITE: sends a message: `size` bytes (may be 0), references to the channels of
 * `channel_count` handles of this loop, and `fd_count` descriptors, for example from
 * socket2_socket_detach(). All is copied at once. 0 when the message is in the channel, or, with
 * capacity 0, when it was handed to a receiver. After an error at once the caller still owns the
 * descriptors; otherwise the message owns them from now on. If the event brings an error,
 * socket2_channel_unsent() gives them back.
 *
 * SOCKET2_ECLOSED after a shutdown; SOCKET2_EBADHANDLE also for a handle in `channels`;
 * SOCKET2_EDESCRIPTOR; SOCKET2_EINVAL when a descriptor is there twice. SOCKET2_AT_ONCE:
 * SOCKET2_ETIMEOUT when there is no room (with capacity 0: no waiting receiver).
 *
 * Channels that are in each other's messages are never freed when no handle on any of them is left.
 * A channel in a message in itself is freed.
 */
SOCKET2_API int socket2_channel_send(int loop, int handle, const void* data, size_t size,
                                     const int* channels, int channel_count, const intptr_t* fds,
                                     int fd_count, double deadline);

/*
 * After an event that reported that a message was not sent: the descriptor at that index (from 0)
 * of the message, which the caller owns again. SOCKET2_EINVAL when there is no such descriptor, or
 * it was taken already. Descriptors that were not taken are closed with the handle's next send or
 * its close.
 */
SOCKET2_API int socket2_channel_unsent(int loop, int handle, int index);

/*
 * SOCKET2_READ: takes the oldest message, and gives its size in bytes. The handle keeps the message
 * until its close or its next recv (but not one that is SOCKET2_EBUSY or SOCKET2_EINVAL).
 * SOCKET2_ECLOSED after a shutdown, when the channel is empty. SOCKET2_AT_ONCE: SOCKET2_ETIMEOUT
 * when there is none; a message that comes later does not make socket2_poll() return.
 *
 * A message that came before a deadline or a cancel was noticed is never lost: the event then has
 * its size, not the error. The same holds for a send.
 */
SOCKET2_API int socket2_channel_recv(int loop, int handle, double deadline);

/*
 * The bytes of the handle's message: a pointer, not an int. Null when there is none (no recv yet,
 * or the last one failed or is pending) or the handle is bad. Must not be read beyond the size;
 * valid until the handle's next recv or close.
 */
SOCKET2_API const void* socket2_message_data(int loop, int handle);

/*
 * Makes a new handle of this loop on the channel at that index (from 0) of the message; each call
 * makes another one. SOCKET2_EINVAL when there is no such channel.
 */
SOCKET2_API int socket2_message_channel(int loop, int handle, int index);

/*
 * The descriptor at that index (from 0) of the message, which the caller owns from now on.
 * SOCKET2_EINVAL when there is no such descriptor, or it was taken already. Descriptors that were
 * not taken are closed with the message.
 */
SOCKET2_API int socket2_message_fd(int loop, int handle, int index);

/*
 * The same, but as a socket of this loop: attaches the descriptor like socket2_socket_attach(), and
 * returns a handle. After an error the caller has nothing to close: the descriptor is closed, with
 * the message at the latest.
 */
SOCKET2_API int socket2_message_socket(int loop, int handle, int index);

/* Frees the handle's message before the next recv would. */
SOCKET2_API int socket2_message_close(int loop, int handle);

/* ---- OS threads, each with a Lua state ---- */

/*
 * The functions of Lua's C API (5.1) that OS threads need. The program gives them, because this
 * library does not contain Lua. They have the types of Lua's manual, but lua_State is void here.
 */
typedef struct socket2_lua {
    void* (*newstate)(void);       /* luaL_newstate */
    void (*openlibs)(void* state); /* luaL_openlibs */
    /* luaL_loadbuffer */
    int (*loadbuffer)(void* state, const char* code, size_t size, const char* name);
    void (*pushnumber)(void* state, double number);                     /* lua_pushnumber */
    int (*pcall)(void* state, int arguments, int results, int handler); /* lua_pcall */
    int (*cpcall)(void* state, int (*function)(void*), void* data);     /* lua_cpcall */
    const char* (*tolstring)(void* state, int index, size_t* size);     /* lua_tolstring */
    void (*close)(void* state);                                         /* lua_close */
} socket2_lua;

/*
 * Starts a thread that makes a Lua state with the standard libraries, runs `code` (`size` bytes,
 * source or bytecode) in it, and closes the state. The code has one argument, the number of the
 * channel that `channel` is a handle on. Then the thread shuts the channel down. If the code ended
 * with an error, was not valid, or the state could not be made, a message goes to the channel
 * before that, whatever the channel's capacity: a zero byte, and then the text of the error. The
 * thread keeps a reference to the channel.
 *
 * `name` is the thread's name, cut to what the system takes (Linux: 15 bytes), and the code's name
 * in messages. The functions, code and name are copied. The thread is never joined; it takes no
 * signals, and ends with the process. Returns 0. SOCKET2_ENOMEM or SOCKET2_ENOBUFS when the system
 * has no thread to give: then the channel is unchanged. SOCKET2_EINVAL when a function is null.
 */
SOCKET2_API int socket2_thread_new(int loop, const socket2_lua* lua, const char* code, size_t size,
                                   const char* name, int channel);

/*
 * How many processors the calling thread, and threads that it starts, may run on: at least 1. Any
 * thread.
 */
SOCKET2_API int socket2_thread_cpus(void);

/*
 * Names the calling thread, for the system's tools; the name is cut to what the system takes. On
 * Linux the first thread's name is also the name of the process. Any thread.
 */
SOCKET2_API int socket2_thread_setname(const char* name);

/*
 * The calling thread's name. `text`, `size` and the result are like those of socket2_addr_ip(). Any
 * thread.
 */
SOCKET2_API int socket2_thread_name(char* text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
