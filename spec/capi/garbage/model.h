/* What should be true of everything that the calls made, and random numbers. */
#ifndef SOCKET2_SPEC_GARBAGE_MODEL_H
#define SOCKET2_SPEC_GARBAGE_MODEL_H

#include <stdint.h>

#include "capi/socket2.h"

/* ---- chance --------------------------------------------------------------------------------- */

void seed_random(uint64_t seed);
uint64_t next_random(void);

static inline int below(int limit) { return (int)(next_random() % (uint64_t)limit); }
static inline int one_in(int n) { return below(n) == 0; }

#define PICK(array) (array)[below((int)(sizeof(array) / sizeof *(array)))]

/* ---- what should be true -------------------------------------------------------------------- */

enum { LOOPS = 3, SOCKETS = 60, STALE = 64 };

/* What a handle names. */
enum { TCP = 1, UDP = 2, FD = 4, TIMER = 8, LOOKUP = 16, CHANNEL = 32 };

/* The kinds that a function takes. */
enum {
    ANY_SOCKET = TCP | UDP,
    STREAM = TCP | FD,
    WAITABLE = TCP | UDP | FD,
    PORT = WAITABLE | CHANNEL
};

typedef struct {
    int handle, is;
    double deadline; /* for a timer */
    int borrowed;    /* the test owns its descriptor */
    int id, message; /* for a channel's handle; the size of its message, -1: none */
} live_socket;

enum { PASSENGERS = 2 };

/* Descriptors that go along with a message; the test owns them until they are gone. */
typedef struct {
    int fds[PASSENGERS];
    int count;
} passengers;

typedef struct {
    int handle, kind, is_accept;
} pending_op;

typedef struct {
    int handle;
    live_socket sockets[SOCKETS * 2];
    int socket_count;
    pending_op pending[SOCKETS * 16];
    int pending_count;
} live_loop;

extern live_loop loops[LOOPS];
extern int stale_loops[STALE], stale_sockets[STALE];
extern int failures;
extern int step;            /* the number of the call */
extern const char* current; /* its name */

void fail(const char* what, int code);
int loop_index(int loop);
live_socket* find_live(int loop, int handle);
int check_code(int code);
int check_loop(int loop, int code);
int may_take(int loop, int handle, int kinds);
int check_socket(int loop, int handle, int kinds, int code);
void close_all(const passengers* with);
void remove_socket(int loop, int handle);
pending_op* find_pending(int loop, int handle, int kind);
void check_op(int loop, int handle, int kinds, int kind, int is_accept, int code);
void check_event(int loop, const socket2_event* event);
void made_socket(int loop, int handle, int is);
int is_full(int loop);
int is_spared(int loop, int handle);

#endif
