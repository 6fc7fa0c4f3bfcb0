// What a loop can wait on: a descriptor with two ops, one a direction.
#pragma once

#include <memory>

#include "core/io/loop.h"

namespace socket2 {

class Waitable : public Object {
   public:
    static constexpr unsigned kKinds = kTcp | kUdp | kFd;

    ~Waitable() override;

    Descriptor descriptor() const { return source_.fd; }

    // Done when the direction has something to do (the end of a stream and errors are).
    virtual Result wait(Side side, double deadline);
    using Object::op;
    IoOp* op(Side side) override { return side == Side::read ? &read_ : &write_; }

    // Closes it, but for the descriptor: the value.
    static Descriptor detach(std::unique_ptr<Waitable> waitable);

   protected:
    Waitable(Loop& loop, ObjectKind kind);

    // Closes the descriptor, if it is the library's own.
    virtual void close_descriptor() = 0;

    Result submit(IoOp& op, OpKind kind, const Memory& memory, double deadline);
    // Of a stream.
    Result send_all(OpKind kind, Slices slices, double deadline);
    // Errc::busy unless an operation with this deadline can use the op.
    static Result check_free(const IoOp& op, double deadline);

    Loop& loop_;
    IoSource source_;
    IoOp read_;
    IoOp write_;

   private:
    void on_close(Loop&) override;
    void let_go();

    // Without an event, and beside a wait of another.
    Result try_now(IoOp& op, OpKind kind, const Memory& memory);
};

}  // namespace socket2
