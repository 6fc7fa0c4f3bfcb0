// Runs a Lua state in an OS thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/thread/channel.h"

namespace socket2 {

// Lua's own functions, from the library that the program has; a lua_State is void here.
struct LuaFunctions {
    void* (*newstate)();
    void (*openlibs)(void*);
    int (*loadbuffer)(void*, const char*, size_t, const char*);
    void (*pushnumber)(void*, double);
    int (*pcall)(void*, int, int, int);
    int (*cpcall)(void*, int (*)(void*), void*);
    const char* (*tolstring)(void*, int, size_t*);
    void (*close)(void*);
};

// What a thread runs.
struct LuaCode {
    LuaFunctions lua;
    std::string code;  // source or bytecode
    std::string name;  // the thread's
    double argument;   // the only one
};

// Starts a thread that runs the code in a new state, closes the state, and shuts `channel` down. If
// the code fails, a message goes to the channel first: a zero byte and the text of the error.
// Errors are start_thread()'s; after one the channel is unchanged. May throw bad_alloc, with
// nothing started.
Result start_lua_state(LuaCode code, std::shared_ptr<Channel> channel);

}  // namespace socket2
