// A library of the system's or the program's, opened when it is first needed.
#pragma once

#include <initializer_list>
#include <span>

namespace socket2 {

// A function of a library, by its exported name, and what takes its address.
struct Import {
    const char* name;
    void (*set)(void* address);
};

// Opens the first of `names` that has all of `imports`, and sets them; which one that is, or null. It
// stays open: at exit a thread may still be in it. Any thread; may block on files.
const char* open_library(std::initializer_list<const char*> names, std::span<const Import> imports);

}  // namespace socket2
