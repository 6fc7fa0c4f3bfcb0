/* What the C tests of sockets share: operations are finished one by one, in whatever order their
 * events come. */
#ifndef SOCKET2_SPEC_EVENTS_H
#define SOCKET2_SPEC_EVENTS_H

#include "spec/capi/harness.h"

/* Long enough for a loaded machine; nothing that works waits for it. */
#define LIMIT 20.0

/* Events that came while the test waited for another one. */
static struct {
    socket2_event events[4096];
    int count;
} inbox;

/* The detail of the last event that was waited for; 0 when its operation was over at once. */
static int detail;

static inline int take(int handle, int kind, int* result) {
    for (int i = 0; i < inbox.count; ++i) {
        const socket2_event e = inbox.events[i];
        if (e.handle != handle || e.kind != kind) continue;
        memmove(&inbox.events[i], &inbox.events[i + 1], (size_t)(inbox.count - i - 1) * sizeof e);
        --inbox.count;
        detail = e.detail;
        *result = e.result;
        return 1;
    }
    return 0;
}

static inline int poll_into_inbox(int loop, double deadline) {
    const int n = socket2_poll(loop, inbox.events + inbox.count, 64, deadline);
    CHECK(n >= 0);
    for (int i = 0; i < n; ++i) {
        const socket2_event e = inbox.events[inbox.count + i];
        CHECK(e.kind == SOCKET2_READ || e.kind == SOCKET2_WRITE);
        CHECK(e.result != SOCKET2_PENDING);
    }
    if (n > 0) inbox.count += n;
    return n;
}

/* The operation's result: at once, or by its event. */
static inline int finish(int loop, int result, int handle, int kind) {
    detail = 0;
    if (result != SOCKET2_PENDING) return result;
    const double limit = in(LIMIT);
    while (!take(handle, kind, &result)) {
        if (poll_into_inbox(loop, limit) < 0 || socket2_clock() >= limit) {
            printf("no event for handle %d\n", handle);
            ++failures;
            return SOCKET2_PENDING;
        }
    }
    return result;
}

/* Nothing is there, nor comes at once. */
static inline void check_quiet(int loop) {
    CHECK_INT(inbox.count, 0);
    socket2_event event;
    for (int i = 0; i < 3; ++i) CHECK_INT(socket2_poll(loop, &event, 1, 0), 0);
}

static inline int new_loop(void) {
    const int loop = socket2_loop_new();
    CHECK(loop > 0);
    return loop;
}

static inline socket2_addr local_addr(int loop, int handle) {
    socket2_addr addr;
    CHECK_INT(socket2_socket_localaddr(loop, handle, &addr), 0);
    return addr;
}

static inline int send_text(int loop, int handle, const char* text) {
    return finish(loop, socket2_stream_send(loop, handle, text, strlen(text), in(LIMIT)), handle,
                  SOCKET2_WRITE);
}

static inline int recv_some(int loop, int handle, char* data, size_t size) {
    return finish(loop, socket2_stream_recv(loop, handle, data, size, in(LIMIT)), handle,
                  SOCKET2_READ);
}

#endif
