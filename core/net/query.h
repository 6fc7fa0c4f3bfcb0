// A lookup in flight on a loop.
#pragma once

#include <cstdint>
#include <memory>

#include "core/io/loop.h"
#include "core/net/resolver.h"

namespace socket2 {

// Each does one lookup.
class Query final : public Object {
   public:
    static constexpr unsigned kKinds = kLookup;

    // May throw bad_alloc.
    explicit Query(Loop& loop);
    ~Query() override;

    // Called once. The op completes with the number of addresses or an error, and never at once.
    // The texts are copied. May throw bad_alloc, with nothing started.
    void start(Resolver& resolver, const Endpoint& endpoint, double deadline);
    // Starts again from the beginning, if the lookup is under way. May throw bad_alloc, with
    // nothing changed.
    void ask_again(Resolver& resolver);
    // The op completes with Errc::canceled. Does nothing after it has completed.
    void cancel() { end(Errc::canceled); }
    // The op's result; Errc::busy before the op was taken. After a success there are addresses.
    Result result() const;
    const Lookup& found() const { return found_; }

    using Object::op;
    Op* op(Side side) override { return side == Side::read ? &op_ : nullptr; }

   private:
    class Job;

    void on_close(Loop&) override { end(Errc::closed); }
    Result ask(Resolver& resolver, const Endpoint& endpoint, double deadline);
    void end(Errc reason);
    void finish(Result result);
    void leave_job();

    Loop& loop_;
    ExternalOp op_;
    Lookup found_;
    std::shared_ptr<Job> job_;  // null: its answer is not wanted, or no longer wanted
};

}  // namespace socket2
