/* POSIX descriptors for the C tests. All of them are sockets: a pipe is a connection over the
 * loopback, an eventfd a datagram socket that sends to itself. */
#ifndef SOCKET2_SPEC_WINDOWS_DESCRIPTORS_H
#define SOCKET2_SPEC_WINDOWS_DESCRIPTORS_H

#include <errno.h>
#include <io.h>
#include <stdint.h>
#include <unistd.h>
#include <winsock2.h>
#include <ws2tcpip.h>

enum {
    F_GETFL,
    F_SETFL,
    F_GETFD,
    O_NONBLOCK = 0x10000,
    FD_CLOEXEC = 2,
    O_CLOEXEC = 0,
    SOCK_NONBLOCK = O_NONBLOCK,
    EFD_CLOEXEC = 0,
    EFD_NONBLOCK = 0x20000
};
typedef uint64_t eventfd_t;

struct test_pollfd {
    int fd;
    short events, revents;
};

static inline void start_sockets(void) {
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
}

static inline int descriptor_is_open(int fd) {
    int type;
    int size = sizeof type;
    return getsockopt((SOCKET)fd, SOL_SOCKET, SO_TYPE, (char*)&type, &size) == 0;
}

/* How many sockets the process has open; Wine does not count handles. */
static inline int count_fds(void) {
    enum { MOST = 1 << 16, STEP = 4 }; /* handles are multiples of it */
    int n = 0;
    for (int fd = 0; fd < MOST; fd += STEP) {
        DWORD flags;
        if (GetHandleInformation((HANDLE)(intptr_t)fd, &flags) != 0) n += descriptor_is_open(fd);
    }
    return n;
}

static inline int test_fcntl(int fd, int what, ...) {
    DWORD flags = 0;
    if (!descriptor_is_open(fd)) return -1;
    if (what != F_GETFD) return O_NONBLOCK; /* the system does not tell */
    GetHandleInformation((HANDLE)(intptr_t)fd, &flags);
    return flags & HANDLE_FLAG_INHERIT ? 0 : FD_CLOEXEC;
}

static inline void set_mode(int fd, int flags) {
    u_long on = (flags & (O_NONBLOCK | EFD_NONBLOCK)) != 0;
    ioctlsocket((SOCKET)fd, (long)FIONBIO, &on);
}

static inline void set_nonblocking(int fd) { set_mode(fd, O_NONBLOCK); }

static inline int new_descriptor(int type) {
    start_sockets();
    return (int)WSASocketW(AF_INET, type, 0, NULL, 0,
                           WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
}

/* Binds to a port of the loopback that the system picks, and returns the address. */
static inline struct sockaddr_in bind_to_loopback(int fd) {
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int size = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind((SOCKET)fd, (struct sockaddr*)&addr, sizeof addr);
    getsockname((SOCKET)fd, (struct sockaddr*)&addr, &size);
    return addr;
}

static inline int connected_pair(int fds[2], int flags) {
    const int listener = new_descriptor(SOCK_STREAM);
    const struct sockaddr_in addr = bind_to_loopback(listener);
    listen((SOCKET)listener, 1);
    fds[1] = new_descriptor(SOCK_STREAM);
    const int failed = connect((SOCKET)fds[1], (const struct sockaddr*)&addr, sizeof addr);
    fds[0] = (int)accept((SOCKET)listener, NULL, NULL);
    closesocket((SOCKET)listener);
    for (int i = 0; i < 2; ++i) {
        SetHandleInformation((HANDLE)(intptr_t)fds[i], HANDLE_FLAG_INHERIT, 0);
        set_mode(fds[i], flags);
    }
    return failed;
}

static inline int pipe2(int fds[2], int flags) { return connected_pair(fds, flags); }
static inline int test_pipe(int fds[2]) { return connected_pair(fds, 0); }
static inline int socketpair(int family, int type, int protocol, int fds[2]) {
    (void)family, (void)protocol;
    return connected_pair(fds, type);
}

static inline int eventfd(unsigned value, int flags) {
    const int fd = new_descriptor(SOCK_DGRAM);
    const struct sockaddr_in addr = bind_to_loopback(fd);
    const eventfd_t first = value;
    connect((SOCKET)fd, (const struct sockaddr*)&addr, sizeof addr);
    set_mode(fd, flags);
    if (value > 0) send((SOCKET)fd, (const char*)&first, sizeof first, 0);
    return fd;
}
static inline int eventfd_write(int fd, eventfd_t value) {
    return send((SOCKET)fd, (const char*)&value, sizeof value, 0) == sizeof value ? 0 : -1;
}
static inline int eventfd_read(int fd, eventfd_t* value) {
    return recv((SOCKET)fd, (char*)value, sizeof *value, 0) == sizeof *value ? 0 : -1;
}

static inline int test_dup(int fd) {
    WSAPROTOCOL_INFOW info;
    if (WSADuplicateSocketW((SOCKET)fd, GetCurrentProcessId(), &info) != 0) return -1;
    return (int)WSASocketW(info.iAddressFamily, info.iSocketType, info.iProtocol, &info, 0,
                           WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
}

/* Data that a pending read has taken does not show. */
static inline int test_poll(struct test_pollfd* entry, int count, int ms) {
    WSAPOLLFD one = {(SOCKET)entry->fd, entry->events, 0};
    const int n = WSAPoll(&one, 1, ms < 100 ? ms : 100);
    return n == 0 && ms > 100 ? count : n;
}

#define fcntl test_fcntl
#define pipe(fds) test_pipe(fds)
#define dup(fd) test_dup(fd)
#define open(path, flags) new_descriptor(SOCK_DGRAM)
#define close(fd) closesocket((SOCKET)(fd))
#define read(fd, data, size) recv((SOCKET)(fd), (char*)(data), (int)(size), 0)
#define write(fd, data, size) send((SOCKET)(fd), (const char*)(data), (int)(size), 0)
#define recv(fd, data, size, flags) recv((SOCKET)(fd), (char*)(data), (int)(size), flags)
#define send(fd, data, size, flags) send((SOCKET)(fd), (const char*)(data), (int)(size), flags)
#define socket(family, type, protocol) (int)socket(family, type, protocol)
#define pollfd test_pollfd
#define poll test_poll
#undef POLLIN
#undef POLLOUT
#define POLLIN POLLRDNORM
#define POLLOUT POLLWRNORM

/* The numbers of socket errors here. */
#undef EBADF
#undef ECONNREFUSED
#undef ENOTCONN
#define EBADF WSAENOTSOCK
#define ECONNREFUSED WSAECONNREFUSED
#define ENOTCONN WSAENOTCONN

#endif
