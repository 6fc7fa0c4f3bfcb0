// Signals of the system that a loop watches for.
#pragma once

#include <cstdint>
#include <memory>

#include "core/io/io_source.h"
#include "core/io/loop.h"
#include "core/io/signal_hub.h"

namespace socket2 {

// Its maker owns it until close(); from then on the loop does, until its op was taken. For the
// loop's thread.
class SignalWatch final : public OpOwner {
   public:
    // May throw bad_alloc.
    SignalWatch(Loop& loop, SignalSet signals);
    ~SignalWatch() override;

    // The owner's name for it, handed back with its op (op.source.user).
    void set_user(int64_t user) { source_.user = user; }

    // Once: what comes from now on is kept until a wait takes it. May throw bad_alloc.
    Result start();

    // One signal (its bit) of those that came since the last wait.
    Result wait(double deadline);
    // The op completes with Errc::canceled, unless a signal was faster.
    void cancel() { loop_.cancel(op_, Errc::canceled); }
    const Op& op() const { return op_; }

    // A pending op completes with Errc::closed, unless a signal was faster.
    static void close(std::unique_ptr<SignalWatch> watch);

    bool idle() const override { return op_.state == OpState::idle; }

   private:
    class Mail;

    struct Waiting final : OutsideOp {
        using OutsideOp::OutsideOp;
        // A signal that it has been given stays its result.
        bool let_go() override { return !in_list(); }
    };

    void arrived();
    void leave();

    Loop& loop_;
    IoSource source_;
    Waiting op_;
    std::shared_ptr<Mail> mail_;
};

}  // namespace socket2
