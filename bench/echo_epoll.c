// The echo server that socket2 is compared with: epoll, edge-triggered, one thread.
// usage: echo_epoll [message-bytes]

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <unistd.h>

#include "epoll_server.h"

enum { BATCH = 64, MAX_BYTES = 1 << 20 };

struct conn {
    int fd;
    bool hangup;       // the peer has shut down: read to the end, because no new edge will come
    size_t sent, len;  // buf[sent..len) is read and not yet written back
    char buf[];
};

static size_t buf_size;

static void accept_all(int ep, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR || errno == ECONNABORTED) continue;
            die("accept4");
        }
        int on = 1;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) die("TCP_NODELAY");
        struct conn* c = malloc(sizeof *c + buf_size);
        if (!c) die("malloc");
        c->fd = fd;
        c->hangup = false;
        c->sent = c->len = 0;
        struct epoll_event ev = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
            .data.ptr = c,
        };
        if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0) die("epoll_ctl");
    }
}

// Returns true once everything that was read is written back, false when the socket is full.
// *failed is set on an error.
static bool flush(struct conn* c, bool* failed) {
    while (c->sent < c->len) {
        ssize_t n = send(c->fd, c->buf + c->sent, c->len - c->sent, MSG_NOSIGNAL);
        if (n >= 0) {
            c->sent += (size_t)n;
        } else if (errno != EINTR) {
            *failed = errno != EAGAIN;
            return false;
        }
    }
    return true;
}

// Echoes until the socket has nothing more to read or accepts no more. Returns false when the
// connection is over.
static bool serve(struct conn* c) {
    for (;;) {
        bool failed = false;
        if (!flush(c, &failed)) return !failed;
        ssize_t n = recv(c->fd, c->buf, buf_size, 0);
        if (n == 0) return false;
        if (n < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN;
        }
        c->sent = 0;
        c->len = (size_t)n;
        if (!flush(c, &failed)) return !failed;
        // A short read emptied the socket, so whatever comes next makes a new edge.
        if (c->len < buf_size && !c->hangup) return true;
    }
}

int main(int argc, char** argv) {
    // The spare byte makes the read of a whole message a short one. After a read that fills the buffer
    // another one would be needed, which fails with EAGAIN.
    buf_size = message_bytes(argc, argv, MAX_BYTES) + 1;

    int listener = bound_socket(SOCK_STREAM);
    if (listen(listener, SOMAXCONN) < 0) die("listen");
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    int ep = start_epoll(listener, ev);

    struct epoll_event events[BATCH];
    for (;;) {
        int n = epoll_wait(ep, events, BATCH, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct conn* c = events[i].data.ptr;
            if (!c) {
                accept_all(ep, listener);
                continue;
            }
            if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) c->hangup = true;
            // An edge of EPOLLOUT alone matters only to a connection that has bytes to write.
            if (events[i].events == EPOLLOUT && c->sent == c->len) continue;
            if (!serve(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
