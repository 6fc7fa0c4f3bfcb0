#include "capi/handles.h"

using namespace socket2;
using namespace socket2::capi;

namespace {

// There is one resolver in the process, and one pool of its threads. Neither is ever destroyed: the
// threads may still be at work while the process ends. For their sake the library is linked to stay
// in memory after a dlclose().
Resolver& resolver() {
    static auto* const the_one = new Resolver(*new Workers);
    return *the_one;
}

}  // namespace

void socket2::capi::ask_again(Query& query) { query.ask_again(resolver()); }

int socket2_lookup_new(int loop, const char* host, const char* service, int type, int family,
                       int protocol, int flags, double deadline) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        Endpoint endpoint;
        const Result r = endpoint_of(host, service, type, family, protocol, flags, endpoint);
        if (r.is_error()) return r.value();
        if (!is_time(deadline)) return SOCKET2_EINVAL;
        auto made = std::make_unique<Query>(entry.loop);
        Query& query = *made;
        const int handle = entry.adopt(std::move(made));
        if (handle < 0) return handle;
        const int started = guarded([&] {
            query.start(resolver(), endpoint, deadline);
            return 0;
        });
        if (started < 0) entry.objects.take(handle);
        return started < 0 ? started : handle;
    });
}

int socket2_lookup_cancel(int loop, int handle) {
    return on_object<Query>(loop, handle, [](LoopEntry&, Query& query) {
        query.cancel();
        return 0;
    });
}

int socket2_lookup_result(int loop, int handle, socket2_addr* out, int max, char* name,
                          size_t name_size) {
    return on_object<Query>(loop, handle, [&](LoopEntry& entry, const Query& query) -> int {
        if (!is_room(out, max)) return SOCKET2_EINVAL;
        const Result r = query.result();
        return r.is_error() ? entry.report(r)
                            : copy_lookup(query.found(), out, max, name, name_size);
    });
}

int socket2_lookup_close(int loop, int handle) { return close_handle<Query>(loop, handle); }

int socket2_lookup_cache(double seconds) {
    return guarded([&]() -> int {
        if (!is_time(seconds) || seconds < 0) return SOCKET2_EINVAL;
        resolver().set_cache(seconds);
        return 0;
    });
}
