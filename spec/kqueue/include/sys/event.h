// A stand-in for kqueue(2), for tests on Linux: the parts that core/poll/kqueue needs, over
// epoll(7), with the names and meanings of macOS, FreeBSD and OpenBSD. Never part of a release.
//
// It differs in this: kevent() gives no EV_ERROR events, so changes need nevents = 0; waiting needs
// room for three events; files on disks are never reported.
#pragma once

#include <stdint.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_USER (-10)
#define EVFILT_EXCEPT (-15)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_EOF 0x8000
#define EV_ERROR 0x4000

#define NOTE_TRIGGER 0x01000000
#define NOTE_OOB 0x00000002

struct kevent {
    uintptr_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    intptr_t data;
    void* udata;
};

extern "C" {
int kqueue();
int kevent(int kq, const struct kevent* changes, int nchanges, struct kevent* events, int nevents,
           const timespec* timeout);
}
