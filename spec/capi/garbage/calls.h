/* The functions that are called, a table in each file. */
#ifndef SOCKET2_SPEC_GARBAGE_CALLS_H
#define SOCKET2_SPEC_GARBAGE_CALLS_H

#include <stddef.h>

#include "spec/capi/garbage/arguments.h"

typedef struct {
    const char* name;
    void (*call)(void);
    int count;
} call;

typedef struct {
    call* calls;
    size_t count;
} call_table;

#define CALL(name) \
    { "socket2_" #name, call_##name, 0 }

extern const call_table process_calls, loop_calls, socket_calls, stream_calls, name_calls,
    channel_calls;

/* The calls that come more often. */
void call_poll(void);
void call_channel_send(void);
void call_channel_recv(void);

/* The right name of this thread. */
extern char thread_name[256];

#endif
