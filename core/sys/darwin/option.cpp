// The socket options that macOS has besides the portable ones.
#include "core/sys/option.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace socket2 {
namespace {

constexpr OptionKind kBool = OptionKind::boolean;
constexpr OptionKind kInt = OptionKind::integer;

constexpr Option kOptions[] = {
    both("hdrincl", kBool, IPPROTO_IP, IP_HDRINCL),
    both("rcvlowat", kInt, SOL_SOCKET, SO_RCVLOWAT),
    both("reuseport", kBool, SOL_SOCKET, SO_REUSEPORT),
    both("tcp_fastopen", kInt, IPPROTO_TCP, TCP_FASTOPEN),
    both("tcp_keepcnt", kInt, IPPROTO_TCP, TCP_KEEPCNT),
    both("tcp_keepidle", kInt, IPPROTO_TCP, TCP_KEEPALIVE),
    both("tcp_keepintvl", kInt, IPPROTO_TCP, TCP_KEEPINTVL),
    both("tcp_maxseg", kInt, IPPROTO_TCP, TCP_MAXSEG),
    both("tcp_notsent_lowat", kInt, IPPROTO_TCP, TCP_NOTSENT_LOWAT),
};

}  // namespace

std::span<const Option> system_options() { return kOptions; }

}  // namespace socket2
