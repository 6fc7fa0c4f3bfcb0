#include <algorithm>

#include "capi/handles.h"

using namespace socket2;
using namespace socket2::capi;

static_assert(sizeof(Slice) == sizeof(socket2_slice) &&
              offsetof(Slice, size) == offsetof(socket2_slice, size));

namespace {

// Whether they are valid slices, with a total size that can be a result.
bool are_buffers(const socket2_slice* slices, int count) {
    if (count < 0 || (slices == nullptr && count > 0)) return false;
    size_t room = INT_MAX;
    for (int i = 0; i < count; ++i) {
        if (!is_buffer(slices[i].data, slices[i].size) || slices[i].size > room) return false;
        room -= slices[i].size;
    }
    return true;
}

bool is_request(const ReadRequest& request) {
    if (request.limit > INT_MAX) return false;
    if (request.kind == ReadRequest::Kind::into) return is_buffer(request.memory, request.limit);
    return request.kind != ReadRequest::Kind::until ||
           (request.delimiter_size > 0 && is_buffer(request.delimiter, request.delimiter_size));
}

int count(size_t bytes) { return static_cast<int>(std::min<size_t>(bytes, INT_MAX)); }

int read(int loop, int handle, const ReadRequest& request, double deadline) {
    return on_object<Stream>(loop, handle, [&](LoopEntry& entry, Stream& s) {
        if (!is_request(request) || !is_time(deadline)) return entry.report(Errc::invalid_argument);
        const Result r = s.read(request, deadline);
        const ReadResult last = s.last_read();
        entry.last_read = {last.data, count(last.left), last.received};
        return entry.report(r);
    });
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
        // An empty read would look like the end of the stream.
        if (!is_buffer(data, size) || size == 0 || !is_time(deadline)) {
            return Errc::invalid_argument;
        }
        return s.recv(data, size, deadline);
    });
}

int socket2_stream_read(int loop, int handle, size_t size, double deadline) {
    return read(loop, handle, {ReadRequest::Kind::size, size}, deadline);
}

int socket2_stream_peek(int loop, int handle, size_t size, double deadline) {
    return read(loop, handle, {ReadRequest::Kind::peek, size}, deadline);
}

int socket2_stream_recvn(int loop, int handle, void* data, size_t size, double deadline) {
    ReadRequest request{ReadRequest::Kind::into, size};
    request.memory = static_cast<char*>(data);
    return read(loop, handle, request, deadline);
}

int socket2_stream_readline(int loop, int handle, size_t max, double deadline) {
    return read(loop, handle, {ReadRequest::Kind::line, max}, deadline);
}

int socket2_stream_readuntil(int loop, int handle, const void* delimiter, size_t delimiter_size,
                             size_t max, double deadline) {
    return read(
        loop, handle,
        {ReadRequest::Kind::until, max, static_cast<const char*>(delimiter), delimiter_size},
        deadline);
}

int socket2_stream_readall(int loop, int handle, size_t max, double deadline) {
    return read(loop, handle, {ReadRequest::Kind::all, max}, deadline);
}

const void* socket2_stream_data(int loop, int handle) {
    const auto* const stream = look_at<Stream>(loop, handle);
    return stream == nullptr ? nullptr : stream->last_read().data;
}

const socket2_read* socket2_loop_last_read(int loop) {
    const LoopEntry* const entry = find_loop(loop);
    return entry == nullptr ? nullptr : &entry->last_read;
}

int socket2_stream_release(int loop, int handle) {
    return on_socket<Stream>(loop, handle, [](Stream& s) {
        s.release();
        return 0;
    });
}

int socket2_stream_undo(int loop, int handle) {
    return on_socket<Stream>(loop, handle, [](Stream& s) { return s.undo(); });
}

int socket2_stream_buffered(int loop, int handle) {
    return on_socket<Stream>(loop, handle, [](Stream& s) { return count(s.buffered()); });
}

int socket2_stream_unread(int loop, int handle, const void* data, size_t size) {
    return on_socket<Stream>(loop, handle, [&](Stream& s) -> Result {
        if (!is_buffer(data, size) || size > INT_MAX - s.buffered()) return Errc::invalid_argument;
        return s.unread(data, size);
    });
}
