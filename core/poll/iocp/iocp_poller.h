// A Poller on a completion port.
//
// Reads of streams, accepts and connects are operations of the system (WSARecv, AcceptEx,
// ConnectEx). Ops that could lose something when such an operation is canceled go by try and poll
// instead: sends, because a cancel has to tell how much was sent; datagrams, because the first one
// that fits the caller counts; and waits. The poll is one more operation, AFD's. If the packets of
// a socket's operations do not come to this port, all of its ops go by try and poll: the socket is
// the program's own, or it came from another loop, because a port once given stays.
//
// An operation's OVERLAPPED lives in the source's block, which stays until the last packet is back.
#pragma once

#include <memory>

#include "core/io/poller.h"
#include "core/poll/attempt.h"
#include "core/poll/iocp/afd.h"
#include "core/poll/iocp/iocp_group.h"

namespace socket2 {

class IocpPoller final : public Poller {
   public:
    explicit IocpPoller(std::shared_ptr<IocpGroup> group);
    ~IocpPoller() override;

    Result attach(IoSource& source) override;
    void detach(IoSource& source) override;
    void shut(IoSource& source, int directions) override;
    Result submit(IoOp& op) override;
    void cancel(IoOp& op) override;
    Result try_now(IoOp& op) override;
    Result wait(double seconds, OpList& completed) override;
    void wake() const override;

    HANDLE port() const { return group_->port(); }

   private:
    struct Accept;
    struct Block;
    struct Slot;

    bool has_operations(const IoSource& source);
    Attempt begin(IoOp& op);
    Attempt begin_recv(IoOp& op);
    Attempt begin_accept(IoOp& op);
    Attempt begin_connect(IoOp& op);
    Attempt begin_wait(IoOp& op);
    Attempt try_or_poll(IoOp& op);
    Attempt poll(IoOp& op);
    int start(Slot& slot, HANDLE on, int code);
    int start_poll(Slot& slot, Side side);
    Result load_connect(Descriptor fd);

    void on_packet(Slot& slot, OpList& completed);
    Attempt finish(Slot& slot, IoOp& op, int code);
    Attempt finish_poll(Slot& slot, IoOp& op, int code, bool canceled);
    static Attempt finish_recv(Slot& slot, IoOp& op, int code, bool canceled);
    static Attempt finish_accept(Slot& slot, IoOp& op, int code, bool canceled);
    static Attempt finish_connect(Slot& slot, IoOp& op, int code, bool canceled);
    void go_on(IoOp& op, Attempt attempt, OpList& completed);
    void end_polls_beside(IoOp& connect);
    Result watch(IoSource& source, Side side);
    void let_go(Block& block);
    Result next_packets(double seconds, OpList& completed);

    const std::shared_ptr<IocpGroup> group_;
    mutable IocpGroup::Member member_;
    int in_flight_ = 0;  // packets that will come
    IntrusiveList<Block> blocks_;
    LPFN_CONNECTEX connect_ = nullptr;
    OpList hot_;       // pending without a packet: had its share of this turn, goes on in the next
    OpList finished_;  // to be reported by the next wait()
};

}  // namespace socket2
