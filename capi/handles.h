// Handles: integers for loops and sockets, and the way of results across the boundary.
#pragma once

#include <climits>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <variant>

#include "capi/socket2.h"
#include "core/base/slot_map.h"
#include "core/io/loop.h"
#include "core/io/process.h"
#include "core/io/signal.h"
#include "core/net/fd.h"
#include "core/net/query.h"
#include "core/net/socket.h"
#include "core/net/tcp.h"
#include "core/net/udp.h"
#include "core/thread/port.h"

namespace socket2::capi {

// What a handle on a loop names.
using Object = std::variant<std::monostate, std::unique_ptr<Socket>, std::unique_ptr<Fd>,
                            std::unique_ptr<Timer>, std::unique_ptr<Query>, std::unique_ptr<Port>,
                            std::unique_ptr<SignalWatch>>;

// What a loop handle names. Its objects live here until they are closed.
struct LoopEntry {
    LoopEntry(std::unique_ptr<Poller> poller, int the_shared)
        : loop(std::move(poller), std::make_unique<MonotonicClock>()), shared(the_shared) {}
    ~LoopEntry();

    // Gives a new object its handle, which it gets as its `user`, too. It is freed when there is
    // none left.
    template <typename T>
    int adopt(std::unique_ptr<T> object);

    // The number for the caller; keeps the system's code of an error.
    int report(Result result) {
        if (result.is_error()) {
            os_error = result.os_code();
            reported = true;
        }
        return result.value();
    }

    Loop loop;
    SlotMap<Object> objects;
    int shared;  // what others may be set to: SystemPollers::shares()
    int os_error = 0;
    bool reported = false;                // the call under way has set os_error
    uint32_t process = process_number();  // the one that the poller is of
};

// What the objects of a kind are kept as.
template <typename T>
using Kept = std::conditional_t<std::is_base_of_v<Socket, T>, Socket, T>;

inline void set_user(Waitable& object, int name) { object.set_user(name); }
inline void set_user(Query& object, int name) { object.set_user(name); }
inline void set_user(Port& object, int name) { object.set_user(name); }
inline void set_user(SignalWatch& object, int name) { object.set_user(name); }
inline void set_user(Timer& object, int name) { object.user = name; }

template <typename T>
int LoopEntry::adopt(std::unique_ptr<T> object) {
    T& kept = *object;
    const int name = objects.insert(std::unique_ptr<Kept<T>>(std::move(object)));
    if (name == 0) return SOCKET2_ENOHANDLE;
    set_user(kept, name);
    return name;
}

// Null for a handle that is none of this kind.
template <typename T>
T* find_object(LoopEntry& entry, int handle) {
    Object* object = entry.objects.find(handle);
    auto* kept = object == nullptr ? nullptr : std::get_if<std::unique_ptr<T>>(object);
    return kept == nullptr ? nullptr : kept->get();
}

// Null for a stale or made-up handle. For the loop's own thread.
LoopEntry* find_loop(int loop);

// Makes the copy of a loop that a forked child has its own, with a poller of its own.
int leave_parent(LoopEntry& entry);

// Frees what a handle named, once the loop and the system have let go of it.
void close_object(LoopEntry& entry, Object object);

// The handle of the connection that the listener has just accepted.
int adopt_accepted(LoopEntry& entry, Tcp& listener);

// What kind of socket a function takes.
template <typename S>
bool is_kind(const Socket&) {
    return true;
}
template <>
inline bool is_kind<Tcp>(const Socket& socket) {
    return socket.type() == SocketType::tcp;
}
template <>
inline bool is_kind<Udp>(const Socket& socket) {
    return socket.type() != SocketType::tcp;
}

template <typename S>
S* find_socket(LoopEntry& entry, int handle) {
    auto* socket = find_object<Socket>(entry, handle);
    if (socket == nullptr || !is_kind<S>(*socket)) return nullptr;
    return static_cast<S*>(socket);
}

template <>
inline Fd* find_socket<Fd>(LoopEntry& entry, int handle) {
    return find_object<Fd>(entry, handle);
}

// Sockets and other descriptors.
template <>
inline Waitable* find_socket<Waitable>(LoopEntry& entry, int handle) {
    auto* socket = find_object<Socket>(entry, handle);
    if (socket != nullptr) return socket;
    return find_object<Fd>(entry, handle);
}

// Runs `body`, whose result is an int; out of memory becomes its code.
template <typename Body>
int guarded(Body body) {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return SOCKET2_ENOMEM;
    } catch (...) {
        return SOCKET2_ESYSTEM;
    }
}

// Finds the loop, runs `body(entry)`.
template <typename Body>
int on_loop(int loop, Body body) {
    LoopEntry* entry = find_loop(loop);
    if (entry == nullptr) return SOCKET2_EBADHANDLE;
    entry->reported = false;
    const int result = guarded([&] {
        const int r = entry->process == process_number() ? 0 : leave_parent(*entry);
        return r < 0 ? r : body(*entry);
    });
    if (result < SOCKET2_PENDING && !entry->reported) entry->os_error = 0;  // an error of our own
    return result;
}

// Finds the socket, runs `body(socket)`, translates its Result (or passes its int on).
template <typename S, typename Body>
int on_socket(int loop, int handle, Body body) {
    return on_loop(loop, [&](LoopEntry& entry) {
        S* socket = find_socket<S>(entry, handle);
        if (socket == nullptr) return static_cast<int>(SOCKET2_EBADHANDLE);
        if constexpr (std::is_same_v<decltype(body(*socket)), Result>) {
            return entry.report(body(*socket));
        } else {
            return body(*socket);
        }
    });
}

// Finds the channel handle, runs `body(entry, port)`, whose result is an int.
template <typename Body>
int on_port(int loop, int handle, Body body) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        auto* port = find_object<Port>(entry, handle);
        return port == nullptr ? static_cast<int>(SOCKET2_EBADHANDLE) : body(entry, *port);
    });
}

// The number of a channel in the process.
int channel_number(const Channel& channel);

inline bool is_time(double t) { return t == t; }
inline bool is_buffer(const void* data, size_t size) {
    return (data != nullptr || size == 0) && size <= INT_MAX;
}

static_assert(sizeof(Address) <= sizeof(socket2_addr));
static_assert(alignof(Address) <= alignof(socket2_addr));
static_assert(std::is_trivially_copyable_v<Address>);

inline Address* address(socket2_addr* addr) { return reinterpret_cast<Address*>(addr); }
inline const Address* address(const socket2_addr* addr) {
    return reinterpret_cast<const Address*>(addr);
}

// What the arguments of a look-up name, or which of them is wrong. The texts stay the caller's.
Result endpoint_of(const char* host, const char* service, int type, int family, int protocol,
                   int flags, Endpoint& out);
// Asks again, in a forked child, which has none of the threads that were at it.
void ask_again(Query& query);
// Whether `max` addresses may be written.
inline bool is_room(const socket2_addr* out, int max) {
    return max >= 0 && (out != nullptr || max == 0);
}
// Copies what fits; how many addresses there are is the result.
int copy_lookup(const Lookup& found, socket2_addr* out, int max, char* name, size_t name_size);

// Copies what fits, with its zero; the whole length is the result.
inline int copy_text(const std::string& from, char* text, size_t size) {
    if (text != nullptr && size > 0) {
        const size_t n = from.size() < size ? from.size() : size - 1;
        std::memcpy(text, from.data(), n);
        text[n] = '\0';
    }
    return static_cast<int>(from.size());
}

}  // namespace socket2::capi
