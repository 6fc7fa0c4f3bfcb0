#include "capi/handles.h"

using namespace socket2;
using namespace socket2::capi;

static_assert(sizeof(Slice) == sizeof(socket2_slice) &&
              offsetof(Slice, size) == offsetof(socket2_slice, size));

namespace {

// Whether they are slices of memory whose whole size is a possible result.
bool are_buffers(const socket2_slice* slices, int count) {
    if (count < 0 || (slices == nullptr && count > 0)) return false;
    size_t room = INT_MAX;
    for (int i = 0; i < count; ++i) {
        if (!is_buffer(slices[i].data, slices[i].size) || slices[i].size > room) return false;
        room -= slices[i].size;
    }
    return true;
}

}  // namespace

int socket2_stream_send(int loop, int handle, const void* data, size_t size, double deadline) {
    return on_socket<Stream>(loop, handle, [&](Stream& s) -> Result {
        if (!is_buffer(data, size) || !is_time(deadline)) return Errc::invalid_argument;
        const Slice all{data, size};
        return s.send({&all, 1}, deadline);
    });
}

int socket2_stream_sendv(int loop, int handle, const socket2_slice* slices, int count,
                         double deadline) {
    return on_socket<Stream>(loop, handle, [&](Stream& s) -> Result {
        if (!are_buffers(slices, count) || !is_time(deadline)) return Errc::invalid_argument;
        return s.send({reinterpret_cast<const Slice*>(slices), static_cast<size_t>(count)},
                      deadline);
    });
}

int socket2_stream_recv(int loop, int handle, void* data, size_t size, double deadline) {
    return on_socket<Stream>(loop, handle, [&](Stream& s) -> Result {
        // An empty read could not be told from the end.
        if (!is_buffer(data, size) || size == 0 || !is_time(deadline)) {
            return Errc::invalid_argument;
        }
        return s.recv(data, size, deadline);
    });
}
