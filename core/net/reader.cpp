#include "core/net/reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/net/delimiter.h"

namespace socket2 {

Result Reader::read(const ReadRequest& request, double deadline) {
    const bool idle = op_.state == OpState::idle;
    if (!idle && op_.kind != OpKind::wait) return Errc::busy;
    request_ = request;
    searched_ = straight_ = 0;
    received_ = false;
    release();
    // Many bytes are received straight into the caller's memory, so that they are not copied.
    goes_straight_ =
        request.kind == ReadRequest::Kind::into && request.limit >= buffered() + ChunkPool::kChunk;
    Result r = match();
    if (!r.is_pending()) return r;
    if (deadline == kAtOnce) return put_back(at_once());
    if (!idle) return put_back(Errc::busy);
    op_.kind = OpKind::readable;
    static_cast<Memory&>(op_) = {};
    op_.deadline = deadline;
    r = loop_.submit(op_);
    if (r.ok()) {
        r = advance();
        if (r.is_pending()) go_on();
    } else if (r.is_pending()) {
        shrink();
    }
    return put_back(r);
}

Result Reader::at_once() {
    size_t had = 0;
    Result r = Result::pending();
    do {
        had = buffered() + straight_;
        r = advance();
    } while (r.is_pending() && buffered() + straight_ > had);
    return r.is_pending() ? Errc::timeout : r;
}

bool Reader::on_completed() {
    if (op_.kind != OpKind::readable) return false;
    if (op_.source.fd == kNoDescriptor) {
        op_.result = Errc::closed;
        return false;
    }
    Result r = op_.result;
    if (r.ok()) {
        // After a cancel it must consume nothing, because there may be nobody to get it.
        r = op_.cancel_reason != Errc::ok ? Result(op_.cancel_reason) : advance();
        if (r.is_pending()) {
            go_on();
            return true;
        }
    }
    op_.result = put_back(r);
    return false;
}

void Reader::go_on() { loop_.go_on(op_, unwatched_ ? Loop::When::later : Loop::When::soon); }

// Receives once, and tries to answer the request; pending when that needs more.
Result Reader::advance() {
    Result r = fill();
    if (r.ok()) {
        r = match();
    } else if (r.error() == Errc::end_of_stream && request_.kind == ReadRequest::Kind::all) {
        r = consume(buffered(), buffered());
    }
    if (!r.ok()) {
        if (buffered() == 0) drop_memory();
        shrink();
    }
    return r;
}

// Tries to answer the request with the buffered bytes; pending when that needs more.
Result Reader::match() {
    switch (request_.kind) {
        case ReadRequest::Kind::size:
            return buffered() >= request_.limit ? consume(request_.limit, request_.limit)
                                                : Result::pending();
        case ReadRequest::Kind::peek:
            return buffered() >= request_.limit ? consume(request_.limit, 0) : Result::pending();
        case ReadRequest::Kind::into:
            return fill_caller();
        case ReadRequest::Kind::until:
            return search(request_.delimiter, request_.delimiter_size, request_.limit);
        case ReadRequest::Kind::line:
            return search("\n", 1, request_.limit + 1);
        case ReadRequest::Kind::all:
            return buffered() > request_.limit ? Result(Errc::too_long) : Result::pending();
    }
    return Errc::invalid_argument;
}

// Fills the caller's memory: all at once from the buffer, or straight, after what is buffered.
Result Reader::fill_caller() {
    const size_t more = request_.limit - straight_;
    if (!goes_straight_ && buffered() < more) return Result::pending();
    if (buffered() > 0 && more > 0) straight_ += copy(request_.memory + straight_, more);
    if (straight_ < request_.limit) return Result::pending();
    goes_straight_ = false;
    data_ = request_.limit > 0 ? request_.memory : "";
    return Result::of(static_cast<int>(request_.limit));
}

// When a read straight into the caller's memory has failed, what came becomes unread again.
Result Reader::put_back(Result result) {
    if (!result.is_error() || !std::exchange(goes_straight_, false)) return result;
    const Result r = unread(request_.memory, straight_);
    return r.ok() ? result : r;
}

// Looks for the delimiter, which must begin at `latest` or before.
Result Reader::search(const char* delimiter, size_t delimiter_size, size_t latest) {
    const char* const p = memory_.get() + first_;
    const size_t have = buffered();
    const size_t to = std::min(have, latest + 1);
    size_t& searched = delimiter_size == 1 && delimiter[0] == '\n' ? without_lf_ : searched_;
    const size_t at = find_delimiter(p, searched, to, have, delimiter, delimiter_size);
    // A CR before the LF belongs to the end of the line. One that no LF follows yet will turn out to
    // belong to the end, or to the line.
    const bool cr = request_.kind == ReadRequest::Kind::line && at > 0 && p[at - 1] == '\r';
    const size_t size = cr ? at - 1 : at;
    if (size > request_.limit) return Errc::too_long;
    if (at < to && at + delimiter_size <= have) return consume(size, at + delimiter_size);
    searched = at;
    return Result::pending();
}

// The first `size` bytes are the result, and the first `all` bytes are read.
Result Reader::consume(size_t size, size_t all) {
    data_ = all > 0 || size > 0 ? memory_.get() + first_ : "";
    skip(all);
    taken_ = all;
    return Result::of(static_cast<int>(size));
}

void Reader::skip(size_t size) {
    first_ += size;
    if (size > 0) without_lf_ = 0;
}

// How many unread bytes the request can use.
size_t Reader::wanted() const {
    switch (request_.kind) {
        case ReadRequest::Kind::until:
            return request_.limit + request_.delimiter_size;
        case ReadRequest::Kind::line:
            return request_.limit + 2;
        case ReadRequest::Kind::all:
            return request_.limit + 1;
        default:
            return request_.limit;
    }
}

// Moves the unread bytes to that memory, and leaves `before` bytes free in front of them.
void Reader::move_to(std::unique_ptr<char[]> memory, size_t capacity, size_t before) {
    const size_t size = buffered();
    if (size > 0) std::memcpy(memory.get() + before, memory_.get() + first_, size);
    drop_memory();
    memory_ = std::move(memory);
    capacity_ = capacity;
    first_ = before;
    last_ = before + size;
}

bool Reader::grow(size_t capacity, size_t before) {
    std::unique_ptr<char[]> memory(new (std::nothrow) char[capacity]);
    if (memory == nullptr) return false;
    move_to(std::move(memory), capacity, before);
    return true;
}

// Few bytes do not keep a chunk, which the next stream then has while it is in the processor's caches,
// and not much more memory than they need. Memory that has just grown is more than a quarter full.
void Reader::shrink() {
    constexpr size_t kFew = 1024;
    const size_t few = capacity_ == ChunkPool::kChunk ? kFew : capacity_ / 4;
    if (capacity_ < ChunkPool::kChunk || buffered() > few) return;
    const bool shrunk = grow(buffered(), 0);
    static_cast<void>(shrunk);
}

bool Reader::make_room() {
    if (capacity_ < ChunkPool::kChunk) {
        std::unique_ptr<char[]> chunk = loop_.chunks().take();
        if (chunk == nullptr) return false;
        move_to(std::move(chunk), ChunkPool::kChunk, 0);
        return true;
    }
    if (last_ < capacity_) return true;
    if (buffered() > first_) {
        const size_t most = (wanted() / ChunkPool::kChunk + 1) * ChunkPool::kChunk;
        return grow(std::min(2 * capacity_, std::max(most, capacity_ + ChunkPool::kChunk)), 0);
    }
    std::memmove(memory_.get(), memory_.get() + first_, buffered());
    last_ -= std::exchange(first_, 0);
    return true;
}

// Receives what comes next, and returns how many bytes; pending when there is nothing.
Result Reader::fill() {
    if (!goes_straight_ && !make_room()) return Errc::out_of_memory;
    IoOp once(op_.owner, op_.source, Side::read);
    once.kind = receive_;
    once.data = goes_straight_ ? request_.memory + straight_ : memory_.get() + last_;
    once.size = goes_straight_ ? request_.limit - straight_ : capacity_ - last_;
    const Result r = loop_.try_now(once);
    unwatched_ = r.error() == Errc::busy;
    if (unwatched_) return Result::pending();
    if (!r.ok()) return r;
    if (r.value() == 0) return Errc::end_of_stream;
    received_ = true;
    (goes_straight_ ? straight_ : last_) += static_cast<size_t>(r.value());
    if (!goes_straight_) shrink();
    return r;
}

void Reader::release() {
    data_ = nullptr;
    taken_ = 0;
    if (buffered() == 0) drop_memory();
}

void Reader::undo() {
    data_ = nullptr;
    first_ -= std::exchange(taken_, 0);
    without_lf_ = 0;
}

void Reader::drop_memory() {
    if (memory_ != nullptr && capacity_ == ChunkPool::kChunk) {
        loop_.chunks().give(std::move(memory_));
    }
    memory_ = nullptr;
    capacity_ = first_ = last_ = 0;
}

size_t Reader::copy(void* data, size_t size) {
    size = std::min(size, buffered());
    std::memcpy(data, memory_.get() + first_, size);
    skip(size);
    release();
    return size;
}

Result Reader::unread(const void* data, size_t size) {
    release();
    if (size > first_ && !grow(std::max(size + buffered(), ChunkPool::kChunk), size)) {
        return Errc::out_of_memory;
    }
    first_ -= size;
    without_lf_ = 0;
    if (size > 0) std::memcpy(memory_.get() + first_, data, size);
    return Result::done();
}

}  // namespace socket2
