// An object that waits for signals of the system.
#pragma once

#include <cstdint>
#include <memory>

#include "core/io/loop.h"
#include "core/sys/signal_hub.h"

namespace socket2 {

// Used in the loop's thread only. A wait that was given a signal keeps it as its result, even if
// the watch is closed then.
class SignalWatch final : public Object {
   public:
    static constexpr unsigned kKinds = kSignalWatch;

    // May throw bad_alloc.
    SignalWatch(Loop& loop, SignalSet signals);
    ~SignalWatch() override;

    // Called once. Signals that come from now on are kept until a wait takes them. May throw
    // bad_alloc.
    Result start();

    // Completes with one signal (its bit) of those that came since the last wait.
    Result wait(double deadline);

    using Object::op;
    Op* op(Side side) override { return side == Side::read ? &op_ : nullptr; }

   private:
    class Mail;

    struct Waiting final : ExternalOp {
        using ExternalOp::ExternalOp;
        // An op that was given a signal keeps it as its result.
        bool let_go() override { return !in_list(); }
    };

    void on_close(Loop&) override;
    void arrived();
    void leave();

    Loop& loop_;
    Waiting op_;
    std::shared_ptr<Mail> mail_;
};

}  // namespace socket2
