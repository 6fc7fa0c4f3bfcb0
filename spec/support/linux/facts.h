/* What systems do in ways of their own: Linux. */
#ifndef SOCKET2_SPEC_FACTS_H
#define SOCKET2_SPEC_FACTS_H

#define LOOPBACK "lo"      /* the interface */
#define POLL_END POLLRDHUP /* what poll() tells when the peer sends no more */

enum {
    THREAD_NAME = 15, /* bytes, at most */
    ABSTRACT_NAMES = 1,
    FRESH_IS_READY = 1,          /* a stream that was never connected: its calls fail at once */
    CONNECTS_AGAIN = 1,          /* a socket whose connect failed */
    DEAF_LISTENERS = 1,          /* with a full queue they leave who connects waiting */
    ACCEPT_LOSES_NONE = 1,       /* when there is no descriptor for one */
    KEEPS_ADDRESS = 1,           /* a datagram socket that is connected no more, its host */
    UNIX_SENDERS_SHARE_ROOM = 1, /* at their receiver, connected or not */
    UNIX_CHECKS_PROTOCOLS = 1,
    TELLS_FOREIGN_OPTIONS = 1, /* from options of a wrong value */
};

#endif
