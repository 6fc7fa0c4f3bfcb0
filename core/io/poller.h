// The seam: turns submitted ops into completed ops. Everything above is the same on every system.
//
// The contract, which spec/core/poller_contract.h holds against every implementation:
//  - submit() returns a value or an error, and the op is over; or pending, and the op is the
//    poller's until it appears in a completed list, exactly once, with op.result set. Errc::busy
//    means: not now, and the system will not tell when, so submit again later; of a wait: the
//    descriptor is registered by another source.
//  - cancel() makes a submitted op complete soon. If the system was faster the op keeps its value;
//    else its result is Errc::canceled. After that the system no longer touches the op's memory.
//  - detach() comes before the descriptor is closed, after every op of the source was canceled.
//  - wait() appends to the list and calls nobody back, so nothing can be closed under its feet.
//  - wake() may come from any thread, and makes the present or the next wait() return.
#pragma once

#include "core/io/io_op.h"

namespace socket2 {

class Poller {
   public:
    virtual ~Poller() = default;

    // Makes the source known. A completion port wants this at birth; readiness pollers register
    // on their own at the first op that has to wait, and do nothing here.
    virtual Result attach(IoSource& source) = 0;
    virtual void detach(IoSource& source) = 0;

    // The program has shut these directions (Ready) of the source's socket: what waits there learns
    // of it. Most systems tell by themselves.
    virtual void shut(IoSource&, int /*directions*/) {}

    virtual Result submit(IoOp& op) = 0;
    virtual void cancel(IoOp& op) = 0;

    // What can be had of an op without waiting, whether or not others are in flight on the source:
    // as submit(), but pending means that there was nothing, and the op is the caller's again. From
    // then on wait() returns when that may have changed. A send may give a part.
    virtual Result try_now(IoOp& op) = 0;

    // Waits at most `seconds` (0: only looks, kNever: for ever) and never returns early by more
    // than the clock's grain, unless something completed, a signal came or somebody woke it.
    virtual Result wait(double seconds, OpList& completed) = 0;
    virtual void wake() const = 0;

    // In a forked child, where all that the system knows of the poller is the parent's, to which
    // nothing is to happen: gives back its ops, as if they had not been submitted or with their
    // results, and forgets its sources. After this it can only be destroyed, or asked again.
    virtual void abandon(OpList& /*unfinished*/, OpList& /*finished*/) {}
};

}  // namespace socket2
