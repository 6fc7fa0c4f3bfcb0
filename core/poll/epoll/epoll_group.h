// An epoll(7) and the members that wait on it together, each a selector in its loop's thread.
//
// A member that takes an event from the epoll hands it to the member that has registered the
// descriptor. One of the waiting members, the leader, sleeps in the epoll; the others sleep on
// descriptors of their own, so that each can be woken alone. A leader that has something to do, or
// has given others something, stops leading: usually some member comes back soon to wait, and
// leads. Waking another one for that at once would cost more than the event. So one of the sleeping
// members, the deputy, has a timer to take the lead if no member comes.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/intrusive_list.h"
#include "core/poll/selector.h"
#include "core/sys/process.h"

namespace socket2 {

class EpollGroup {
   public:
    // What a member does. It tells the others how to wake it. A sleeping member wakes up before it
    // looks at what it was given; if that is nothing, it chooses again how to sleep.
    enum class State : uint8_t {
        awake,    // It does not sleep, and looks before it does, so it needs no waking.
        leader,   // It sleeps in the epoll and takes events for all; the bell in there wakes it.
        sleeper,  // It sleeps on its own bell.
        deputy,   // It sleeps on its own bell and a timer, to lead if no member comes in time.
    };

    // An eventfd to sleep on.
    struct Bell {
        int fd = -1;
        bool rung = false;
    };

    // What a member has registered under a descriptor.
    struct Slot {
        IoSource* source = nullptr;
        uint32_t generation = 0;  // tells its events from those of the descriptor's former owner
        uint8_t routed = 0;       // Ready bits that other members took from the epoll
        bool listed = false;      // is in the member's list of these
    };

    // Guarded by the group's lock, from join() to leave().
    struct Member : ListNode<Member> {
        size_t id = 0;
        std::vector<Slot> slots;  // by descriptor
        std::vector<int> routed;  // has room for all of them, so that other members never allocate
        State state = State::awake;
        bool woken = false;  // but has not noticed yet
        Bell bell;           // made when there is a second member
    };

    // With epoll_fd < 0 it makes an epoll of its own; otherwise it works on a duplicate of the
    // given one.
    static Result create(int epoll_fd, std::shared_ptr<EpollGroup>& out);
    EpollGroup(const EpollGroup&) = delete;
    EpollGroup& operator=(const EpollGroup&) = delete;
    ~EpollGroup();

    int fd() const { return epoll_fd_; }
    // Whether a descriptor belongs to this epoll.
    bool works_on(int epoll_fd) const;

    // Like a Selector's. wake() is for any thread, the others are for the member's thread. A member
    // that failed to join has to leave, too.
    Result join(Member& member);
    void leave(Member& member);
    Result add(Member& member, IoSource& source);
    void remove(Member& member, IoSource& source);
    Result wait(Member& member, double seconds, Selector::Event* events, int capacity);
    void wake(Member& member);

    // In a forked child, and there only leave() and wake() may follow: closes its copies of what
    // belongs to the parent. Takes no lock, because a thread of the parent may hold it.
    void leave_parent();

   private:
    using Lock = std::unique_lock<std::mutex>;
    struct Turn;

    EpollGroup() = default;
    bool is_of_parent() const { return process_ != process_number(); }
    Result make_bells();

    State fall_asleep(Member& me, Turn& turn);
    void look(Member& me, Turn& turn, Lock& lock);
    void lead(Member& me, Turn& turn, double seconds, Lock& lock);
    int ask(epoll_event* reported, Turn& turn, double seconds, Lock& lock) const;
    void sleep(Member& me, Turn& turn, double seconds, Lock& lock);
    void stand_by(Member& me, Turn& turn, double seconds, Lock& lock);
    void get_up(Member& me, Turn& turn);

    void see_to_a_leader();
    Bell* bell_of(Member& member);
    void ring(Member& member);
    Slot* find(uint64_t data, Member*& member);
    static void take_routed(Member& me, Turn& turn);
    void hand_out(Member& me, const epoll_event* reported, int n, Turn& turn);

    const uint32_t process_ = process_number();
    int epoll_fd_ = -1;
    Bell bell_;                     // in the epoll, level-triggered, for the leader
    std::mutex mutex_;              // guards the members below, and which bells have rung
    std::vector<Member*> members_;  // by id; null: free
    size_t alive_ = 0;
    uint32_t generation_ = 0;
    Member* leader_ = nullptr;
    IntrusiveList<Member> sleepers_;  // and the deputy
    Member* deputy_ = nullptr;
    int timer_ = -1;  // a timerfd, made when there is a second member
};

}  // namespace socket2
