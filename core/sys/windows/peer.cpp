#include "core/sys/peer.h"

namespace socket2 {

Result peer_credentials(Descriptor, PeerCredentials&) { return Errc::not_supported; }

}  // namespace socket2
