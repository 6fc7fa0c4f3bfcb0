#include "core/net/reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace socket2 {
namespace {

// Where in p[from] to p[to - 1] the delimiter begins, or bytes that may become it, as they end what is there;
// `to` when nowhere.
size_t find(const char* p, size_t from, size_t to, size_t have, const char* delimiter,
            size_t delimiter_size) {
    while (from < to) {
        const void* const at = std::memchr(p + from, delimiter[0], to - from);
        if (at == nullptr) return to;
        from = static_cast<size_t>(static_cast<const char*>(at) - p);
        const size_t compared = std::min(delimiter_size, have - from);
        if (std::memcmp(p + from, delimiter, compared) == 0) return from;
        ++from;
    }
    return to;
}

}  // namespace

Result Reader::read(const ReadRequest& request, double deadline) {
    if (op_.state != OpState::idle) return Errc::busy;
    request_ = request;
    searched_ = 0;
    forget();
    Result r = match();
    if (!r.is_pending()) return r;
    if (deadline == kAtOnce) {
        size_t had = 0;
        do {
            had = buffered();
            r = advance();
        } while (r.is_pending() && buffered() > had);
        return r.is_pending() ? Errc::timeout : r;
    }
    op_.kind = OpKind::readable;
    static_cast<Memory&>(op_) = {};
    op_.deadline = deadline;
    r = loop_.submit(op_);
    if (!r.ok()) return r;
    r = advance();
    if (r.is_pending()) loop_.go_on(op_);
    return r;
}

bool Reader::on_completed() {
    if (op_.kind != OpKind::readable || op_.result.is_error()) return false;
    if (op_.source.fd == kNoDescriptor) {
        op_.result = Errc::closed;
        return false;
    }
    const Result r = advance();
    if (r.is_pending()) {
        loop_.go_on(op_);
        return true;
    }
    op_.result = r;
    return false;
}

// One receive, and what it makes of the request; pending when more is needed.
Result Reader::advance() {
    Result r = fill();
    if (r.ok()) {
        r = match();
    } else if (r.error() == Errc::end_of_stream && request_.kind == ReadRequest::Kind::all) {
        r = consume(buffered(), buffered());
    }
    if (!r.ok() && buffered() == 0) release();
    return r;
}

// What the buffered bytes make of the request; pending when more is needed.
Result Reader::match() {
    switch (request_.kind) {
        case ReadRequest::Kind::size:
            return buffered() >= request_.limit ? consume(request_.limit, request_.limit)
                                                : Result::pending();
        case ReadRequest::Kind::peek:
            return buffered() >= request_.limit ? consume(request_.limit, 0) : Result::pending();
        case ReadRequest::Kind::until:
            return search(request_.delimiter, request_.delimiter_size, request_.limit);
        case ReadRequest::Kind::line:
            return search("\n", 1, request_.limit + 1);
        case ReadRequest::Kind::all:
            return buffered() > request_.limit ? Result(Errc::too_long) : Result::pending();
    }
    return Errc::invalid_argument;
}

// The delimiter begins at `latest` or before.
Result Reader::search(const char* delimiter, size_t delimiter_size, size_t latest) {
    const char* const p = memory_.get() + first_;
    const size_t have = buffered();
    const size_t to = std::min(have, latest + 1);
    const size_t at = find(p, searched_, to, have, delimiter, delimiter_size);
    // A CR is part of the end of a line, or will turn out to be part of the line.
    const bool cr = request_.kind == ReadRequest::Kind::line && at > 0 && p[at - 1] == '\r';
    const size_t size = cr ? at - 1 : at;
    if (size > request_.limit) return Errc::too_long;
    if (at < to && at + delimiter_size <= have) return consume(size, at + delimiter_size);
    searched_ = at;
    return Result::pending();
}

// `size` bytes are the result, and so many are read.
Result Reader::consume(size_t size, size_t all) {
    data_ = size > 0 ? memory_.get() + first_ : "";
    first_ += all;
    return Result::of(static_cast<int>(size));
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

// Memory of that size, with what is unread behind so many free bytes.
bool Reader::grow(size_t capacity, size_t before) {
    std::unique_ptr<char[]> memory(new (std::nothrow) char[capacity]);
    if (memory == nullptr) return false;
    const size_t size = buffered();
    if (size > 0) std::memcpy(memory.get() + before, memory_.get() + first_, size);
    release();
    memory_ = std::move(memory);
    capacity_ = capacity;
    first_ = before;
    last_ = before + size;
    return true;
}

bool Reader::make_room() {
    if (memory_ == nullptr) {
        memory_ = loop_.chunks().take();
        capacity_ = memory_ == nullptr ? 0 : ChunkPool::kChunk;
        return memory_ != nullptr;
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

// Receives what comes next: how many bytes; pending when there is nothing.
Result Reader::fill() {
    if (!make_room()) return Errc::out_of_memory;
    IoOp once(op_.owner, op_.source, Side::read);
    once.kind = receive_;
    once.data = memory_.get() + last_;
    once.size = capacity_ - last_;
    const Result r = loop_.try_now(once);
    if (!r.ok()) return r;
    if (r.value() == 0) return Errc::end_of_stream;
    last_ += static_cast<size_t>(r.value());
    return r;
}

void Reader::forget() {
    data_ = nullptr;
    if (buffered() == 0) release();
}

void Reader::release() {
    if (memory_ != nullptr && capacity_ == ChunkPool::kChunk) {
        loop_.chunks().give(std::move(memory_));
    }
    memory_ = nullptr;
    capacity_ = first_ = last_ = 0;
}

size_t Reader::copy(void* data, size_t size) {
    size = std::min(size, buffered());
    std::memcpy(data, memory_.get() + first_, size);
    first_ += size;
    forget();
    return size;
}

Result Reader::unread(const void* data, size_t size) {
    data_ = nullptr;
    if (size > first_ && !grow(std::max(size + buffered(), ChunkPool::kChunk), size)) {
        return Errc::out_of_memory;
    }
    first_ -= size;
    if (size > 0) std::memcpy(memory_.get() + first_, data, size);
    return Result::done();
}

}  // namespace socket2
