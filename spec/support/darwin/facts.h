/* How systems differ: macOS. spec/support/linux says what each fact means. */
#ifndef SOCKET2_SPEC_FACTS_H
#define SOCKET2_SPEC_FACTS_H

#define LOOPBACK "lo0"
#define POLL_END POLLIN /* there is no such event: the data before the end has to do */

enum {
    THREAD_NAME = 63,
    ABSTRACT_NAMES = 0,
    FRESH_IS_READY = 0,
    CONNECTS_AGAIN = 0,
    DEAF_LISTENERS = 0, /* a backlog of 0 becomes 128 */
    ACCEPT_LOSES_NONE = 0,
    KEEPS_ADDRESS = 0,
    UNIX_SENDERS_SHARE_ROOM = 1,
    UNIX_CHECKS_PROTOCOLS = 1,
    TELLS_FOREIGN_OPTIONS = 0,
};

#endif
