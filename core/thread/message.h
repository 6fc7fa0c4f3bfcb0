// What goes through a channel.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/intrusive_list.h"
#include "core/io/io_source.h"
#include "core/io/posix/syscalls.h"

namespace socket2 {

class Channel;

struct Message : ListNode<Message> {
    Message() = default;
    ~Message() {
        for (const Descriptor fd : descriptors) {
            if (fd != kNoDescriptor) posix::close_descriptor(fd);
        }
    }

    std::string bytes;
    // Null: the channel that the message went through. It would keep itself alive in there.
    std::vector<std::shared_ptr<Channel>> channels;
    // The message's own, but while its sender waits and when it failed: then they are the sender's.
    std::vector<Descriptor> descriptors;  // kNoDescriptor: taken
    uint64_t number = 0;                  // of the channel's messages, in the order of their coming
};

using MessagePtr = std::unique_ptr<Message>;

}  // namespace socket2
