#include "core/sys/sockaddr.h"

namespace socket2 {

const bool SockAddr::kAbstractNames = false;

}  // namespace socket2
