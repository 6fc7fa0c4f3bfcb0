// What a handle names, and what owns ops.
#pragma once

#include <cstdint>

#include "core/base/intrusive_list.h"
#include "core/io/op.h"

namespace socket2 {

class Loop;
class Stream;

// As bits, so that a class of several kinds can say which.
enum ObjectKind : uint8_t {
    kTcp = 1,
    kUdp = 2,  // raw sockets too
    kFd = 4,
    kTimer = 8,
    kLookup = 16,
    kPort = 32,
    kSignalWatch = 64,
};

// Its maker owns it until Loop::close(); from then on the loop does, until its ops were taken.
class Object : public ListNode<Object> {
   public:
    explicit Object(ObjectKind kind) : kind_(kind) {}
    virtual ~Object() = default;

    ObjectKind kind() const { return kind_; }

    // Its name across the boundary, set when it is given one; 0: none. The core never looks at it.
    int32_t handle() const { return handle_; }
    void set_handle(int32_t handle) { handle_ = handle; }

    // The op of that side, of which a cancel and a wait are; null: it has none.
    virtual Op* op(Side) { return nullptr; }
    const Op* op(Side side) const { return const_cast<Object*>(this)->op(side); }
    // Null unless it is one.
    virtual Stream* stream() { return nullptr; }

    // One of its ops has completed, and the loop hands it out. True: the object has taken it, and goes on by
    // itself (Loop::go_on()); else it becomes an event.
    virtual bool on_completed(Op&) { return false; }

    // Whether no op is in flight, or completed and not taken.
    bool idle() const { return is_idle(Side::read) && is_idle(Side::write); }

   private:
    friend class Loop;

    // Before it goes: ends what is in flight with Errc::closed, and lets go of the system.
    virtual void on_close(Loop& loop) = 0;

    bool is_idle(Side side) const {
        const Op* const its = op(side);
        return its == nullptr || its->state == OpState::idle;
    }

    int32_t handle_ = 0;
    const ObjectKind kind_;
};

}  // namespace socket2
