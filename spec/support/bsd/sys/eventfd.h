/* For the C tests: a datagram socket that sends to itself. */
#ifndef SOCKET2_SPEC_EVENTFD_H
#define SOCKET2_SPEC_EVENTFD_H

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

enum { EFD_CLOEXEC = 0, EFD_NONBLOCK = 1 };
typedef uint64_t eventfd_t;

static inline int eventfd_write(int fd, eventfd_t value) {
    struct pollfd entry = {fd, POLLIN, 0};
    /* Delivery may take a moment. */
    return send(fd, &value, sizeof value, 0) == sizeof value && poll(&entry, 1, 1000) == 1 ? 0 : -1;
}
static inline int eventfd_read(int fd, eventfd_t* value) {
    return recv(fd, value, sizeof *value, 0) == sizeof *value ? 0 : -1;
}

static inline int eventfd(unsigned value, int flags) {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t size = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr*)&addr, size) != 0 ||
        getsockname(fd, (struct sockaddr*)&addr, &size) != 0 ||
        connect(fd, (struct sockaddr*)&addr, size) != 0 ||
        (value > 0 && eventfd_write(fd, value) != 0)) {
        return -1;
    }
    if (flags & EFD_NONBLOCK) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

#endif
