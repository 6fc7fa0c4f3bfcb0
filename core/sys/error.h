// The system's error codes in the library's words.
#pragma once

#include "core/base/error.h"

namespace socket2::sys {

// The library's error for an errno.
Errc errc_of(int os_code);

}  // namespace socket2::sys
