// Buffered reads of a descriptor's stream: a number of bytes, what is before a delimiter, a line, all.
//
// A read that waits holds no memory but for what has come and was not read yet: it waits for the stream to be
// readable, and takes a chunk of the loop's pool when something is there. It is over when all of it has
// come; one that fails has consumed nothing.
#pragma once

#include <cstddef>
#include <memory>

#include "core/io/loop.h"
#include "core/net/read_request.h"

namespace socket2 {

class Reader {
   public:
    // `op` is the stream's read op, `receive` the kind of its receives.
    Reader(Loop& loop, IoOp& op, OpKind receive) : loop_(loop), op_(op), receive_(receive) {}
    ~Reader() { release(); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // The number of bytes, which data() then has. The delimiter has to stay until the op is over.
    Result read(const ReadRequest& request, double deadline);
    // The op has completed: true when it goes on.
    bool on_completed();

    // What the last read gave, until the next one; null when it failed or is not over.
    const char* data() const { return op_.state == OpState::idle ? data_ : nullptr; }

    size_t buffered() const { return last_ - first_; }
    // What the last read gave is not wanted any more.
    void forget();
    // Buffered bytes, at most `size`, are read: how many.
    size_t copy(void* data, size_t size);
    // The bytes come before those that are buffered. Done, or Errc::out_of_memory.
    Result unread(const void* data, size_t size);

   private:
    Result advance();
    Result match();
    Result search(const char* delimiter, size_t delimiter_size, size_t latest);
    Result consume(size_t size, size_t all);
    Result fill();
    bool make_room();
    bool grow(size_t capacity, size_t before);
    size_t wanted() const;
    void release();

    Loop& loop_;
    IoOp& op_;
    const OpKind receive_;
    ReadRequest request_;
    size_t searched_ = 0;  // bytes in which no delimiter begins
    std::unique_ptr<char[]> memory_;
    size_t capacity_ = 0;
    size_t first_ = 0;  // unread: memory_[first_] to memory_[last_ - 1]
    size_t last_ = 0;
    const char* data_ = nullptr;
};

}  // namespace socket2
