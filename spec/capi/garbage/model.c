#include "spec/capi/garbage/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t state;

void seed_random(uint64_t seed) { state = seed; }

/* splitmix64: the same numbers on every system. */
uint64_t next_random(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

live_loop loops[LOOPS];
int stale_loops[STALE], stale_sockets[STALE];
int failures;
int step;
const char* current;

void fail(const char* what, int code) {
    printf("step %d, %s: %s: %d (%s)\n", step, current, what, code, socket2_error_name(code));
    if (++failures > 20) exit(1);
}

int loop_index(int loop) {
    for (int i = 0; i < LOOPS; ++i) {
        if (loop > 0 && loops[i].handle == loop) return i;
    }
    return -1;
}

live_socket* find_live(int loop, int handle) {
    const int l = loop_index(loop);
    if (l < 0) return NULL;
    for (int i = 0; i < loops[l].socket_count; ++i) {
        if (loops[l].sockets[i].handle == handle) return &loops[l].sockets[i];
    }
    return NULL;
}

int check_code(int code) {
    if (code < SOCKET2_EIO || code == SOCKET2_PENDING) fail("no documented answer", code);
    return code;
}

/* Checks the answer of a function that takes a loop. */
int check_loop(int loop, int code) {
    check_code(code);
    if (loop_index(loop) < 0 && code != SOCKET2_EBADHANDLE) fail("the loop is not live", code);
    if (loop_index(loop) >= 0 && code == SOCKET2_EBADHANDLE) fail("the loop is live", code);
    return code;
}

int may_take(int loop, int handle, int kinds) {
    const live_socket* s = find_live(loop, handle);
    return s != NULL && (kinds & s->is) != 0;
}

int check_socket(int loop, int handle, int kinds, int code) {
    check_code(code);
    if (may_take(loop, handle, kinds) != (code != SOCKET2_EBADHANDLE)) {
        fail("the handle is judged wrongly", code);
    }
    return code;
}

static void add_socket(int loop, int handle, int is) {
    const int l = loop_index(loop);
    if (find_live(loop, handle) != NULL) fail("a live handle is given again", handle);
    loops[l].sockets[loops[l].socket_count++] = (live_socket){handle, is, 0, 0, 0, -1};
}

void close_all(const passengers* with) {
    for (int i = 0; i < with->count; ++i) {
        if (close(with->fds[i]) != 0) fail("a descriptor was closed already", with->fds[i]);
    }
}

void remove_socket(int loop, int handle) {
    const int l = loop_index(loop);
    live_socket* s = find_live(loop, handle);
    *s = loops[l].sockets[--loops[l].socket_count];
    PICK(stale_sockets) = handle;
}

pending_op* find_pending(int loop, int handle, int kind) {
    const int l = loop_index(loop);
    if (l < 0) return NULL;
    for (int i = 0; i < loops[l].pending_count; ++i) {
        pending_op* p = &loops[l].pending[i];
        if (p->handle == handle && p->kind == kind) return p;
    }
    return NULL;
}

/* Checks the answer of a function that may be pending. */
void check_op(int loop, int handle, int kinds, int kind, int is_accept, int code) {
    if (code != SOCKET2_PENDING) {
        check_socket(loop, handle, kinds, code);
        if (is_accept && code >= 0) add_socket(loop, code, TCP);
        return;
    }
    const int l = loop_index(loop);
    if (!may_take(loop, handle, kinds)) {
        fail("pending on a bad handle", code);
        return;
    }
    if (kind != SOCKET2_READ && kind != SOCKET2_WRITE && kind != SOCKET2_LOOKUP) {
        fail("pending, of no kind", kind);
    }
    if (find_pending(loop, handle, kind) != NULL) fail("two operations at a time", handle);
    loops[l].pending[loops[l].pending_count++] = (pending_op){handle, kind, is_accept};
}

void check_event(int loop, const socket2_event* event) {
    const int l = loop_index(loop);
    if (event->result == SOCKET2_PENDING || event->result < SOCKET2_EIO) {
        fail("no documented result", event->result);
    }
    if (event->kind == SOCKET2_TIMER) {
        const live_socket* timer = find_live(loop, event->handle);
        if (timer == NULL || timer->is != TIMER) {
            fail("an event for no timer", event->handle);
            return;
        }
        if (timer->deadline > socket2_clock()) fail("a timer is early", event->handle);
        if (event->result != 0 || event->detail != 0) fail("a timer's result", event->result);
        remove_socket(loop, event->handle);
        return;
    }
    pending_op* found = find_pending(loop, event->handle, event->kind);
    if (found != NULL) {
        const pending_op p = *found;
        *found = loops[l].pending[--loops[l].pending_count];
        if (p.is_accept && event->result >= 0) add_socket(loop, event->result, TCP);
        live_socket* s = find_live(loop, event->handle);
        const int is_recv = s != NULL && s->is == CHANNEL && event->kind == SOCKET2_READ;
        if (is_recv && event->result >= 0) s->message = event->result;
        return;
    }
    fail("an event for nothing", event->handle);
}

void made_socket(int loop, int handle, int is) {
    check_loop(loop, handle);
    if (handle >= 0) add_socket(loop, handle, is);
}

/* Leaves room for connections that are accepted. */
int is_full(int loop) {
    const int l = loop_index(loop);
    return l >= 0 && loops[l].socket_count >= SOCKETS;
}

/* Closes rarely while there is room, or nothing would live long. */
int is_spared(int loop, int handle) {
    const int l = loop_index(loop);
    const int roomy = l >= 0 && loops[l].socket_count < SOCKETS * 3 / 4;
    return roomy && find_live(loop, handle) != NULL && !one_in(5);
}
