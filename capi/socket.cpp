#include "capi/handles.h"
#include "core/net/attach.h"
#include "core/sys/option.h"

using namespace socket2;
using namespace socket2::capi;

namespace {

bool is_kind(int kind) { return kind == SOCKET2_READ || kind == SOCKET2_WRITE; }

Side side_of(int kind) { return kind == SOCKET2_READ ? Side::read : Side::write; }

int op_number(OpKind kind) {
    switch (kind) {
        case OpKind::recv:
        case OpKind::recv_from:
        case OpKind::read:
        case OpKind::readable:
            return SOCKET2_OP_RECV;
        case OpKind::accept:
            return SOCKET2_OP_ACCEPT;
        case OpKind::send:
        case OpKind::send_to:
        case OpKind::write:
            return SOCKET2_OP_SEND;
        case OpKind::connect:
            return SOCKET2_OP_CONNECT;
        default:
            return SOCKET2_OP_WAIT;
    }
}

// Runs `body(entry, object)` on any object with ops that can be canceled and asked about.
template <typename Body>
int on_ops(int loop, int handle, Body body) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        Object* object = find_object(entry, handle, Waitable::kKinds | kPort | kSignalWatch);
        return object == nullptr ? static_cast<int>(SOCKET2_EBADHANDLE) : body(entry, *object);
    });
}

}  // namespace

int socket2_socket_close(int loop, int handle) { return close_handle<Waitable>(loop, handle); }

int socket2_socket_cancel(int loop, int handle, int kind) {
    return on_ops(loop, handle, [&](LoopEntry& entry, Object& object) -> int {
        if (!is_kind(kind)) return SOCKET2_EINVAL;
        Op* const op = object.op(side_of(kind));
        if (op != nullptr) entry.loop.cancel(*op, Errc::canceled);
        return 0;
    });
}

int socket2_socket_wait(int loop, int handle, int kind, double deadline) {
    return on_socket<Waitable>(loop, handle, [&](Waitable& s) -> Result {
        if (!is_kind(kind) || !is_time(deadline)) return Errc::invalid_argument;
        return s.wait(side_of(kind), deadline);
    });
}

int socket2_socket_pending(int loop, int handle, int kind, double* since) {
    return on_ops(loop, handle, [&](LoopEntry&, const Object& object) -> int {
        if (!is_kind(kind)) return SOCKET2_EINVAL;
        const Op* const op = object.op(side_of(kind));
        if (op == nullptr || op->state == OpState::idle) return 0;
        if (since != nullptr) *since = op->since;
        return op_number(op->kind);
    });
}

int socket2_socket_os_error(int loop, int handle, int kind) {
    return on_object<Waitable>(loop, handle, [&](LoopEntry& entry, Waitable& waitable) -> int {
        if (!is_kind(kind)) return SOCKET2_EINVAL;
        return entry.os_error = waitable.op(side_of(kind))->result.os_code();
    });
}

int socket2_socket_peercred(int loop, int handle, int64_t* pid, int64_t* uid, int64_t* gid) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        PeerCredentials peer;
        const Result r = s.peer_credentials(peer);
        if (r.is_error()) return r;
        if (pid != nullptr) *pid = peer.pid;
        if (uid != nullptr) *uid = peer.uid;
        if (gid != nullptr) *gid = peer.gid;
        return r;
    });
}

int socket2_socket_detach(int loop, int handle) {
    return on_object<Waitable>(loop, handle, [&](LoopEntry& entry, Waitable& waitable) {
        static_cast<void>(entry.objects.take(handle).release());
        return static_cast<int>(Waitable::detach(std::unique_ptr<Waitable>(&waitable)));
    });
}

int socket2_socket_attach(int loop, intptr_t fd) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        std::unique_ptr<Socket> socket;
        const Result r = attach_socket(entry.loop, fd, socket);
        if (r.is_error()) return entry.report(r);
        return entry.adopt(std::move(socket));
    });
}

int socket2_socket_type(int loop, int handle) {
    return on_socket<Socket>(loop, handle, [](Socket& s) { return static_cast<int>(s.type()); });
}

int socket2_socket_family(int loop, int handle) {
    return on_socket<Socket>(loop, handle, [](Socket& s) { return static_cast<int>(s.family()); });
}

int socket2_socket_protocol(int loop, int handle) {
    return on_socket<Socket>(loop, handle, [](Socket& s) { return s.protocol(); });
}

int socket2_socket_fd(int loop, int handle) {
    return on_socket<Waitable>(loop, handle,
                               [](Waitable& s) { return static_cast<int>(s.descriptor()); });
}

int socket2_socket_bind(int loop, int handle, const socket2_addr* addr) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        return addr == nullptr ? Errc::invalid_argument : s.bind(*address(addr));
    });
}

int socket2_socket_shutdown(int loop, int handle, int directions) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        if (directions < 1 || directions > 3) return Errc::invalid_argument;
        static_assert(SOCKET2_SHUT_READ == int{kReadable} && SOCKET2_SHUT_WRITE == int{kWritable});
        return s.shutdown(directions);
    });
}

int socket2_socket_localaddr(int loop, int handle, socket2_addr* out) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        return out == nullptr ? Errc::invalid_argument : s.local_address(*address(out));
    });
}

int socket2_socket_remoteaddr(int loop, int handle, socket2_addr* out) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        return out == nullptr ? Errc::invalid_argument : s.remote_address(*address(out));
    });
}

int socket2_option_kind(const char* name) {
    if (name == nullptr) return SOCKET2_EINVAL;
    const Option* option = find_option(name);
    return option == nullptr ? static_cast<int>(SOCKET2_EOPTION) : static_cast<int>(option->kind);
}

int socket2_socket_setopt(int loop, int handle, const char* name, int value) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        return name == nullptr ? Errc::invalid_argument : s.set_option(name, value);
    });
}

int socket2_socket_getopt(int loop, int handle, const char* name, int* value) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        if (name == nullptr || value == nullptr) return Errc::invalid_argument;
        return s.get_option(name, *value);
    });
}

int socket2_socket_setopt_text(int loop, int handle, const char* name, const char* text) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        if (name == nullptr || text == nullptr) return Errc::invalid_argument;
        return s.set_option(name, text);
    });
}

int socket2_socket_getopt_text(int loop, int handle, const char* name, char* text, size_t size) {
    return on_socket<Socket>(loop, handle, [&](Socket& s) -> Result {
        if (name == nullptr || text == nullptr) return Errc::invalid_argument;
        std::string value;
        const Result r = s.get_option(name, value);
        return r.is_error() ? r : Result::of(copy_text(value, text, size));
    });
}
