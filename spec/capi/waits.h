/* What the C tests of waits and cancels share. */
#ifndef SOCKET2_SPEC_WAITS_H
#define SOCKET2_SPEC_WAITS_H

#include <poll.h>

#include "spec/capi/sockets.h"

/* Waits until the system reports one of the events on the descriptor, because even a loopback can
 * take its time. */
static inline void await(int fd, short events) {
    struct pollfd entry = {fd, events, 0};
    CHECK_INT(poll(&entry, 1, (int)(LIMIT * 1000)), 1);
}

/* A listener with a full queue: connects wait for its answer. */
static inline int new_deaf_listener(int loop) {
    const int listener = new_listener(loop, 0);
    const socket2_addr addr = local_addr(loop, listener);
    for (int i = 0; i < 3; ++i) {
        const int client = new_tcp(loop);
        const int r = socket2_tcp_connect(loop, client, &addr, SOCKET2_NEVER);
        CHECK(r == 0 || r == SOCKET2_PENDING);
        /* The first connect fills the queue; the others wait. */
        if (i == 0) CHECK_INT(finish(loop, r, client, SOCKET2_WRITE), 0);
        if (i > 0) await(socket2_socket_fd(loop, listener), POLLIN);
    }
    poll_into_inbox(loop, 0);
    inbox.count = 0;
    return listener;
}

/* The data has arrived at the other end. */
static inline void feed(const connection* c, const char* text) {
    CHECK_INT(send_text(c->loop, c->client, text), strlen(text));
    await(socket2_socket_fd(c->loop, c->server), POLLIN);
}

static inline void check_recv(const connection* c, const char* text) {
    char data[64] = "";
    size_t done = 0;
    while (done < strlen(text)) {
        const int n = recv_some(c->loop, c->server, data + done, sizeof data - 1 - done);
        CHECK(n > 0);
        if (n <= 0) return;
        done += (size_t)n;
    }
    CHECK(strcmp(data, text) == 0);
}

static inline int wait_for(int loop, int handle, int kind) {
    return socket2_socket_wait(loop, handle, kind, SOCKET2_NEVER);
}

static inline int pending(int loop, int handle, int kind) {
    return socket2_socket_pending(loop, handle, kind, NULL);
}

static inline void check_cancel(int loop, int handle, int kind) {
    CHECK_INT(socket2_socket_cancel(loop, handle, kind), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, handle, kind), SOCKET2_ECANCELED);
    CHECK_INT(pending(loop, handle, kind), 0);
}

static inline int new_fd(int loop, int fd) {
    const int handle = socket2_fd_new(loop, fd);
    CHECK(handle > 0);
    return handle;
}

#endif
