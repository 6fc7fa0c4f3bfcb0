#include "core/thread/lua_state.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "core/io/thread.h"

namespace socket2 {
namespace {

// What a thread has. All that it needs to say that there is no memory is made before it starts.
struct Job {
    Job(LuaCode the_code, std::shared_ptr<Channel> the_channel)
        : start(std::move(the_code)),
          chunk_name("=" + start.name),
          channel(std::move(the_channel)) {
        failure->bytes = std::string_view("\0not enough memory", 18);
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    ~Job() { std::free(error); }

    const LuaCode start;
    const std::string chunk_name;
    const std::shared_ptr<Channel> channel;
    MessagePtr failure = std::make_unique<Message>();
    bool failed = true;
    char* error = nullptr;  // the text of it, malloc's; null: there was no memory for it
    size_t error_size = 0;
};

// The thread's own. A function that Lua calls is given the state alone.
thread_local constinit Job* running = nullptr;

// In the state, in protected mode: an error of Lua's leaves this frame and runs no destructors.
int run_code(void* state) {
    Job& job = *running;
    const LuaFunctions& lua = job.start.lua;
    const std::string& code = job.start.code;
    lua.openlibs(state);
    if (lua.loadbuffer(state, code.data(), code.size(), job.chunk_name.c_str()) == 0) {
        lua.pushnumber(state, job.start.argument);
        if (lua.pcall(state, 1, 0, 0) == 0) {
            job.failed = false;
            return 0;
        }
    }
    size_t size = 0;
    const char* text = lua.tolstring(state, -1, &size);
    if (text == nullptr) {
        text = "the error is not a text";
        size = std::strlen(text);
    }
    job.error = static_cast<char*>(std::malloc(size + 1));
    if (job.error != nullptr) std::memcpy(job.error, text, size);
    job.error_size = size;
    return 0;
}

void run_state(Job& job) {
    const LuaFunctions& lua = job.start.lua;
    void* const state = lua.newstate();
    if (state == nullptr) return;
    running = &job;
    // What is raised in there, and not caught by its own call, is a want of memory.
    if (lua.cpcall(state, run_code, nullptr) != 0) job.failed = true;
    lua.close(state);
}

void tell_failure(Job& job) {
    std::string& bytes = job.failure->bytes;
    try {
        if (job.error != nullptr) {
            std::string text(1, '\0');
            text.append(job.error, job.error_size);
            bytes = std::move(text);
        }
    } catch (const std::bad_alloc&) {  // which the message says already
    }
    job.channel->force(std::move(job.failure));
}

void run(Job& job) {
    // A thread can do without a name.
    static_cast<void>(set_thread_name(job.start.name.c_str()));
    run_state(job);
    if (job.failed) tell_failure(job);
    job.channel->shutdown();
}

}  // namespace

Result start_lua_state(LuaCode code, std::shared_ptr<Channel> channel) {
    const auto job = std::make_shared<Job>(std::move(code), std::move(channel));
    return start_thread([job] { run(*job); });
}

}  // namespace socket2
