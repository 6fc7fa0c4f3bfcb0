/* Sockets on loopback and unix addresses, and connections between them, for the C tests. */
#ifndef SOCKET2_SPEC_SOCKETS_H
#define SOCKET2_SPEC_SOCKETS_H

#include "spec/capi/events.h"

static inline socket2_addr lookup(const char* host, const char* service, int type, int family) {
    socket2_addr addr;
    CHECK_INT(socket2_addr_lookup(host, service, type, family, 0, 0, &addr, 1, NULL, 0), 1);
    return addr;
}

static inline socket2_addr loopback(int type) { return lookup(NULL, NULL, type, SOCKET2_INET); }

static inline int lookup_code(const char* host, const char* service, int type, int family,
                              int protocol, int flags) {
    socket2_addr addr;
    return socket2_addr_lookup(host, service, type, family, protocol, flags, &addr, 1, NULL, 0);
}

/* A unix address that no other process uses: abstract if the system has that. */
static inline socket2_addr unix_addr(int type) {
    static int number;
    char path[64];
    snprintf(path, sizeof path, "@socket2-abi-test-%ld-%d", (long)getpid(), ++number);
    socket2_addr addr;
    const int r = socket2_addr_lookup(path, NULL, type, SOCKET2_UNIX, 0, 0, &addr, 1, NULL, 0);
    if (r != SOCKET2_ENOTSUPPORTED) return addr;
    remove(path + 1);
    return lookup(path + 1, NULL, type, SOCKET2_UNIX);
}

static inline int same_addr(const socket2_addr* a, const socket2_addr* b) {
    char left[192], right[192];
    return socket2_addr_format(a, left, sizeof left) >= 0 &&
           socket2_addr_format(b, right, sizeof right) >= 0 && strcmp(left, right) == 0;
}

static inline int listen_on(int loop, const socket2_addr* addr, int backlog) {
    const int listener = socket2_tcp_new(loop, socket2_addr_family(addr), 0);
    CHECK(listener > 0);
    CHECK_INT(socket2_socket_bind(loop, listener, addr), 0);
    CHECK_INT(socket2_tcp_listen(loop, listener, backlog), 0);
    return listener;
}

static inline int new_listener(int loop, int backlog) {
    const socket2_addr any = loopback(SOCKET2_TCP);
    return listen_on(loop, &any, backlog);
}

static inline int listen_anywhere(int loop) { return new_listener(loop, -1); }

static inline int new_tcp(int loop) {
    const int handle = socket2_tcp_new(loop, SOCKET2_INET, 0);
    CHECK(handle > 0);
    return handle;
}

typedef struct {
    int loop, listener, client, server;
} connection;

/* Connects the client of `c` to its listener. */
static inline void connect_client(connection* c) {
    const socket2_addr addr = local_addr(c->loop, c->listener);
    const int connecting = socket2_tcp_connect(c->loop, c->client, &addr, in(LIMIT));
    const int accepting = socket2_tcp_accept(c->loop, c->listener, NULL, in(LIMIT));
    CHECK_INT(finish(c->loop, connecting, c->client, SOCKET2_WRITE), 0);
    c->server = finish(c->loop, accepting, c->listener, SOCKET2_READ);
    CHECK(c->server > 0);
}

static inline connection connect_through(int loop, int listener) {
    const socket2_addr addr = local_addr(loop, listener);
    connection c = {loop, listener, socket2_tcp_new(loop, socket2_addr_family(&addr), 0), 0};
    CHECK(c.client > 0);
    connect_client(&c);
    return c;
}

static inline connection connected(void) {
    const int loop = new_loop();
    return connect_through(loop, listen_anywhere(loop));
}

static inline int udp_anywhere(int loop) {
    const socket2_addr any = loopback(SOCKET2_UDP);
    const int handle = socket2_udp_new(loop, SOCKET2_INET, 0);
    CHECK(handle > 0);
    CHECK_INT(socket2_socket_bind(loop, handle, &any), 0);
    return handle;
}

/* Waits until something has come, which may take a moment, and takes none of it. */
static inline void wait_readable(int loop, int handle) {
    const int waiting = socket2_socket_wait(loop, handle, SOCKET2_READ, in(LIMIT));
    CHECK_INT(finish(loop, waiting, handle, SOCKET2_READ), 0);
}

static inline int all_bytes(const char* data, size_t size, char byte) {
    for (size_t i = 0; i < size; ++i) {
        if (data[i] != byte) return 0;
    }
    return 1;
}

static inline int udp_recv(int loop, int handle, void* data, size_t size, socket2_addr* from) {
    return finish(loop, socket2_udp_recv(loop, handle, data, size, NULL, from, in(LIMIT)), handle,
                  SOCKET2_READ);
}

static inline int udp_send(int loop, int handle, const char* text, const socket2_addr* to) {
    return finish(loop, socket2_udp_send(loop, handle, text, strlen(text), to, in(LIMIT)), handle,
                  SOCKET2_WRITE);
}

#endif
