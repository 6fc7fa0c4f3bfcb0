// The UDP echo server that socket2 is compared with: epoll, edge-triggered, one socket.
// usage: udp_echo_epoll [message-bytes]

#define _GNU_SOURCE
#include <errno.h>

#include "epoll_server.h"

enum { MAX_BYTES = 1 << 16 };

static char buf[MAX_BYTES];
static size_t buf_size;

// Echoes until there is nothing more. MSG_TRUNC reveals datagrams that are longer than the buffer.
static void serve(int fd) {
    for (;;) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(fd, buf, buf_size, MSG_TRUNC, (struct sockaddr*)&from, &from_len);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return;
            die("recvfrom");
        }
        if ((size_t)n > buf_size) n = (ssize_t)buf_size;
        while (sendto(fd, buf, (size_t)n, MSG_NOSIGNAL, (struct sockaddr*)&from, from_len) < 0)
            if (errno != EINTR) die("sendto");
    }
}

int main(int argc, char** argv) {
    buf_size = message_bytes(argc, argv, MAX_BYTES - 1) + 1;
    int fd = bound_socket(SOCK_DGRAM);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    int ep = start_epoll(fd, ev);
    for (;;) {
        if (epoll_wait(ep, &ev, 1, -1) < 0 && errno != EINTR) die("epoll_wait");
        serve(fd);
    }
}
