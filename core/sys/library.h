// A library from the system or the program, opened when it is first needed.
#pragma once

#include <initializer_list>
#include <span>

namespace socket2 {

// A function of a library, by its exported name, and the pointer that gets its address.
struct Import {
    const char* name;
    void (*set)(void* address);
};

// Opens the first of `names` that has all of `imports`, and sets them. Returns that name, or null.
// The library stays open, because a thread may still be in it at exit. Any thread; may block on
// files.
const char* open_library(std::initializer_list<const char*> names, std::span<const Import> imports);

}  // namespace socket2
