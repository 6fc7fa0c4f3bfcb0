// One try of an op by the system's calls that do not block.
#pragma once

#include <cstdint>

#include "core/base/result.h"
#include "core/io/io_op.h"

namespace socket2 {

// What a try came to.
struct Attempt {
    enum class Next : uint8_t {
        over,  // with the result
        wait,  // there is nothing, or no room: go on when the system tells
        more,  // had its share of this turn, and could go on at once
    };

    static Attempt over(Result result) { return {Next::over, result}; }
    static Attempt wait() { return {Next::wait, Result::pending()}; }
    static Attempt more() { return {Next::more, Result::pending()}; }

    Next next;
    Result result;
};

// Whether a connect waits on it. A read beside it would take the error that it has to tell.
bool is_connecting(const IoSource& source);

// What a connect that has succeeded comes to. Done, unless the system has connected the socket to
// itself, which it can when no one listens and the port is the one that it has picked for this
// side: that connection is undone and counts as refused. Two calls of the system, where op.to_itself
// says that it may be so.
Result connected(const IoOp& op, Descriptor fd);

// The Ready bit of a side.
uint8_t direction(Side side);

// Any op but a lookup. A send that goes out in parts counts them in op.done.
Attempt attempt(IoOp& op);

}  // namespace socket2
