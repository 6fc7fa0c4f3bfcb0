#include "capi/handles.h"

namespace socket2::capi {

LoopEntry::~LoopEntry() {
    objects.for_each([&](Object& object) { close_object(*this, std::move(object)); });
}

void close_object(LoopEntry& entry, Object object) {
    if (auto* socket = std::get_if<std::unique_ptr<Socket>>(&object)) {
        Waitable::close(std::move(*socket));
    } else if (auto* fd = std::get_if<std::unique_ptr<Fd>>(&object)) {
        Waitable::close(std::move(*fd));
    } else if (auto* timer = std::get_if<std::unique_ptr<Timer>>(&object)) {
        entry.loop.disarm(**timer);
    } else if (auto* query = std::get_if<std::unique_ptr<Query>>(&object)) {
        Query::close(std::move(*query));
    } else if (auto* port = std::get_if<std::unique_ptr<Port>>(&object)) {
        Port::close(std::move(*port));
    } else if (auto* watch = std::get_if<std::unique_ptr<SignalWatch>>(&object)) {
        SignalWatch::close(std::move(*watch));
    }
}

}  // namespace socket2::capi
