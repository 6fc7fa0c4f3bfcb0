// The socket options that Linux has besides the portable ones: socket(7), tcp(7), ip(7).
#include "core/sys/option.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace socket2 {
namespace {

constexpr OptionKind kBool = OptionKind::boolean;
constexpr OptionKind kInt = OptionKind::integer;
constexpr OptionKind kText = OptionKind::text;

constexpr Option kOptions[] = {
    both("bindtodevice", kText, SOL_SOCKET, SO_BINDTODEVICE),
    both("busy_poll", kInt, SOL_SOCKET, SO_BUSY_POLL),
    both("incoming_cpu", kInt, SOL_SOCKET, SO_INCOMING_CPU),
    both("mark", kInt, SOL_SOCKET, SO_MARK),
    both("priority", kInt, SOL_SOCKET, SO_PRIORITY),
    both("rcvbufforce", kInt, SOL_SOCKET, SO_RCVBUFFORCE),
    both("rcvlowat", kInt, SOL_SOCKET, SO_RCVLOWAT),
    both("reuseport", kBool, SOL_SOCKET, SO_REUSEPORT),
    both("sndbufforce", kInt, SOL_SOCKET, SO_SNDBUFFORCE),
    {"freebind", kBool, {IPPROTO_IP, IP_FREEBIND}, {IPPROTO_IPV6, IPV6_FREEBIND}},
    {"hdrincl", kBool, {IPPROTO_IP, IP_HDRINCL}, {IPPROTO_IPV6, IPV6_HDRINCL}},
    {"transparent", kBool, {IPPROTO_IP, IP_TRANSPARENT}, {IPPROTO_IPV6, IPV6_TRANSPARENT}},
    {"mtu_discover", kInt, {IPPROTO_IP, IP_MTU_DISCOVER}, {IPPROTO_IPV6, IPV6_MTU_DISCOVER}},
    both("tcp_congestion", kText, IPPROTO_TCP, TCP_CONGESTION),
    both("tcp_cork", kBool, IPPROTO_TCP, TCP_CORK),
    both("tcp_defer_accept", kInt, IPPROTO_TCP, TCP_DEFER_ACCEPT),
    both("tcp_fastopen", kInt, IPPROTO_TCP, TCP_FASTOPEN),
    both("tcp_fastopen_connect", kBool, IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
    both("tcp_keepcnt", kInt, IPPROTO_TCP, TCP_KEEPCNT),
    both("tcp_keepidle", kInt, IPPROTO_TCP, TCP_KEEPIDLE),
    both("tcp_keepintvl", kInt, IPPROTO_TCP, TCP_KEEPINTVL),
    both("tcp_linger2", kInt, IPPROTO_TCP, TCP_LINGER2),
    both("tcp_maxseg", kInt, IPPROTO_TCP, TCP_MAXSEG),
    both("tcp_notsent_lowat", kInt, IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    both("tcp_quickack", kBool, IPPROTO_TCP, TCP_QUICKACK),
    both("tcp_syncnt", kInt, IPPROTO_TCP, TCP_SYNCNT),
    both("tcp_user_timeout", kInt, IPPROTO_TCP, TCP_USER_TIMEOUT),
    both("tcp_window_clamp", kInt, IPPROTO_TCP, TCP_WINDOW_CLAMP),
};

}  // namespace

std::span<const Option> system_options() { return kOptions; }

}  // namespace socket2
