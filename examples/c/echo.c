/*
 * An echo server and clients of it in C11: state machines over one socket2_poll() loop.
 *
 * usage: echo server [port]              serves, and says where
 *        echo client host port text...   a connection for each text; prints what comes back
 *        echo                            both, in one loop
 */
#include <socket2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a machine is about to do, or what it waits for. */
enum state { ACCEPT, RECV, SEND, CONNECT, ASK, HEAR };

/* A listener, a server's connection or a client's, with the memory of its operation. */
struct machine {
    struct machine* next;
    enum state state;
    int handle;
    socket2_addr addr;
    const char* text; /* a client's text, otherwise null */
    size_t size;      /* how much is in the buffer */
    size_t room;
    char buffer[];
};

static int loop;
static struct machine* machines;
static int clients; /* how many of the machines are clients */

static int check(const char* what, int code) {
    if (code < SOCKET2_PENDING) {
        fprintf(stderr, "%s: %s\n", what, socket2_error_message(code));
        exit(1);
    }
    return code;
}

static socket2_addr address(const char* host, const char* port) {
    socket2_addr addr;
    check(host,
          socket2_addr_lookup(host, port, SOCKET2_TCP, SOCKET2_INET, 0, 0, &addr, 1, NULL, 0));
    return addr;
}

/* Begins what the state says. Returns its result, or SOCKET2_PENDING. */
static int begin(struct machine* m) {
    switch (m->state) {
        case ACCEPT:
            return socket2_tcp_accept(loop, m->handle, NULL, SOCKET2_NEVER);
        case CONNECT:
            return socket2_tcp_connect(loop, m->handle, &m->addr, SOCKET2_NEVER);
        case ASK:
            return socket2_stream_send(loop, m->handle, m->text, strlen(m->text), SOCKET2_NEVER);
        case SEND:
            return socket2_stream_send(loop, m->handle, m->buffer, m->size, SOCKET2_NEVER);
        default:
            return socket2_stream_recv(loop, m->handle, m->buffer + m->size, m->room - m->size,
                                       SOCKET2_NEVER);
    }
}

static int advance(struct machine* m, int result);

/* Lets a machine go on until it waits or has ended. */
static void run(struct machine* m, int result) {
    while (result != SOCKET2_PENDING && advance(m, result)) result = begin(m);
}

static void start(int handle, enum state state, const char* text, socket2_addr addr) {
    const size_t room = text != NULL ? strlen(text) + 1 : 4096;
    struct machine* m = malloc(sizeof *m + room);
    if (m == NULL) exit(1);
    *m = (struct machine){machines, state, handle, addr, text, 0, room};
    machines = m;
    run(m, begin(m));
}

static int end(struct machine* m) {
    struct machine** link = &machines;
    while (*link != m) link = &(*link)->next;
    *link = m->next;
    socket2_socket_close(loop, m->handle);
    free(m);
    return 0;
}

/* Goes on with the result of what the state said. Returns 0 at the end. */
static int advance(struct machine* m, int result) {
    static const enum state next[] = {ACCEPT, SEND, RECV, ASK, HEAR, HEAR};
    if (m->text != NULL) check(m->text, result);
    if (result < 0) fprintf(stderr, "a client: %s\n", socket2_error_message(result));
    if ((result < 0 && m->state != ACCEPT) || (result == 0 && m->state == RECV)) return end(m);
    if (result == 0 && m->state == HEAR) {
        --clients;
        printf("%.*s\n", (int)m->size, m->buffer);
        return end(m);
    }
    if (m->state == ACCEPT && result > 0) start(result, RECV, NULL, m->addr);
    if (m->state == ASK) socket2_socket_shutdown(loop, m->handle, SOCKET2_SHUT_WRITE);
    if (m->state == RECV || m->state == HEAR) m->size += (size_t)result;
    if (m->state == SEND) m->size = 0;
    m->state = next[m->state];
    return 1;
}

static socket2_addr serve(const char* port) {
    socket2_addr addr = address("127.0.0.1", port);
    const int listener = check("socket", socket2_tcp_new(loop, SOCKET2_INET, 0));
    check("bind", socket2_socket_bind(loop, listener, &addr));
    check("listen", socket2_tcp_listen(loop, listener, -1));
    check("address", socket2_socket_localaddr(loop, listener, &addr));
    start(listener, ACCEPT, NULL, addr);
    return addr;
}

static void talk(socket2_addr addr, const char* text) {
    ++clients;
    start(check("socket", socket2_tcp_new(loop, SOCKET2_INET, 0)), CONNECT, text, addr);
}

int main(int argc, char** argv) {
    const int serves = argc > 1 && strcmp(argv[1], "server") == 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    loop = check("loop", socket2_loop_new());
    if (serves) {
        const socket2_addr addr = serve(argc > 2 ? argv[2] : "0");
        printf("listening on 127.0.0.1:%d\n", socket2_addr_port(&addr));
    } else if (argc > 3) {
        for (int i = 4; i < argc; ++i) talk(address(argv[2], argv[3]), argv[i]);
    } else {
        const socket2_addr addr = serve("0");
        talk(addr, "hello");
        talk(addr, "from C");
    }
    while (serves || clients > 0) {
        socket2_event events[64];
        const int n = check("poll", socket2_poll(loop, events, 64, SOCKET2_NEVER));
        for (int i = 0; i < n; ++i) {
            struct machine* m = machines;
            while (m != NULL && m->handle != events[i].handle) m = m->next;
            if (m != NULL) run(m, events[i].result);
        }
    }
    socket2_loop_close(loop);
    while (machines != NULL) end(machines);
    return 0;
}
