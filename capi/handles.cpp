#include "capi/handles.h"

namespace socket2::capi {

LoopEntry::~LoopEntry() {
    objects.for_each([&](std::unique_ptr<Object>& object) { loop.close(std::move(object)); });
}

int LoopEntry::adopt(std::unique_ptr<Object> object) {
    Object& adopted = *object;
    const int handle = objects.insert(std::move(object));
    if (handle == 0) return SOCKET2_ENOHANDLE;
    adopted.set_handle(handle);
    return handle;
}

}  // namespace socket2::capi
