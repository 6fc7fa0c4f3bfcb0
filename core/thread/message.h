// What goes through a channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/intrusive_list.h"
#include "core/io/io_op.h"
#include "core/sys/descriptor.h"

namespace socket2 {

class Channel;

struct Message : ListNode<Message> {
    Message() = default;
    // Copies the bytes. May throw bad_alloc.
    explicit Message(std::string_view bytes) : data(new char[bytes.size()]), size(bytes.size()) {
        if (size > 0) std::memcpy(data.get(), bytes.data(), size);
    }
    ~Message() {
        for (const Descriptor fd : descriptors) {
            if (fd != kNoDescriptor) sys::close_descriptor(fd);
        }
    }

    std::string_view bytes() const { return {data.get(), size}; }

    std::unique_ptr<char[]> data;
    size_t size = 0;
    // Null stands for the channel that the message goes through: a pointer would keep the channel
    // alive inside itself.
    std::vector<std::shared_ptr<Channel>> channels;
    std::vector<Descriptor> descriptors;  // owned by the message; kNoDescriptor: taken
    uint64_t number = 0;                  // counts the channel's messages, in the order they came
};

using MessagePtr = std::unique_ptr<Message>;

}  // namespace socket2
