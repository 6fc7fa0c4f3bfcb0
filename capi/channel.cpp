#include <algorithm>
#include <mutex>
#include <string_view>
#include <vector>

#include "capi/handles.h"
#include "core/net/attach.h"
#include "core/sys/process.h"

using namespace socket2;
using namespace socket2::capi;

namespace {

// The channels of the process by their numbers, for opening them. Sending and receiving do not use
// it.
class Registry {
   public:
    // 0 when there are no numbers left. May throw bad_alloc.
    int reserve() {
        const std::lock_guard lock(mutex_);
        return channels_.insert({});
    }

    void set(int number, const std::shared_ptr<Channel>& channel) {
        const std::lock_guard lock(mutex_);
        *channels_.find(number) = channel;
    }

    // Null when it is gone.
    std::shared_ptr<Channel> find(int number) {
        const std::lock_guard lock(mutex_);
        const std::weak_ptr<Channel>* channel = channels_.find(number);
        return channel == nullptr ? nullptr : channel->lock();
    }

    void remove(int number) {
        const std::lock_guard lock(mutex_);
        channels_.take(number);
    }

   private:
    std::mutex& mutex_ = process_lock(LockKind::registry);
    SlotMap<std::weak_ptr<Channel>> channels_;
};

// Never destroyed: threads may still be at work while the process ends.
Registry& registry() {
    static auto* const the_one = new Registry;
    return *the_one;
}

class NumberedChannel final : public Channel {
   public:
    NumberedChannel(int number, size_t capacity) : Channel(capacity), number_(number) {}
    ~NumberedChannel() { registry().remove(number_); }

    int number() const { return number_; }

   private:
    const int number_;
};

// Null when there are no numbers left.
std::shared_ptr<Channel> make_channel(size_t capacity) {
    const int number = registry().reserve();
    if (number == 0) return nullptr;
    std::shared_ptr<NumberedChannel> channel;
    try {
        channel = std::make_shared<NumberedChannel>(number, capacity);
    } catch (const std::bad_alloc&) {
        registry().remove(number);
        throw;
    }
    registry().set(number, channel);
    return channel;
}

int adopt_port(LoopEntry& entry, std::shared_ptr<Channel> channel) {
    return entry.adopt(std::make_unique<Port>(entry.loop, std::move(channel)));
}

template <typename T>
bool is_array(const T* items, int count) {
    return count >= 0 && (items != nullptr || count == 0);
}

// Checks that they are open, and that none is in the list twice: closing a number twice could close
// a stranger's descriptor.
Result check_descriptors(std::vector<Descriptor> fds) {
    for (const Descriptor fd : fds) {
        const Result open = sys::never_blocks(fd);
        if (open.is_error()) return open;
    }
    std::sort(fds.begin(), fds.end());
    const bool twice = std::adjacent_find(fds.begin(), fds.end()) != fds.end();
    return twice ? Result(Errc::invalid_argument) : Result::done();
}

// Gets references to the channels of those handles.
bool find_channels(LoopEntry& entry, const int* handles, int count,
                   std::vector<std::shared_ptr<Channel>>& out) {
    for (int i = 0; i < count; ++i) {
        const auto* port = find_object<Port>(entry, handles[i]);
        if (port == nullptr) return false;
        out.push_back(port->channel());
    }
    return true;
}

// The descriptor, which the caller may take. Null when there is none, or it was taken.
Descriptor* find_descriptor(Message* message, int index) {
    const bool there = message != nullptr && index >= 0 &&
                       static_cast<size_t>(index) < message->descriptors.size();
    if (!there) return nullptr;
    Descriptor& fd = message->descriptors[static_cast<size_t>(index)];
    return fd == kNoDescriptor ? nullptr : &fd;
}

int take_descriptor(Message* message, int index) {
    Descriptor* const fd = find_descriptor(message, index);
    if (fd == nullptr) return SOCKET2_EINVAL;
    return static_cast<int>(std::exchange(*fd, kNoDescriptor));
}

}  // namespace

namespace socket2::capi {

int channel_number(const Channel& channel) {
    return static_cast<const NumberedChannel&>(channel).number();
}

}  // namespace socket2::capi

int socket2_channel_new(int loop, int capacity) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        if (capacity < 0) return SOCKET2_EINVAL;
        std::shared_ptr<Channel> channel = make_channel(static_cast<size_t>(capacity));
        return channel == nullptr ? static_cast<int>(SOCKET2_ENOHANDLE)
                                  : adopt_port(entry, std::move(channel));
    });
}

int socket2_channel_id(int loop, int handle) {
    return on_object<Port>(loop, handle,
                           [](LoopEntry&, Port& port) { return channel_number(*port.channel()); });
}

int socket2_channel_open(int loop, int id) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        std::shared_ptr<Channel> channel = registry().find(id);
        return channel == nullptr ? static_cast<int>(SOCKET2_EBADHANDLE)
                                  : adopt_port(entry, std::move(channel));
    });
}

int socket2_channel_close(int loop, int handle) { return close_handle<Port>(loop, handle); }

int socket2_channel_shutdown(int loop, int handle) {
    return on_object<Port>(loop, handle, [](LoopEntry&, Port& port) {
        port.channel()->shutdown();
        return 0;
    });
}

int socket2_channel_own(int loop, int handle) {
    return on_object<Port>(loop, handle, [](LoopEntry&, Port& port) {
        port.own();
        return 0;
    });
}

int socket2_channel_length(int loop, int handle) {
    return on_object<Port>(loop, handle, [](LoopEntry&, Port& port) {
        return static_cast<int>(port.channel()->length());
    });
}

int socket2_channel_send(int loop, int handle, const void* data, size_t size, const int* channels,
                         int channel_count, const intptr_t* fds, int fd_count, double deadline) {
    return on_object<Port>(loop, handle, [&](LoopEntry& entry, Port& port) -> int {
        if (!is_buffer(data, size) || !is_array(channels, channel_count) ||
            !is_array(fds, fd_count) || !is_time(deadline)) {
            return SOCKET2_EINVAL;
        }
        if (port.op(Side::write)->state != OpState::idle) return SOCKET2_EBUSY;
        auto message =
            std::make_unique<Message>(std::string_view(static_cast<const char*>(data), size));
        if (!find_channels(entry, channels, channel_count, message->channels)) {
            return SOCKET2_EBADHANDLE;
        }
        std::vector<Descriptor> descriptors(fds, fds + fd_count);
        const Result r = check_descriptors(descriptors);
        if (r.is_error()) return entry.report(r);
        message->descriptors = std::move(descriptors);
        return entry.report(port.send(std::move(message), deadline));
    });
}

int socket2_channel_recv(int loop, int handle, double deadline) {
    return on_object<Port>(loop, handle, [&](LoopEntry& entry, Port& port) -> int {
        return is_time(deadline) ? entry.report(port.recv(deadline))
                                 : static_cast<int>(SOCKET2_EINVAL);
    });
}

const void* socket2_message_data(int loop, int handle) {
    const auto* const port = look_at<Port>(loop, handle);
    const Message* const message = port == nullptr ? nullptr : port->message();
    return message == nullptr ? nullptr : message->data.get();
}

int socket2_message_channel(int loop, int handle, int index) {
    return on_object<Port>(loop, handle, [&](LoopEntry& entry, Port& port) -> int {
        std::shared_ptr<Channel> channel =
            index < 0 ? nullptr : port.message_channel(static_cast<size_t>(index));
        return channel == nullptr ? static_cast<int>(SOCKET2_EINVAL)
                                  : adopt_port(entry, std::move(channel));
    });
}

int socket2_message_fd(int loop, int handle, int index) {
    return on_object<Port>(loop, handle, [&](LoopEntry&, Port& port) -> int {
        return take_descriptor(port.message(), index);
    });
}

int socket2_message_socket(int loop, int handle, int index) {
    return on_object<Port>(loop, handle, [&](LoopEntry& entry, Port& port) -> int {
        Descriptor* const fd = find_descriptor(port.message(), index);
        if (fd == nullptr) return SOCKET2_EINVAL;
        std::unique_ptr<Socket> socket;
        const Result r = attach_socket(entry.loop, *fd, socket);
        if (r.is_error()) return entry.report(r);
        *fd = kNoDescriptor;
        return entry.adopt(std::move(socket));
    });
}

int socket2_message_close(int loop, int handle) {
    return on_object<Port>(loop, handle, [](LoopEntry&, Port& port) {
        port.drop_message();
        return 0;
    });
}

int socket2_channel_unsent(int loop, int handle, int index) {
    return on_object<Port>(loop, handle, [&](LoopEntry&, Port& port) -> int {
        return take_descriptor(port.unsent(), index);
    });
}
