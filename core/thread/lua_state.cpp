#include "core/thread/lua_state.h"

#include <cstring>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

#include "core/base/immortal.h"
#include "core/sys/process.h"
#include "core/sys/thread.h"

namespace socket2 {
namespace {

// What a thread has. It is made before the thread starts, with all that the thread needs to report
// that memory ran out. The thread itself throws nothing and has no thread_local: if memory is out
// when a thread first uses the thread-local data of a library that was loaded late, the system ends
// the process.
struct Job {
    Job(LuaCode the_code, std::shared_ptr<Channel> the_channel)
        : start(std::move(the_code)),
          chunk_name("=" + start.name),
          channel(std::move(the_channel)) {}

    const LuaCode start;
    const std::string chunk_name;
    const std::shared_ptr<Channel> channel;
    MessagePtr no_memory = std::make_unique<Message>(std::string_view("\0not enough memory", 18));
    MessagePtr failure = std::make_unique<Message>();
    void* state = nullptr;
    Job* next = nullptr;  // in Running
    bool failed = true;
};

// The jobs that are in their states. Global, because a function that Lua calls is given nothing but
// the state, and to learn more it would have to know the Lua functions of this job.
class Running {
   public:
    void add(Job& job) {
        const std::lock_guard lock(mutex_);
        job.next = std::exchange(first_, &job);
    }

    Job& find(const void* state) {
        const std::lock_guard lock(mutex_);
        return **place([&](const Job& job) { return job.state == state; });
    }

    void remove(const Job& job) {
        const std::lock_guard lock(mutex_);
        *place([&](const Job& other) { return &other == &job; }) = job.next;
    }

   private:
    template <typename Is>
    Job** place(Is is) {
        Job** link = &first_;
        while (!is(**link)) link = &(*link)->next;
        return link;
    }

    std::mutex& mutex_ = process_lock(LockKind::registry);
    Job* first_ = nullptr;
};

Immortal<Running> running;

// Puts the text of the error on top of the stack into job.failure; leaves it empty when memory is
// out.
void take_error(const LuaFunctions& lua, void* state, Message& failure) {
    size_t size = 0;
    const char* text = lua.tolstring(state, -1, &size);
    if (text == nullptr) {
        text = "the error is not a text";
        size = std::strlen(text);
    }
    failure.data.reset(new (std::nothrow) char[size + 1]);
    if (failure.data == nullptr) return;
    failure.size = size + 1;
    failure.data[0] = '\0';
    std::memcpy(&failure.data[1], text, size);
}

// Runs inside the state, in protected mode: a Lua error leaves this frame without running
// destructors.
int run_code(void* state) {
    Job& job = running->find(state);
    const LuaFunctions& lua = job.start.lua;
    const std::string& code = job.start.code;
    lua.openlibs(state);
    if (lua.loadbuffer(state, code.data(), code.size(), job.chunk_name.c_str()) == 0) {
        lua.pushnumber(state, job.start.argument);
        job.failed = lua.pcall(state, 1, 0, 0) != 0;
    }
    if (job.failed) take_error(lua, state, *job.failure);
    return 0;
}

void run_state(Job& job) {
    const LuaFunctions& lua = job.start.lua;
    job.state = lua.newstate();
    if (job.state == nullptr) return;
    running->add(job);
    // An error that is raised inside and not caught by the inner call means that memory is out.
    lua.cpcall(job.state, run_code, nullptr);
    running->remove(job);
    lua.close(job.state);
}

void run(Job& job) {
    // A thread can work without a name.
    static_cast<void>(set_thread_name(job.start.name.c_str()));
    run_state(job);
    if (job.failed) {
        const bool told = job.failure->data != nullptr;
        job.channel->force(std::move(told ? job.failure : job.no_memory));
    }
    job.channel->shutdown();
}

}  // namespace

Result start_lua_state(LuaCode code, std::shared_ptr<Channel> channel) {
    const auto job = std::make_shared<Job>(std::move(code), std::move(channel));
    return start_thread([job] { run(*job); }, SignalMask::inherited);
}

}  // namespace socket2
