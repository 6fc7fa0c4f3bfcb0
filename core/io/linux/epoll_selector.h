// A Selector over epoll(7), edge-triggered.
#pragma once

#include <memory>
#include <vector>

#include "core/io/selector.h"

namespace socket2 {

class EpollSelector final : public Selector {
   public:
    // With epoll_fd < 0 it makes an epoll of its own, else it takes a duplicate of the given one,
    // which the caller keeps.
    static Result create(int epoll_fd, std::unique_ptr<EpollSelector>& out);
    ~EpollSelector() override;

    Result add(IoSource& source) override;
    void remove(IoSource& source) override;
    Result wait(double seconds, Event* events, int capacity) override;
    void wake() const override;

    int epoll_fd() const { return epoll_fd_; }

   private:
    EpollSelector(int epoll_fd, int wake_fd) : epoll_fd_(epoll_fd), wake_fd_(wake_fd) {}
    Result control(int operation, int fd, uint32_t events);

    int epoll_fd_;
    int wake_fd_;  // an eventfd, level-triggered
    // By descriptor. Events carry the descriptor, not a pointer: one that was duplicated into
    // another process can go on reporting after its source is gone here.
    std::vector<IoSource*> sources_;
};

}  // namespace socket2
