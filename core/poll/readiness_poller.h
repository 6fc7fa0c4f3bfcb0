// A Poller over a Selector: completion imitated by "try, park, try again".
#pragma once

#include <memory>

#include "core/io/poller.h"
#include "core/poll/selector.h"

namespace socket2 {

class ReadinessPoller final : public Poller {
   public:
    explicit ReadinessPoller(std::unique_ptr<Selector> selector);

    Result attach(IoSource& source) override;
    void detach(IoSource& source) override;
    Result submit(IoOp& op) override;
    void cancel(IoOp& op) override;
    Result try_now(IoOp& op) override;
    Result wait(double seconds, OpList& completed) override;
    void wake() const override;
    void abandon(OpList& unfinished, OpList& finished) override;

   private:
    Result watch(IoSource& source);
    void retry(IoOp& op, OpList& completed);
    void leave(IoOp& op);

    std::unique_ptr<Selector> selector_;
    OpList hot_;       // parked although ready: had its share of this turn, goes on in the next
    OpList finished_;  // canceled or failed, to be reported by the next wait()
};

}  // namespace socket2
