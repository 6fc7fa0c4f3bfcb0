#include "capi/socket2.h"
#include "core/base/clock.h"

const char* socket2_version(void) { return SOCKET2_VERSION_STRING; }

int socket2_abi_version(void) { return SOCKET2_ABI_VERSION; }

double socket2_clock(void) { return socket2::MonotonicClock().now(); }

double socket2_time(void) { return socket2::time_of_day(); }
