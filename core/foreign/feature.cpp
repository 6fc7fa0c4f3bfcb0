#include "core/foreign/feature.h"

namespace socket2 {

std::span<const Feature> features() {
    static const Feature kFeatures[] = {zlib::feature()};
    return kFeatures;
}

}  // namespace socket2
