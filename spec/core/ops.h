// Ops, handed to a poller like the loop does it, and their results.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "core/base/clock.h"
#include "core/io/poller.h"

namespace socket2 {

// Long enough for a loaded machine; nothing that works waits for it.
constexpr double kLimit = 20;

// Prepares the op like the loop.
inline void prepare(IoOp& op, OpKind kind, void* data, size_t size) {
    op.kind = kind;
    op.data = data;
    op.size = size;
    op.more_count = 0;
    op.done = 0;
    op.started = false;
    op.truncated = false;
    op.result = Result::pending();
}

inline Result recv(Poller& poller, IoOp& op, void* data, size_t size) {
    prepare(op, OpKind::recv, data, size);
    return poller.submit(op);
}

inline Result send(Poller& poller, IoOp& op, const void* data, size_t size) {
    prepare(op, OpKind::send, const_cast<void*>(data), size);
    return poller.submit(op);
}

inline Result wait_ready(Poller& poller, IoOp& op) {
    prepare(op, OpKind::wait, nullptr, 0);
    return poller.submit(op);
}

using Ops = std::vector<Op*>;

// What one wait reports.
inline Ops wait(Poller& poller, double seconds) {
    OpList completed;
    const Result r = poller.wait(seconds, completed);
    EXPECT_TRUE(r.ok()) << error_word(r.value());
    Ops ops;
    while (Op* op = completed.pop_front()) {
        EXPECT_FALSE(op->result.is_pending());
        ops.push_back(op);
    }
    return ops;
}

// Waits until `count` ops have completed.
inline Ops wait_for(Poller& poller, size_t count) {
    const MonotonicClock clock;
    const double limit = clock.now() + kLimit;
    Ops all;
    while (all.size() < count && clock.now() < limit) {
        const Ops some = wait(poller, kLimit);
        all.insert(all.end(), some.begin(), some.end());
    }
    EXPECT_EQ(all.size(), count);
    return all;
}

// The result of the op, at once or later.
inline int outcome(Poller& poller, IoOp& op, Result submitted) {
    if (!submitted.is_pending()) return submitted.value();
    EXPECT_EQ(wait_for(poller, 1), Ops{&op});
    return op.result.value();
}

}  // namespace socket2
