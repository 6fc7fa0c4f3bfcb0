#include "core/net/fd.h"

#include "core/sys/descriptor.h"
#include "core/sys/file.h"

namespace socket2 {

// A descriptor that is still open never got a handle, so no op can be in flight.
Fd::~Fd() {
    if (source_.fd != kNoDescriptor) Fd::close_descriptor();
}

void Fd::close_descriptor() {
    if (owned_) sys::close_descriptor(source_.fd);
}

Result Fd::adopt(Descriptor fd, Result never_blocks) {
    if (never_blocks.is_error()) return never_blocks;
    source_.fd = fd;
    source_.foreign = true;
    never_blocks_ = never_blocks.value() != 0;
    return loop_.attach(source_);
}

Result Fd::wrap(Loop& loop, Descriptor fd, std::unique_ptr<Fd>& out) {
    out.reset(new Fd(loop));
    return out->adopt(fd, sys::never_blocks(fd));
}

Result Fd::attach(Loop& loop, Descriptor fd, std::unique_ptr<Fd>& out) {
    const Result r = sys::make_nonblocking(fd);
    if (r.is_error()) return r;
    const Result adopted = wrap(loop, fd, out);
    out->owned_ = adopted.ok();
    return adopted;
}

Result Fd::open(Loop& loop, const char* path, std::unique_ptr<Fd>& out) {
    out.reset(new Fd(loop));
    const Result r = sys::open_path(path);
    if (r.is_error()) return r;
    out->owned_ = true;
    return out->adopt(r.value(), Result::of(0));  // opening a path never gives a socket
}

}  // namespace socket2
