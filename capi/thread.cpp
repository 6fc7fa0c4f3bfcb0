#include "core/sys/thread.h"

#include <string_view>

#include "capi/handles.h"
#include "core/thread/lua_state.h"

using namespace socket2;
using namespace socket2::capi;

namespace {

bool is_complete(const LuaFunctions& lua) {
    return lua.newstate != nullptr && lua.openlibs != nullptr && lua.loadbuffer != nullptr &&
           lua.pushnumber != nullptr && lua.pcall != nullptr && lua.cpcall != nullptr &&
           lua.tolstring != nullptr && lua.close != nullptr;
}

LuaFunctions functions_of(const socket2_lua& lua) {
    return {lua.newstate, lua.openlibs, lua.loadbuffer, lua.pushnumber,
            lua.pcall,    lua.cpcall,   lua.tolstring,  lua.close};
}

}  // namespace

int socket2_thread_new(int loop, const socket2_lua* lua, const char* code, size_t size,
                       const char* name, int channel) {
    return on_object<Port>(loop, channel, [&](LoopEntry& entry, Port& port) -> int {
        if (lua == nullptr || !is_buffer(code, size) || name == nullptr) return SOCKET2_EINVAL;
        const LuaFunctions functions = functions_of(*lua);
        if (!is_complete(functions)) return SOCKET2_EINVAL;
        const double id = channel_number(*port.channel());
        return entry.report(start_lua_state(
            {functions, std::string(std::string_view(code, size)), name, id}, port.channel()));
    });
}

int socket2_thread_cpus(void) { return processor_count(); }

int socket2_thread_setname(const char* name) {
    return name == nullptr ? static_cast<int>(SOCKET2_EINVAL) : set_thread_name(name).value();
}

int socket2_thread_name(char* text, size_t size) {
    return guarded([&] { return copy_text(thread_name(), text, size); });
}
