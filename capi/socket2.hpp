// socket2 for C++20: handles that close themselves, errors as exceptions, operations for co_await.
// Header-only, over the functions of socket2.h, and their contract holds here too.
//
//     socket2::Task echo(socket2::Socket s) {
//         char buffer[4096];
//         while (const int n = co_await s.recv(buffer)) co_await s.send({buffer, size_t(n)});
//     }
//
// A Loop and all that is on it belong to one thread at a time. Every function that can fail throws
// Error. An operation begins when it is awaited; what it is given (memory, addresses) has to stay
// until then, and does when it lives in the coroutine that awaits. Deadlines are seconds of
// socket2_clock(), absolute.
#ifndef SOCKET2_HPP
#define SOCKET2_HPP

#include <socket2.h>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <limits>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace socket2 {
// The library's own classes use other namespaces.
inline namespace api {

inline constexpr double kNever = std::numeric_limits<double>::infinity();

// A function of the library failed. code() is one of SOCKET2_E..., what() its sentence.
class Error : public std::runtime_error {
   public:
    explicit Error(int code) : std::runtime_error(socket2_error_message(code)), code_(code) {}
    int code() const noexcept { return code_; }

   private:
    int code_;
};

// Returns the value of a function that is never pending.
inline int check(int result) {
    if (result < 0) throw Error(result);
    return result;
}

// An address, with the type of the socket that it is for. A value that can be copied freely.
class Address {
   public:
    Address() = default;

    // The first address of a host. May block when the host is a name, which is looked up. `type` is
    // SOCKET2_TCP ..., `family` SOCKET2_INET ...
    static Address lookup(const char* host, const char* service, int type = SOCKET2_TCP,
                          int family = SOCKET2_UNSPECIFIED) {
        Address a;
        check(socket2_addr_lookup(host, service, type, family, 0, 0, &a.content_, 1, nullptr, 0));
        return a;
    }

    int family() const { return check(socket2_addr_family(&content_)); }
    int port() const { return check(socket2_addr_port(&content_)); }

    // "1.2.3.4:80", "[::1]:80" or a path.
    std::string text() const {
        char text[192];
        const int n = check(socket2_addr_format(&content_, text, sizeof text));
        return {text, static_cast<size_t>(n)};
    }

    socket2_addr* get() noexcept { return &content_; }
    const socket2_addr* get() const noexcept { return &content_; }

   private:
    socket2_addr content_{};
};

// What a coroutine returns if it runs by itself: from its call until its first wait, and then in
// Loop::run(). An exception that leaves it ends the program, like one that leaves a thread.
class Task {
   public:
    struct promise_type {
        Task get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

// Where coroutines wait. It cannot move, because its sockets point to it. Destroying it ends the
// coroutines that still wait, without running them any further.
class Loop {
   public:
    Loop() : handle_(check(socket2_loop_new())) {}
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    // The library lets go of the coroutines' memory first; then the memory may be freed.
    ~Loop() {
        socket2_loop_close(handle_);
        for (const auto& [key, waiter] : std::exchange(waiters_, {})) waiter.coroutine.destroy();
    }

    int handle() const noexcept { return handle_; }

    // Runs until no coroutine waits, or until stop().
    void run() {
        socket2_event events[64];
        while (!stopped_ && !waiters_.empty()) {
            const int n = check(socket2_poll(handle_, events, 64, kNever));
            for (int i = 0; i < n; ++i) {
                const auto found = waiters_.extract({events[i].handle, events[i].kind});
                if (found.empty()) continue;
                *found.mapped().result = events[i].result;
                found.mapped().coroutine.resume();
            }
        }
        stopped_ = false;
    }

    // Makes the present or the next run() return once it has handed out the events at hand.
    void stop() noexcept { stopped_ = true; }

    // For operations: registers the coroutine that waits for that event.
    void wait(int handle, int kind, std::coroutine_handle<> coroutine, int& result) {
        waiters_[{handle, kind}] = {coroutine, &result};
    }

   private:
    struct Waiter {
        std::coroutine_handle<> coroutine;
        int* result;
    };

    int handle_;
    bool stopped_ = false;
    std::map<std::pair<int, int>, Waiter> waiters_;
};

// The operand of co_await: begin() starts it, and value(result) is the expression's value.
template <typename Begin, typename Value>
class [[nodiscard]] Operation {
   public:
    Operation(Loop& loop, int handle, int kind, Begin begin, Value value)
        : loop_(loop), handle_(handle), kind_(kind), begin_(begin), value_(value) {}

    bool await_ready() { return (result_ = begin_()) != SOCKET2_PENDING; }
    // Out of memory ends the program, because the operation has begun.
    void await_suspend(std::coroutine_handle<> coroutine) noexcept {
        loop_.wait(handle_, kind_, coroutine, result_);
    }
    auto await_resume() { return value_(check(result_)); }

   private:
    Loop& loop_;
    int handle_, kind_;
    Begin begin_;
    Value value_;
    int result_ = 0;
};

// A socket of any kind, closed with its object; it can be moved, but not copied. It must be
// destroyed before its loop, or by the loop's destructor.
class Socket {
   public:
    static Socket tcp(Loop& loop, int family = SOCKET2_INET) {
        return {loop, check(socket2_tcp_new(loop.handle(), family, 0))};
    }
    static Socket udp(Loop& loop, int family = SOCKET2_INET) {
        return {loop, check(socket2_udp_new(loop.handle(), family, 0))};
    }

    // Takes over a handle on that loop.
    Socket(Loop& loop, int handle) noexcept : loop_(&loop), id_(loop.handle()), handle_(handle) {}
    Socket(Socket&& other) noexcept
        : loop_(other.loop_), id_(other.id_), handle_(std::exchange(other.handle_, 0)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(loop_, other.loop_);
        std::swap(id_, other.id_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Socket() { close(); }

    // Operations that wait on it get SOCKET2_ECLOSED. Another close() does nothing.
    void close() noexcept { socket2_socket_close(id_, std::exchange(handle_, 0)); }
    int handle() const noexcept { return handle_; }

    void bind(const Address& address) { check(socket2_socket_bind(id_, handle_, address.get())); }
    void listen(int backlog = -1) { check(socket2_tcp_listen(id_, handle_, backlog)); }
    // `directions` of SOCKET2_SHUT_..., added up.
    void shutdown(int directions) { check(socket2_socket_shutdown(id_, handle_, directions)); }
    void set(const char* option, int value) {
        check(socket2_socket_setopt(id_, handle_, option, value));
    }
    Address local_address() const {
        Address a;
        check(socket2_socket_localaddr(id_, handle_, a.get()));
        return a;
    }

    // Gives the next connection, a Socket.
    auto accept(double deadline = kNever) {
        return operation(
            SOCKET2_READ, [=, this] { return socket2_tcp_accept(id_, handle_, nullptr, deadline); },
            [&loop = *loop_](int handle) { return Socket(loop, handle); });
    }
    auto connect(const Address& address, double deadline = kNever) {
        return operation(SOCKET2_WRITE, [=, this, to = address.get()] {
            return socket2_tcp_connect(id_, handle_, to, deadline);
        });
    }
    // Sends all of it, and gives the number of bytes.
    auto send(std::string_view data, double deadline = kNever) {
        return operation(SOCKET2_WRITE, [=, this] {
            return socket2_stream_send(id_, handle_, data.data(), data.size(), deadline);
        });
    }
    // Gives the number of bytes that came, 0 at the end of the stream.
    auto recv(std::span<char> room, double deadline = kNever) {
        return operation(SOCKET2_READ, [=, this] {
            return socket2_stream_recv(id_, handle_, room.data(), room.size(), deadline);
        });
    }
    // Sends one datagram, and gives the number of bytes.
    auto send_to(std::string_view data, const Address& to, double deadline = kNever) {
        return operation(SOCKET2_WRITE, [=, this, to = to.get()] {
            return socket2_udp_send(id_, handle_, data.data(), data.size(), to, deadline);
        });
    }
    auto recv_from(std::span<char> room, Address& from, double deadline = kNever) {
        return operation(SOCKET2_READ, [=, this, from = from.get()] {
            return socket2_udp_recv(id_, handle_, room.data(), room.size(), nullptr, from,
                                    deadline);
        });
    }

   private:
    static int same(int result) { return result; }

    template <typename Begin, typename Value = int (*)(int)>
    Operation<Begin, Value> operation(int kind, Begin begin, Value value = same) {
        return {*loop_, handle_, kind, begin, value};
    }

    Loop* loop_;
    int id_;  // the loop's handle, which may be used after the Loop is gone
    int handle_;
};

}  // namespace api
}  // namespace socket2

#endif
