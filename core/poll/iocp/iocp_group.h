// A completion port and the members that wait on it together, each a poller in its loop's thread.
//
// All of them sleep in the port. A member that takes a packet from it hands it to the member that
// began the operation. A sleeping member is woken by a call queued for its thread (an APC), which
// no other thread can take.
#pragma once

#include <memory>
#include <mutex>

#include "core/base/intrusive_list.h"
#include "core/sys/windows/winsock.h"

namespace socket2 {

class IocpGroup {
   public:
    struct Member;

    // An operation of the system. Its member keeps it until the packet has come.
    struct Packet : OVERLAPPED, ListNode<Packet> {
        Member* member = nullptr;

        // Clears it, to begin an operation.
        OVERLAPPED& fresh() { return static_cast<OVERLAPPED&>(*this) = {}; }
    };
    using Packets = IntrusiveList<Packet>;

    // Guarded by the group's lock.
    struct Member {
        Packets routed;         // taken from the port by others
        bool woken = false;     // but has not noticed yet
        bool sleeping = false;  // in the port
        bool rung = false;
        // The thread that slept last. The handle keeps its number from being used again.
        DWORD thread_id = 0;
        HANDLE thread = nullptr;

        ~Member() {
            if (thread != nullptr) ::CloseHandle(thread);
        }
    };

    // With null it makes a port of its own; otherwise it works on a duplicate of the given one. May
    // throw bad_alloc.
    static Result create(HANDLE port, std::shared_ptr<IocpGroup>& out);
    IocpGroup(const IocpGroup&) = delete;
    IocpGroup& operator=(const IocpGroup&) = delete;
    ~IocpGroup();

    HANDLE port() const { return port_; }
    // Whether a handle belongs to this port.
    bool works_on(HANDLE port) const;

    // Makes the packets of a socket's operations come to this port. False if another loop's port
    // has them already, or for a unix socket.
    bool add(Descriptor fd);
    // For polls; their packets come here, too.
    HANDLE afd() const { return afd_; }

    // Moves the member's packets to `arrived`: none when the time is over or the member was woken.
    Result wait(Member& member, double seconds, Packets& arrived);
    // Any thread.
    void wake(Member& member);

   private:
    IocpGroup() = default;
    Result open_port(HANDLE port);
    Result open_polls();
    static Result know_thread(Member& member);
    static void ring(Member& member);

    HANDLE port_ = nullptr;
    HANDLE afd_ = nullptr;
    std::mutex mutex_;  // guards the members
};

}  // namespace socket2
