// What the servers that socket2 is compared with have in common.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { DEFAULT_BYTES = 64 };

static void die(const char* what) {
    perror(what);
    exit(1);
}

// The only argument, if it is given: the length of a message, at most `max`.
static size_t message_bytes(int argc, char** argv, long max) {
    long bytes = argc > 1 ? strtol(argv[1], NULL, 10) : DEFAULT_BYTES;
    if (argc > 2 || bytes < 1 || bytes > max) {
        fprintf(stderr, "usage: %s [message-bytes]\n", argv[0]);
        exit(2);
    }
    return (size_t)bytes;
}

// A non-blocking socket on any free port of loopback.
static int bound_socket(int type) {
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (bind(fd, (struct sockaddr*)&addr, sizeof addr) < 0) die("bind");
    return fd;
}

// An epoll that watches the server's socket. Prints the port for the driver.
static int start_epoll(int fd, struct epoll_event ev) {
    struct sockaddr_in addr;
    socklen_t addr_len = sizeof addr;
    if (getsockname(fd, (struct sockaddr*)&addr, &addr_len) < 0) die("getsockname");
    int ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0) die("epoll_create1");
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0) die("epoll_ctl");
    printf("port %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    return ep;
}
