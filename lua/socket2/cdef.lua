-- Generated from capi/socket2.h by tools/cdef.lua.
return [[
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
enum { SOCKET2_READ = 1, SOCKET2_WRITE = 2, SOCKET2_TIMER = 3, SOCKET2_LOOKUP = 4 };
enum {
    SOCKET2_OP_RECV = 1,
    SOCKET2_OP_ACCEPT = 2,
    SOCKET2_OP_SEND = 3,
    SOCKET2_OP_CONNECT = 4,
    SOCKET2_OP_WAIT = 5
};
enum {
    SOCKET2_SIGINT = 1,
    SOCKET2_SIGBREAK = 2,
    SOCKET2_SIGTERM = 4,
    SOCKET2_SIGHUP = 8,
    SOCKET2_SIGQUIT = 16,
    SOCKET2_SIGUSR1 = 32,
    SOCKET2_SIGUSR2 = 64,
    SOCKET2_SIGCHLD = 128,
    SOCKET2_SIGWINCH = 256,
    SOCKET2_SIGCONT = 512,
    SOCKET2_SIGTSTP = 1024,
    SOCKET2_SIGTTIN = 2048,
    SOCKET2_SIGTTOU = 4096,
    SOCKET2_SIGALRM = 8192,
    SOCKET2_SIGPIPE = 16384,
    SOCKET2_SIGURG = 32768,
    SOCKET2_SIGIO = 65536,
    SOCKET2_SIGXCPU = 131072,
    SOCKET2_SIGXFSZ = 262144
};
enum { SOCKET2_TCP = 1, SOCKET2_UDP = 2, SOCKET2_RAW = 3 };
enum { SOCKET2_UNSPECIFIED = 0, SOCKET2_INET = 1, SOCKET2_INET6 = 2, SOCKET2_UNIX = 3 };
enum {
    SOCKET2_PASSIVE = 1,
    SOCKET2_CANONNAME = 2,
    SOCKET2_NUMERICHOST = 4,
    SOCKET2_NUMERICSERV = 8,
    SOCKET2_ALL = 16,
    SOCKET2_V4MAPPED = 32,
    SOCKET2_ADDRCONFIG = 64,
    SOCKET2_REVERSE = 128
};
enum { SOCKET2_SHUT_READ = 1, SOCKET2_SHUT_WRITE = 2 };
enum {
    SOCKET2_OPTION_BOOLEAN = 1,
    SOCKET2_OPTION_INTEGER = 2,
    SOCKET2_OPTION_LINGER = 3,
    SOCKET2_OPTION_TEXT = 4,
    SOCKET2_OPTION_INTERFACE = 5,
    SOCKET2_OPTION_ERROR = 6
};
typedef struct socket2_event {
    int32_t handle;
    int32_t kind;
    int32_t result;
    int32_t detail;
} socket2_event;
typedef struct socket2_addr {
    uint64_t content[16];
} socket2_addr;
const char* socket2_version(void);
const char* socket2_features(void);
int socket2_abi_version(void);
const char* socket2_error_name(int code);
const char* socket2_error_message(int code);
double socket2_clock(void);
double socket2_time(void);
int socket2_ignore_sigpipe(void);
int socket2_descriptor_limit(void);
int socket2_descriptor_close(intptr_t fd);
int socket2_loop_new(void);
int socket2_loop_close(int loop);
int socket2_poll(int loop, socket2_event* events, int max, double deadline);
int socket2_wake(int loop);
int socket2_os_error(int loop);
int socket2_socket_os_error(int loop, int handle, int kind);
int socket2_loop_epoll_fd(int loop);
int socket2_loop_set_epoll_fd(int loop, int epoll_fd);
int socket2_loop_iocp(int loop, intptr_t* port);
int socket2_loop_set_iocp(int loop, intptr_t port);
int socket2_timer_new(int loop, double deadline);
int socket2_timer_close(int loop, int handle);
int socket2_signal_new(int loop, int signals);
int socket2_signal_wait(int loop, int handle, double deadline);
int socket2_signal_close(int loop, int handle);
int socket2_addr_parse(const char* host, const char* service, int type, int family,
                                   int protocol, int flags, socket2_addr* out);
int socket2_addr_unix(const char* name, size_t size, int type, int protocol,
                                  socket2_addr* out);
int socket2_addr_lookup(const char* host, const char* service, int type, int family,
                                    int protocol, int flags, socket2_addr* out, int max, char* name,
                                    size_t name_size);
int socket2_hostname(char* text, size_t size);
int socket2_addr_type(const socket2_addr* addr);
int socket2_addr_family(const socket2_addr* addr);
int socket2_addr_protocol(const socket2_addr* addr);
int socket2_addr_port(const socket2_addr* addr);
int socket2_addr_ip(const socket2_addr* addr, char* text, size_t size);
int socket2_addr_format(const socket2_addr* addr, char* text, size_t size);
int socket2_lookup_new(int loop, const char* host, const char* service, int type,
                                   int family, int protocol, int flags, double deadline);
int socket2_lookup_cancel(int loop, int handle);
int socket2_lookup_result(int loop, int handle, socket2_addr* out, int max, char* name,
                                      size_t name_size);
int socket2_lookup_close(int loop, int handle);
int socket2_lookup_cache(double seconds);
int socket2_tcp_new(int loop, int family, int protocol);
int socket2_udp_new(int loop, int family, int protocol);
int socket2_raw_new(int loop, int family, int protocol);
int socket2_socket_close(int loop, int handle);
int socket2_socket_cancel(int loop, int handle, int kind);
int socket2_socket_wait(int loop, int handle, int kind, double deadline);
int socket2_socket_pending(int loop, int handle, int kind, double* since);
int socket2_socket_detach(int loop, int handle);
int socket2_socket_attach(int loop, intptr_t fd);
int socket2_socket_type(int loop, int handle);
int socket2_socket_family(int loop, int handle);
int socket2_socket_protocol(int loop, int handle);
int socket2_socket_fd(int loop, int handle);
int socket2_socket_bind(int loop, int handle, const socket2_addr* addr);
int socket2_socket_shutdown(int loop, int handle, int directions);
int socket2_socket_localaddr(int loop, int handle, socket2_addr* out);
int socket2_socket_remoteaddr(int loop, int handle, socket2_addr* out);
int socket2_socket_peercred(int loop, int handle, int64_t* pid, int64_t* uid,
                                        int64_t* gid);
int socket2_option_kind(const char* name);
int socket2_socket_setopt(int loop, int handle, const char* name, int value);
int socket2_socket_getopt(int loop, int handle, const char* name, int* value);
int socket2_socket_setopt_text(int loop, int handle, const char* name,
                                           const char* text);
int socket2_socket_getopt_text(int loop, int handle, const char* name, char* text,
                                           size_t size);
int socket2_tcp_listen(int loop, int handle, int backlog);
int socket2_tcp_accept(int loop, int handle, socket2_addr* peer, double deadline);
int socket2_tcp_connect(int loop, int handle, const socket2_addr* addr,
                                    double deadline);
int socket2_fd_new(int loop, intptr_t fd);
int socket2_fd_attach(int loop, intptr_t fd);
int socket2_fd_open(int loop, const char* path);
typedef struct socket2_slice {
    const void* data;
    size_t size;
} socket2_slice;
int socket2_stream_send(int loop, int handle, const void* data, size_t size,
                                    double deadline);
int socket2_stream_sendv(int loop, int handle, const socket2_slice* slices, int count,
                                     double deadline);
int socket2_stream_recv(int loop, int handle, void* data, size_t size, double deadline);
int socket2_stream_read(int loop, int handle, size_t size, double deadline);
int socket2_stream_peek(int loop, int handle, size_t size, double deadline);
int socket2_stream_recvn(int loop, int handle, void* data, size_t size,
                                     double deadline);
int socket2_stream_readline(int loop, int handle, size_t max, double deadline);
int socket2_stream_readuntil(int loop, int handle, const void* delimiter,
                                         size_t delimiter_size, size_t max, double deadline);
int socket2_stream_readall(int loop, int handle, size_t max, double deadline);
const void* socket2_stream_data(int loop, int handle);
typedef struct socket2_read {
    const void* data;
    int left;
    int received;
} socket2_read;
const socket2_read* socket2_loop_last_read(int loop);
int socket2_stream_release(int loop, int handle);
int socket2_stream_undo(int loop, int handle);
int socket2_stream_buffered(int loop, int handle);
int socket2_stream_unread(int loop, int handle, const void* data, size_t size);
int socket2_udp_connect(int loop, int handle, const socket2_addr* addr);
int socket2_udp_send(int loop, int handle, const void* data, size_t size,
                                 const socket2_addr* to, double deadline);
int socket2_udp_recv(int loop, int handle, void* data, size_t size,
                                 const socket2_addr* only, socket2_addr* from, double deadline);
int socket2_udp_truncated(int loop, int handle);
int socket2_udp_join(int loop, int handle, const socket2_addr* group,
                                 const char* ifname);
int socket2_udp_leave(int loop, int handle, const socket2_addr* group,
                                  const char* ifname);
int socket2_channel_new(int loop, int capacity);
int socket2_channel_id(int loop, int handle);
int socket2_channel_open(int loop, int id);
int socket2_channel_close(int loop, int handle);
int socket2_channel_shutdown(int loop, int handle);
int socket2_channel_own(int loop, int handle);
int socket2_channel_length(int loop, int handle);
int socket2_channel_send(int loop, int handle, const void* data, size_t size,
                                     const int* channels, int channel_count, const intptr_t* fds,
                                     int fd_count, double deadline);
int socket2_channel_unsent(int loop, int handle, int index);
int socket2_channel_recv(int loop, int handle, double deadline);
const void* socket2_message_data(int loop, int handle);
int socket2_message_channel(int loop, int handle, int index);
int socket2_message_fd(int loop, int handle, int index);
int socket2_message_socket(int loop, int handle, int index);
int socket2_message_close(int loop, int handle);
typedef struct socket2_lua {
    void* (*newstate)(void);
    void (*openlibs)(void* state);
    int (*loadbuffer)(void* state, const char* code, size_t size, const char* name);
    void (*pushnumber)(void* state, double number);
    int (*pcall)(void* state, int arguments, int results, int handler);
    int (*cpcall)(void* state, int (*function)(void*), void* data);
    const char* (*tolstring)(void* state, int index, size_t* size);
    void (*close)(void* state);
} socket2_lua;
int socket2_thread_new(int loop, const socket2_lua* lua, const char* code, size_t size,
                                   const char* name, int channel);
int socket2_thread_cpus(void);
int socket2_thread_setname(const char* name);
int socket2_thread_name(char* text, size_t size);
]]
