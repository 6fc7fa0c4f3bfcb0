#include "core/sys/process_settings.h"

#include <climits>

namespace socket2 {

// There are no signals on Windows.
void ignore_broken_pipes() {}

int lowest_picked_port() { return 1024; }

int descriptor_limit() { return INT_MAX; }

}  // namespace socket2
