// An object: a handle names it, and it owns ops.
#pragma once

#include <cstdint>

#include "core/base/intrusive_list.h"
#include "core/io/op.h"

namespace socket2 {

class Loop;
class Stream;

// Bits, so that a class of several kinds can name them all.
enum ObjectKind : uint8_t {
    kTcp = 1,
    kUdp = 2,  // raw sockets too
    kFd = 4,
    kTimer = 8,
    kLookup = 16,
    kPort = 32,
    kSignalWatch = 64,
};

// Its maker owns it until Loop::close(). From then on the loop owns it, until its ops have been
// taken.
class Object : public ListNode<Object> {
   public:
    explicit Object(ObjectKind kind) : kind_(kind) {}
    virtual ~Object() = default;

    ObjectKind kind() const { return kind_; }

    // Its handle for programs, set when it gets one; 0: none. The core never looks at it.
    int32_t handle() const { return handle_; }
    void set_handle(int32_t handle) { handle_ = handle; }

    // The op of that side, which waits use and cancels end; null when there is none.
    virtual Op* op(Side) { return nullptr; }
    const Op* op(Side side) const { return const_cast<Object*>(this)->op(side); }
    // The object as a stream; null when it is none.
    virtual Stream* stream() { return nullptr; }

    // Called when the loop hands out a completed op. True: the object has taken it, and goes on by
    // itself (Loop::go_on()). False: the op becomes an event.
    virtual bool on_completed(Op&) { return false; }

    // True while the program may be reading memory of this object. Then close() leaves it until the
    // next poll.
    virtual bool lends() const { return false; }

    // True when no op is in flight, or completed but not taken.
    bool idle() const { return is_idle(Side::read) && is_idle(Side::write); }

   private:
    friend class Loop;

    // Called before the object goes: completes the ops in flight with Errc::closed, and releases
    // what the system holds for it.
    virtual void on_close(Loop& loop) = 0;

    bool is_idle(Side side) const {
        const Op* const its = op(side);
        return its == nullptr || its->state == OpState::idle;
    }

    int32_t handle_ = 0;
    const ObjectKind kind_;
};

}  // namespace socket2
