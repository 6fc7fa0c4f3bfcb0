// A completion port and those who wait on it together, each a poller in its loop's thread.
//
// All of them sleep in the port. Whoever takes a packet from it hands it to the one whose operation it
// is, and who sleeps is woken by a call queued for his thread (an APC), which no other can take.
#pragma once

#include <memory>
#include <mutex>

#include "core/base/intrusive_list.h"
#include "core/sys/windows/winsock.h"

namespace socket2 {

class IocpGroup {
   public:
    struct Member;

    // An operation of the system, which its member keeps until the packet has come.
    struct Packet : OVERLAPPED, ListNode<Packet> {
        Member* member = nullptr;

        // To begin an operation with.
        OVERLAPPED& fresh() { return static_cast<OVERLAPPED&>(*this) = {}; }
    };
    using Packets = IntrusiveList<Packet>;

    // Under the group's lock.
    struct Member {
        Packets routed;         // taken from the port by others
        bool woken = false;     // and has not noticed yet
        bool sleeping = false;  // in the port
        bool rung = false;
        DWORD thread_id = 0;  // who slept last. Its number is no other's as long as
        HANDLE thread = nullptr;

        ~Member() {
            if (thread != nullptr) ::CloseHandle(thread);
        }
    };

    // With null a port of its own, else it works on a duplicate of the given one. May throw bad_alloc.
    static Result create(HANDLE port, std::shared_ptr<IocpGroup>& out);
    IocpGroup(const IocpGroup&) = delete;
    IocpGroup& operator=(const IocpGroup&) = delete;
    ~IocpGroup();

    HANDLE port() const { return port_; }
    // Whether a handle is of this port.
    bool works_on(HANDLE port) const;

    // The packets of a socket's operations come to this port. Not if a loop has said so before, or of a unix
    // socket.
    bool add(Descriptor fd);
    // For polls, whose packets come here too.
    HANDLE afd() const { return afd_; }

    // The member's packets go to `arrived`; none after so many seconds, or when it was woken.
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
    std::mutex mutex_;  // for the members
};

}  // namespace socket2
