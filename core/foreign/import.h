// How a foreign library's functions are called without linking it: through pointers of the same
// names and types in a namespace of this library, which name lookup finds first. Macros that the
// library's header defines over its functions work unchanged.
//
//     #define FUNCTIONS(X) X(deflate) X(deflateEnd)
//     namespace socket2::zlib { FUNCTIONS(SOCKET2_POINTER) }
//     constexpr Import kImports[] = {FUNCTIONS(SOCKET2_IMPORT)};
#pragma once

#include "core/sys/library.h"

// X takes the names of functions, which cannot be in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)

// The pointers are found instead of the functions, because argument-dependent lookup would find
// functions of both namespaces and be ambiguous.
#define SOCKET2_POINTER(name) inline decltype(&::name) name = nullptr;

// Names become texts after macros have been expanded, because a function may be exported under
// another name.
#define SOCKET2_TEXT(name) #name
#define SOCKET2_IMPORT(name) \
    Import{SOCKET2_TEXT(name), [](void* p) { name = reinterpret_cast<decltype(name)>(p); }},

// NOLINTEND(bugprone-macro-parentheses)
