#include "core/sys/process.h"

namespace socket2 {

// There is no fork on Windows.
uint32_t process_number() { return 1; }

CallAroundForks::CallAroundForks() = default;
CallAroundForks::~CallAroundForks() = default;

}  // namespace socket2
