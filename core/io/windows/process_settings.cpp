#include "core/io/process_settings.h"

#include <climits>

namespace socket2 {

// There are no signals here.
void ignore_broken_pipes() {}

int descriptor_limit() { return INT_MAX; }

}  // namespace socket2
