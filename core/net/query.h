// A look-up in flight on a loop.
#pragma once

#include <cstdint>
#include <memory>

#include "core/io/loop.h"
#include "core/net/resolver.h"

namespace socket2 {

// For one look-up.
class Query final : public Object {
   public:
    static constexpr unsigned kKinds = kLookup;

    // May throw bad_alloc.
    explicit Query(Loop& loop);
    ~Query() override;

    // Once: the op completes with the number of addresses or an error, never at once. The texts
    // are copied. May throw bad_alloc, with nothing started.
    void start(Resolver& resolver, const Endpoint& endpoint, double deadline);
    // Once more from the beginning, if it is under way. May throw bad_alloc, with nothing changed.
    void ask_again(Resolver& resolver);
    // The op completes with Errc::canceled; does nothing after it was completed.
    void cancel() { end(Errc::canceled); }
    // What the op came to; Errc::busy before it was taken. After a success there are addresses.
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
    std::shared_ptr<Job> job_;  // null: its answer is not wanted (any more)
};

}  // namespace socket2
