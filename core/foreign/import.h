// How a foreign library's functions are called without linking it: pointers of the same names and types in
// a namespace of ours, which name look-up finds first. What the library's header defines as macros over
// them works unchanged.
//
//     #define FUNCTIONS(X) X(deflate) X(deflateEnd)
//     namespace socket2::zlib { FUNCTIONS(SOCKET2_POINTER) }
//     constexpr Import kImports[] = {FUNCTIONS(SOCKET2_IMPORT)};
#pragma once

#include "core/sys/library.h"

// The names of functions, which cannot be in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)

// Pointers, not functions: argument-dependent look-up would find both and be ambiguous.
#define SOCKET2_POINTER(name) inline decltype(&::name) name = nullptr;

// Names become texts after macros have been expanded: what is exported may have another name.
#define SOCKET2_TEXT(name) #name
#define SOCKET2_IMPORT(name) \
    Import{SOCKET2_TEXT(name), [](void* p) { name = reinterpret_cast<decltype(name)>(p); }},

// NOLINTEND(bugprone-macro-parentheses)
