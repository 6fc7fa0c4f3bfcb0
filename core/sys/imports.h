// What every system's open_library() does once it has a library.
#pragma once

#include "core/sys/library.h"

namespace socket2 {

// Whether `find` has all of the functions; only then are they set.
template <typename Find>
bool set_imports(std::span<const Import> imports, Find find) {
    for (const Import& import : imports) {
        if (find(import.name) == nullptr) return false;
    }
    for (const Import& import : imports) import.set(find(import.name));
    return true;
}

}  // namespace socket2
