// For states that cannot occur: ends the process with the reason, in every build, before a wrong
// state can reach user memory. What a caller can cause is an error code, never this.
#pragma once

#include <cstdio>
#include <cstdlib>

#define SOCKET2_ASSERT(condition, reason)                                             \
    do {                                                                              \
        if (!(condition)) [[unlikely]] {                                              \
            std::fprintf(stderr, "socket2: %s:%d: %s\n", __FILE__, __LINE__, reason); \
            std::abort();                                                             \
        }                                                                             \
    } while (0)
