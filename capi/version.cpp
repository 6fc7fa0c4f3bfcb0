#include <new>
#include <string>

#include "capi/socket2.h"
#include "core/base/clock.h"
#include "core/foreign/feature.h"

namespace {

std::string found_features() {
    std::string text;
    for (const socket2::Feature& feature : socket2::features()) {
        if (feature.library() == nullptr) continue;
        text.append(feature.name).append(" ").append(feature.version());
        text.append(" ").append(feature.library()).append("\n");
    }
    return text;
}

}  // namespace

const char* socket2_version(void) { return SOCKET2_VERSION_STRING; }

const char* socket2_features(void) try {
    static const std::string text = found_features();
    return text.c_str();
} catch (const std::bad_alloc&) {
    return "";
}

int socket2_abi_version(void) { return SOCKET2_ABI_VERSION; }

double socket2_clock(void) { return socket2::MonotonicClock().now(); }

double socket2_time(void) { return socket2::time_of_day(); }
