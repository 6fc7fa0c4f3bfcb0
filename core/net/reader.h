// Buffered reads of a descriptor's stream: a number of bytes, what is before a delimiter, a line, all.
//
// While a read waits, it holds no memory except for the bytes that have come and were not read: it waits
// until the stream is readable, and only then takes a chunk of the loop's pool. A read is over when
// everything that it wants has come. A read that fails has consumed nothing.
#pragma once

#include <cstddef>
#include <memory>

#include "core/io/loop.h"
#include "core/net/read_request.h"

namespace socket2 {

class Reader {
   public:
    // `op` is the stream's read op; `receive` is the kind of op by which the stream receives.
    Reader(Loop& loop, IoOp& op, OpKind receive) : loop_(loop), op_(op), receive_(receive) {}
    ~Reader() { drop_memory(); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // Completes with the number of bytes, and last_read() then says where they are. The delimiter and
    // the caller's memory have to stay until the op is over.
    Result read(const ReadRequest& request, double deadline);
    // The op has completed: true when the read takes the completion and goes on.
    bool on_completed();

    // The result of the last read, until the next read or release().
    ReadResult last_read() const { return {data_, buffered(), received_}; }
    void release();
    // Puts back what the last read took from the buffer, so that the next read gets it again.
    void undo();

    size_t buffered() const { return last_ - first_; }
    // Reads at most `size` buffered bytes, and returns how many.
    size_t copy(void* data, size_t size);
    // Puts the bytes before those that are buffered. Done, or Errc::out_of_memory.
    Result unread(const void* data, size_t size);

   private:
    Result at_once();
    Result advance();
    void go_on();
    Result match();
    Result fill_caller();
    Result put_back(Result result);
    Result search(const char* delimiter, size_t delimiter_size, size_t latest);
    Result consume(size_t size, size_t all);
    Result fill();
    bool make_room();
    bool grow(size_t capacity, size_t before);
    void move_to(std::unique_ptr<char[]> memory, size_t capacity, size_t before);
    void shrink();
    size_t wanted() const;
    void skip(size_t size);
    void drop_memory();

    Loop& loop_;
    IoOp& op_;
    const OpKind receive_;
    ReadRequest request_;
    // How many bytes a read straight into the caller's memory has received.
    size_t straight_ = 0;
    size_t searched_ = 0;  // unread bytes in which no delimiter begins
    // Unread bytes that are known to have no LF. The number stays from one read to the next, because a
    // read that fails may be tried again for every piece of a long line.
    size_t without_lf_ = 0;
    std::unique_ptr<char[]> memory_;
    size_t capacity_ = 0;
    size_t first_ = 0;  // unread: memory_[first_] to memory_[last_ - 1]
    size_t last_ = 0;
    const char* data_ = nullptr;
    size_t taken_ = 0;  // bytes before first_ that the last read took
    bool received_ = false;
    bool goes_straight_ = false;
    // The last receive found nothing, and the poller watches the descriptor for another object.
    bool unwatched_ = false;
};

}  // namespace socket2
