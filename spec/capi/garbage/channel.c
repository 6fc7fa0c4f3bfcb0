/* Calls of channels, their messages, and threads. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "spec/capi/garbage/calls.h"

static void made_channel(int loop, int handle) {
    made_socket(loop, handle, CHANNEL);
    if (handle < 0) return;
    const int id = socket2_channel_id(loop, handle);
    if (id <= 0) fail("no number of a channel", id);
    find_live(loop, handle)->id = id;
}

static void call_channel_new(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    const int capacity = one_in(10) ? any_number() : below(4);
    const int handle = socket2_channel_new(loop, capacity);
    if (capacity < 0 && handle >= 0) fail("a capacity that is none", handle);
    made_channel(loop, handle);
}

static void call_channel_id(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const int id = check_socket(loop, handle, CHANNEL, socket2_channel_id(loop, handle));
    if (id >= 0 && id != find_live(loop, handle)->id) fail("the number of another", id);
}

static int stale_channels[STALE];

/* The number of a live channel, of one that is gone or at most in a message, or no channel's
 * number. */
static int any_channel_id(void) {
    const int l = below(LOOPS);
    const live_socket* s = find_live(loops[l].handle, any_handle(loops[l].handle, CHANNEL));
    if (s != NULL && s->is == CHANNEL && !one_in(5)) return s->id;
    return one_in(4) ? any_number() : PICK(stale_channels);
}

static int is_channel_live(int id) {
    for (int l = 0; l < LOOPS; ++l) {
        for (int i = 0; i < loops[l].socket_count; ++i) {
            const live_socket* s = &loops[l].sockets[i];
            if (s->is == CHANNEL && s->id == id) return 1;
        }
    }
    return 0;
}

static void call_channel_open(void) {
    const int loop = any_loop(), id = any_channel_id();
    if (is_full(loop)) return;
    const int handle = socket2_channel_open(loop, id);
    if (handle == SOCKET2_EBADHANDLE && loop_index(loop) >= 0) {
        if (is_channel_live(id)) fail("the channel is live", id);
        return;
    }
    made_channel(loop, handle);
    if (handle >= 0 && find_live(loop, handle)->id != id) fail("another channel", handle);
}

static void call_channel_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (is_spared(loop, handle)) return;
    if (check_socket(loop, handle, CHANNEL, socket2_channel_close(loop, handle)) == 0) {
        PICK(stale_channels) = find_live(loop, handle)->id;
        remove_socket(loop, handle);
    }
}

static void call_channel_shutdown(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (!one_in(10)) return;
    check_socket(loop, handle, CHANNEL, socket2_channel_shutdown(loop, handle));
}

static void call_channel_own(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (!one_in(10)) return;
    check_socket(loop, handle, CHANNEL, socket2_channel_own(loop, handle));
}

static void call_channel_length(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    check_socket(loop, handle, CHANNEL, socket2_channel_length(loop, handle));
}

/* Every byte of a message depends on its size. */
static char text_of_message[DATA];

/* A descriptor for a message. The receiver may make a socket of it and shut that down, so it never comes from
 * the pair of sockets: both ends of that stay open. */
static int new_passenger(void) {
    if (one_in(2)) return socket(AF_INET, one_in(2) ? SOCK_STREAM : SOCK_DGRAM, 0);
    return dup(own_fds[one_in(3) ? below(2) : 4 + below(4)]);
}

void call_channel_send(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const size_t size = one_in(20) ? any_size() : (size_t)below(100);
    if (size <= DATA) memset(text_of_message, (int)(size & 0xff), size);
    /* Channels that are in each other's messages are never freed. So the one with the larger number
     * goes into the messages of the other, and never the reverse. */
    const live_socket* s = find_live(loop, handle);
    int channels[2], all_live = 1;
    const int channel_count = one_in(20) ? -below(3) : one_in(3) ? below(3) : 0;
    for (int i = 0; i < channel_count; ++i) {
        channels[i] = any_handle(loop, CHANNEL);
        const live_socket* other = find_live(loop, channels[i]);
        const int is_good = other != NULL && other->is == CHANNEL;
        if (is_good && s != NULL && other->id < s->id) channels[i] = handle;
        all_live &= is_good;
    }
    passengers with = {{0}, one_in(5) ? below(PASSENGERS + 1) : 0};
    intptr_t fds[PASSENGERS + 1];
    int fd_count = with.count;
    for (int i = 0; i < with.count; ++i) fds[i] = with.fds[i] = new_passenger();
    /* A descriptor that is not open, or is there twice. */
    if (one_in(30)) fds[fd_count++] = with.count > 0 && one_in(2) ? fds[0] : 1 << 20;
    if (one_in(50)) fd_count = -1;
    const int code = socket2_channel_send(loop, handle, one_in(20) ? NULL : text_of_message, size,
                                          one_in(20) ? NULL : channels, channel_count,
                                          one_in(20) ? NULL : fds, fd_count, any_deadline());
    if (code != 0 && code != SOCKET2_PENDING) close_all(&with);
    if (may_take(loop, handle, CHANNEL) && !all_live) {
        check_code(code);
        if (code >= 0) fail("a handle in a message is taken", code);
        return;
    }
    if (code > 0) fail("a send with a value", code);
    check_op(loop, handle, CHANNEL, SOCKET2_WRITE, 0, code);
}

void call_channel_recv(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const int code = socket2_channel_recv(loop, handle, any_deadline());
    check_op(loop, handle, CHANNEL, SOCKET2_READ, 0, code);
    live_socket* s = find_live(loop, handle);
    if (s == NULL || s->is != CHANNEL) return;
    if (code != SOCKET2_EBUSY && code != SOCKET2_EINVAL) s->message = code >= 0 ? code : -1;
}

static void call_message_data(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const char* text = socket2_message_data(loop, handle);
    const live_socket* s = find_live(loop, handle);
    const int size = s != NULL && s->is == CHANNEL ? s->message : -1;
    if ((text != NULL) != (size >= 0)) fail("a message or none", size);
    for (int i = 0; text != NULL && i < size; ++i) {
        if (text[i] != (char)(size & 0xff)) fail("another message", size);
    }
}

static void call_message_channel(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (is_full(loop)) return;
    const int index = one_in(10) ? any_number() : below(2);
    const int code =
        check_socket(loop, handle, CHANNEL, socket2_message_channel(loop, handle, index));
    if (code >= 0) made_channel(loop, code);
}

static void call_message_fd(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const int index = one_in(10) ? any_number() : below(PASSENGERS);
    const int fd = check_socket(loop, handle, CHANNEL, socket2_message_fd(loop, handle, index));
    if (fd >= 0 && close(fd) != 0) fail("not the descriptor", fd);
}

static void call_message_socket(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (is_full(loop)) return;
    const int index = one_in(10) ? any_number() : below(PASSENGERS);
    const int code =
        check_socket(loop, handle, CHANNEL, socket2_message_socket(loop, handle, index));
    if (code < 0) return;
    made_socket(loop, code, socket2_socket_type(loop, code) == SOCKET2_TCP ? TCP : UDP);
}

static void call_message_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (check_socket(loop, handle, CHANNEL, socket2_message_close(loop, handle)) != 0) return;
    live_socket* s = find_live(loop, handle);
    if (find_pending(loop, handle, SOCKET2_READ) == NULL) s->message = -1;
}

static void call_channel_unsent(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const int index = one_in(10) ? any_number() : below(PASSENGERS);
    const int fd = check_socket(loop, handle, CHANNEL, socket2_channel_unsent(loop, handle, index));
    if (fd >= 0 && close(fd) != 0) fail("not the descriptor", fd);
}

/* At least one function is missing, so none is called, and no thread starts. */
static void call_thread_new(void) {
    union {
        socket2_lua lua;
        void* functions[8];
    } some;
    _Static_assert(sizeof some.functions == sizeof some.lua, "all functions");
    for (int i = 0; i < 8; ++i) some.functions[i] = one_in(4) ? NULL : data;
    some.functions[below(8)] = NULL;
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const char* name = one_in(10) ? NULL : any_garbage_text();
    const int code = check_socket(loop, handle, CHANNEL,
                                  socket2_thread_new(loop, one_in(5) ? NULL : &some.lua, any_data(),
                                                     any_size(), name, handle));
    if (code != SOCKET2_EBADHANDLE && code != SOCKET2_EINVAL) fail("a thread without Lua", code);
}

static call calls[] = {
    CALL(channel_close),    CALL(channel_id),     CALL(channel_length),  CALL(channel_new),
    CALL(channel_open),     CALL(channel_own),    CALL(channel_recv),    CALL(channel_send),
    CALL(channel_shutdown), CALL(channel_unsent), CALL(message_channel), CALL(message_close),
    CALL(message_data),     CALL(message_fd),     CALL(message_socket),  CALL(thread_new),
};
const call_table channel_calls = {calls, sizeof calls / sizeof *calls};
