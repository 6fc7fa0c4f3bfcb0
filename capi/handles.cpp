#include "capi/handles.h"

namespace socket2::capi {

LoopEntry::~LoopEntry() {
    sockets.for_each([](std::unique_ptr<Socket>& socket) { Socket::close(std::move(socket)); });
}

int LoopEntry::adopt(std::unique_ptr<Socket> socket) {
    Socket& s = *socket;
    const int name = sockets.insert(std::move(socket));
    if (name == 0) return SOCKET2_ENOHANDLE;
    s.set_user(name);
    return name;
}

}  // namespace socket2::capi
