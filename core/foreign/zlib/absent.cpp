// For a build without zlib's header.
#include "core/foreign/feature.h"

namespace socket2::zlib {
namespace {

const char* nothing() { return nullptr; }

}  // namespace

Feature feature() { return {"zlib", nothing, nothing}; }

}  // namespace socket2::zlib
