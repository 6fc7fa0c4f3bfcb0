// zlib's functions, null until library() has opened it.
#pragma once

#include <zlib.h>

#include "core/foreign/import.h"

#define SOCKET2_ZLIB(X) \
    X(zlibVersion)      \
    X(deflateInit2_)    \
    X(deflate)          \
    X(deflateEnd)       \
    X(inflateInit2_)    \
    X(inflate)          \
    X(inflateEnd)

namespace socket2::zlib {

SOCKET2_ZLIB(SOCKET2_POINTER)

// Opens zlib once. Returns its name, or null when there is none. Any thread.
const char* library();

}  // namespace socket2::zlib
