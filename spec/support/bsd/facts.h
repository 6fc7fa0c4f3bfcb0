/* How systems differ: FreeBSD, NetBSD, OpenBSD. spec/support/linux says what each fact means. */
#ifndef SOCKET2_SPEC_FACTS_H
#define SOCKET2_SPEC_FACTS_H

#define LOOPBACK "lo0"
#define POLL_END POLLIN /* there is no such event: the data before the end has to do */

enum {
    THREAD_NAME = 15,
    ABSTRACT_NAMES = 0,
    FRESH_IS_READY = 0,
    CONNECTS_AGAIN = 0,
    DEAF_LISTENERS = 0, /* they reset */
    ACCEPT_LOSES_NONE = 1,
    KEEPS_ADDRESS = 0,
    UNIX_SENDERS_SHARE_ROOM = 0,
    UNIX_CHECKS_PROTOCOLS = 0,
    TELLS_FOREIGN_OPTIONS = 0,
};

#endif
