/* How systems differ: Linux. */
#ifndef SOCKET2_SPEC_FACTS_H
#define SOCKET2_SPEC_FACTS_H

#define LOOPBACK "lo"      /* the interface */
#define POLL_END POLLRDHUP /* poll()'s event when the peer sends no more */

enum {
    THREAD_NAME = 15, /* the longest, in bytes */
    ABSTRACT_NAMES = 1,
    FRESH_IS_READY = 1,          /* calls on a stream without a connection fail at once */
    CONNECTS_AGAIN = 1,          /* a socket can connect again after a failure */
    DEAF_LISTENERS = 1,          /* a full queue leaves connecting peers waiting */
    ACCEPT_LOSES_NONE = 1,       /* when there is no descriptor for a connection */
    KEEPS_ADDRESS = 1,           /* a datagram socket keeps its host after a disconnect */
    UNIX_SENDERS_SHARE_ROOM = 1, /* at their receiver, connected or not */
    UNIX_CHECKS_PROTOCOLS = 1,
    TELLS_FOREIGN_OPTIONS = 1, /* apart from options with a wrong value */
};

#endif
