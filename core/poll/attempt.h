// One try of an op, by system calls that do not block.
#pragma once

#include <cstdint>

#include "core/base/result.h"
#include "core/io/io_op.h"

namespace socket2 {

// What a try came to.
struct Attempt {
    enum class Next : uint8_t {
        over,  // the op is over, with the result
        wait,  // nothing to read, or no room: wait for the system's report
        more,  // has had its share of this turn, and could go on at once
    };

    static Attempt over(Result result) { return {Next::over, result}; }
    static Attempt wait() { return {Next::wait, Result::pending()}; }
    static Attempt more() { return {Next::more, Result::pending()}; }

    Next next;
    Result result;
};

// Whether a connect waits on the source. A read beside it would take the error that the connect has
// to report.
bool is_connecting(const IoSource& source);

// The result of a connect that has succeeded. It is done, unless the system has connected the
// socket to itself: that can happen when the port has no listener and is the one that the system
// has picked for this side. Such a connection is undone and counts as refused. This takes two
// system calls, and only when op.to_itself says that it is possible.
Result connected(const IoOp& op, Descriptor fd);

// The Ready bit of a side.
uint8_t direction(Side side);

// Takes any op but a lookup. A send that goes out in parts counts them in op.done.
Attempt attempt(IoOp& op);

}  // namespace socket2
