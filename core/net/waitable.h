// What a loop can wait on: a descriptor with two ops, one a direction.
#pragma once

#include <memory>

#include "core/io/loop.h"

namespace socket2 {

// Its maker owns it until close(); from then on the loop does, until its ops were taken.
class Waitable : public OpOwner {
   public:
    ~Waitable() override;

    Descriptor descriptor() const { return source_.fd; }

    // The owner's name for it, handed back with its ops (op.source.user).
    void set_user(int64_t user) { source_.user = user; }

    // Done when the direction has something to do (the end of a stream and errors are).
    Result wait(Side side, double deadline);
    // The op of that side completes with Errc::canceled, unless the system is faster.
    void cancel(Side side) { loop_.cancel(side == Side::read ? read_ : write_, Errc::canceled); }
    const Op& op(Side side) const { return side == Side::read ? read_ : write_; }

    // Pending ops complete with Errc::closed; the system is let go of at once.
    static void close(std::unique_ptr<Waitable> waitable);
    // As close(), but for the descriptor: the value.
    static Descriptor detach(std::unique_ptr<Waitable> waitable);

    bool idle() const override {
        return read_.state == OpState::idle && write_.state == OpState::idle;
    }

   protected:
    explicit Waitable(Loop& loop);

    // Without an event, and beside a wait of another.
    Result try_now(Op& op, OpKind kind, void* data, size_t size);

    // Closes the descriptor, if it is the library's own.
    virtual void close_descriptor() = 0;

    Result submit(Op& op, OpKind kind, void* data, size_t size, double deadline);
    // Errc::busy unless an operation with this deadline can use the op.
    static Result check_free(const Op& op, double deadline);

    Loop& loop_;
    IoSource source_;
    Op read_;
    Op write_;
};

}  // namespace socket2
