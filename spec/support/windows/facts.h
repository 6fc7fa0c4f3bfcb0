/* How systems differ: Windows, under Wine. spec/support/linux says what each fact means. */
#ifndef SOCKET2_SPEC_FACTS_H
#define SOCKET2_SPEC_FACTS_H

#define LOOPBACK "127.0.0.1"

enum {
    THREAD_NAME = 63,
    ABSTRACT_NAMES = 0,
    FRESH_IS_READY = 1,
    CONNECTS_AGAIN = 0,
    DEAF_LISTENERS = 1,
    ACCEPT_LOSES_NONE = 1,
    KEEPS_ADDRESS = 1,
    UNIX_SENDERS_SHARE_ROOM = 1,
    UNIX_CHECKS_PROTOCOLS = 1,
    TELLS_FOREIGN_OPTIONS = 1,
};

#endif
