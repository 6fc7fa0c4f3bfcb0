// Descriptors of any kind that can be read and written: pipes, terminals, files, others' sockets.
#pragma once

#include <memory>

#include "core/net/io_stream.h"

namespace socket2 {

class Fd final : public IoStream<Waitable> {
   public:
    static constexpr unsigned kKinds = kFd;

    ~Fd() override;

    // A descriptor of the program's, which stays its own.
    static Result wrap(Loop& loop, Descriptor fd, std::unique_ptr<Fd>& out);
    // One that it owns from then on, unless this fails.
    static Result attach(Loop& loop, Descriptor fd, std::unique_ptr<Fd>& out);
    // Opens what there is at a path, for reading and writing.
    static Result open(Loop& loop, const char* path, std::unique_ptr<Fd>& out);

   private:
    explicit Fd(Loop& loop) : IoStream(loop, kFd) {}
    bool as_socket() const override { return never_blocks_; }
    // Takes the descriptor; never_blocks as of sys::never_blocks().
    Result adopt(Descriptor fd, Result never_blocks);
    void close_descriptor() override;

    bool owned_ = false;
    bool never_blocks_ = false;
};

}  // namespace socket2
