// The seam: turns submitted ops into completed ops. Everything above is the same on every system.
//
// The contract, which spec/core/poller_contract.h holds against every implementation:
//  - submit() returns a value or an error, and the op is over; or pending, and the op is the
//    poller's until it appears in a completed list, exactly once, with op.result set. Errc::busy
//    means: not now, and the system will not tell when, so submit again later. For a wait it
//    means: another source has registered the descriptor.
//  - cancel() makes a submitted op complete soon. If the system was faster, the op keeps its
//    value; otherwise its result is Errc::canceled. After that the system no longer
//    touches the op's memory.
//  - detach() comes before the descriptor is closed, after every op of the source was canceled.
//  - wait() appends to the list and makes no callbacks, so nothing is closed while it runs.
//  - wake() may come from any thread, and makes the present or the next wait() return.
#pragma once

#include "core/io/io_op.h"

namespace socket2 {

class Poller {
   public:
    virtual ~Poller() = default;

    // Introduces the source. A completion port needs this when a descriptor is made. Readiness
    // pollers do nothing here: they register a source when its first op has to wait.
    virtual Result attach(IoSource& source) = 0;
    virtual void detach(IoSource& source) = 0;

    // The program has shut down these directions (Ready) of the source's socket, and the ops that
    // wait there have to learn of it. Most systems report that by themselves.
    virtual void shut(IoSource&, int /*directions*/) {}

    virtual Result submit(IoOp& op) = 0;
    virtual void cancel(IoOp& op) = 0;

    // Gets what an op can have without waiting, whether or not other ops are in flight on the
    // source. The results are like submit()'s, but pending means that there was nothing, and the op
    // is the caller's again. From then on wait() returns when that may have changed. A send may
    // take only a part.
    virtual Result try_now(IoOp& op) = 0;

    // Waits at most `seconds` (0: only looks, kNever: forever). It returns early by at most the
    // clock's grain, unless something completed, a signal came or wake() was called.
    virtual Result wait(double seconds, OpList& completed) = 0;
    virtual void wake() const = 0;

    // In a forked child, where everything that the system knows about the poller belongs to the
    // parent and must not change. Gives back its ops, either like ops that were never submitted or
    // with their results, and forgets its sources. After this it can only be destroyed, or asked
    // again.
    virtual void abandon(OpList& /*unfinished*/, OpList& /*finished*/) {}
};

}  // namespace socket2
