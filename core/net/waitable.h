// A descriptor that a loop can wait on, with one op for each direction.
#pragma once

#include <memory>

#include "core/io/loop.h"

namespace socket2 {

class Waitable : public Object {
   public:
    static constexpr unsigned kKinds = kTcp | kUdp | kFd;

    ~Waitable() override;

    Descriptor descriptor() const { return source_.fd; }

    // Done when the direction has something to do; the end of a stream and errors count as that.
    virtual Result wait(Side side, double deadline);
    using Object::op;
    IoOp* op(Side side) override { return side == Side::read ? &read_ : &write_; }

    // Closes the object, but leaves its descriptor open and returns it.
    static Descriptor detach(std::unique_ptr<Waitable> waitable);

   protected:
    Waitable(Loop& loop, ObjectKind kind);

    // Closes the descriptor, if the library owns it.
    virtual void close_descriptor() = 0;

    Result submit(IoOp& op, OpKind kind, const Memory& memory, double deadline);
    // Sends all slices on a stream.
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

    // Tries at once, without an event, and also while another operation waits.
    Result try_now(IoOp& op, OpKind kind, const Memory& memory);
};

}  // namespace socket2
