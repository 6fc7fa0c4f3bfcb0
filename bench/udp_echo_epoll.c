// The UDP echo server socket2 is compared with: epoll, edge-triggered, one socket.
// usage: udp_echo_epoll [message-bytes]

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { DEFAULT_BYTES = 64, MAX_BYTES = 1 << 16 };

static char buf[MAX_BYTES];
static size_t buf_size;

static void die(const char* what) {
    perror(what);
    exit(1);
}

// Echoes until there is nothing more. MSG_TRUNC tells of datagrams that are longer than the buffer.
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
    long bytes = argc > 1 ? strtol(argv[1], NULL, 10) : DEFAULT_BYTES;
    if (argc > 2 || bytes < 1 || bytes >= MAX_BYTES) {
        fprintf(stderr, "usage: %s [message-bytes]\n", argv[0]);
        return 2;
    }
    buf_size = (size_t)bytes + 1;

    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t addr_len = sizeof addr;
    if (bind(fd, (struct sockaddr*)&addr, sizeof addr) < 0) die("bind");
    if (getsockname(fd, (struct sockaddr*)&addr, &addr_len) < 0) die("getsockname");

    int ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0) die("epoll_create1");
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0) die("epoll_ctl");

    printf("port %d\n", ntohs(addr.sin_port));
    fflush(stdout);

    for (;;) {
        if (epoll_wait(ep, &ev, 1, -1) < 0 && errno != EINTR) die("epoll_wait");
        serve(fd);
    }
}
