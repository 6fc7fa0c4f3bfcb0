#include "core/sys/library.h"

#include <dlfcn.h>

#include "core/sys/imports.h"

namespace socket2 {
namespace {

// A program may export a library with the same functions; node exports OpenSSL. Without DEEPBIND
// the library that is opened here would call into that one.
int flags() {
    int flags = RTLD_NOW | RTLD_LOCAL;
#ifdef RTLD_DEEPBIND
    // The sanitizers end a program that asks for it.
    if (dlsym(RTLD_DEFAULT, "__sanitizer_print_stack_trace") == nullptr) flags |= RTLD_DEEPBIND;
#endif
    return flags;
}

}  // namespace

const char* open_library(std::initializer_list<const char*> names,
                         std::span<const Import> imports) {
    for (const char* name : names) {
        void* const library = dlopen(name, flags());
        if (library == nullptr) continue;
        if (set_imports(imports, [&](const char* symbol) { return dlsym(library, symbol); })) {
            return name;
        }
        dlclose(library);
    }
    return nullptr;
}

}  // namespace socket2
