#include "core/foreign/zlib/zlib.h"

#include "core/foreign/feature.h"

namespace socket2::zlib {
namespace {

constexpr Import kImports[] = {SOCKET2_ZLIB(SOCKET2_IMPORT)};

const char* version() { return library() != nullptr ? zlibVersion() : nullptr; }

}  // namespace

const char* library() {
    // The sonames of Linux and NetBSD, FreeBSD, OpenBSD, macOS, Windows.
    static const char* const opened = open_library(
        {"libz.so.1", "libz.so.6", "libz.so.7.0", "libz.1.dylib", "zlib1.dll"}, kImports);
    return opened;
}

Feature feature() { return {"zlib", library, version}; }

}  // namespace socket2::zlib
