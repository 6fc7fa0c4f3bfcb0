// Signals of the system that a loop watches for.
#pragma once

#include <cstdint>
#include <memory>

#include "core/io/loop.h"
#include "core/sys/signal_hub.h"

namespace socket2 {

// For the loop's thread. A signal that its wait was given stays the result when it is closed.
class SignalWatch final : public Object {
   public:
    static constexpr unsigned kKinds = kSignalWatch;

    // May throw bad_alloc.
    SignalWatch(Loop& loop, SignalSet signals);
    ~SignalWatch() override;

    // Once: what comes from now on is kept until a wait takes it. May throw bad_alloc.
    Result start();

    // One signal (its bit) of those that came since the last wait.
    Result wait(double deadline);

    using Object::op;
    Op* op(Side side) override { return side == Side::read ? &op_ : nullptr; }

   private:
    class Mail;

    struct Waiting final : ExternalOp {
        using ExternalOp::ExternalOp;
        // A signal that it has been given stays its result.
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
