// The socket options that the BSDs have besides the portable ones; not every BSD has all of them.
#include "core/sys/option.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace socket2 {
namespace {

constexpr Option kOptions[] = {
    both("hdrincl", OptionKind::boolean, IPPROTO_IP, IP_HDRINCL),
    both("rcvlowat", OptionKind::integer, SOL_SOCKET, SO_RCVLOWAT),
    both("reuseport", OptionKind::boolean, SOL_SOCKET, SO_REUSEPORT),
#ifdef TCP_CONGESTION
    both("tcp_congestion", OptionKind::text, IPPROTO_TCP, TCP_CONGESTION),
#endif
#ifdef TCP_FASTOPEN
    both("tcp_fastopen", OptionKind::integer, IPPROTO_TCP, TCP_FASTOPEN),
#endif
#ifdef TCP_KEEPIDLE
    both("tcp_keepcnt", OptionKind::integer, IPPROTO_TCP, TCP_KEEPCNT),
    both("tcp_keepidle", OptionKind::integer, IPPROTO_TCP, TCP_KEEPIDLE),
    both("tcp_keepintvl", OptionKind::integer, IPPROTO_TCP, TCP_KEEPINTVL),
#endif
    both("tcp_maxseg", OptionKind::integer, IPPROTO_TCP, TCP_MAXSEG),
};

}  // namespace

std::span<const Option> system_options() { return kOptions; }

}  // namespace socket2
