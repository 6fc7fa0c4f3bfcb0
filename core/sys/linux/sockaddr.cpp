#include "core/sys/sockaddr.h"

namespace socket2 {

const bool SockAddr::kAbstractNames = true;

}  // namespace socket2
