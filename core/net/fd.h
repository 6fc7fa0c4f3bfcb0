// Descriptors of any kind that can be read and written: pipes, terminals, files, foreign sockets.
#pragma once

#include <memory>

#include "core/net/io_stream.h"

namespace socket2 {

class Fd final : public IoStream<Waitable> {
   public:
    static constexpr unsigned kKinds = kFd;

    ~Fd() override;

    // Wraps a descriptor that stays the program's own.
    static Result wrap(Loop& loop, Descriptor fd, std::unique_ptr<Fd>& out);
    // Takes ownership of the descriptor, unless this fails.
    static Result attach(Loop& loop, Descriptor fd, std::unique_ptr<Fd>& out);
    // Opens whatever is at a path, for reading and writing.
    static Result open(Loop& loop, const char* path, std::unique_ptr<Fd>& out);

   private:
    explicit Fd(Loop& loop) : IoStream(loop, kFd) {}
    bool as_socket() const override { return never_blocks_; }
    // Takes the descriptor; `never_blocks` is the result of sys::never_blocks().
    Result adopt(Descriptor fd, Result never_blocks);
    void close_descriptor() override;

    bool owned_ = false;
    bool never_blocks_ = false;
};

}  // namespace socket2
