#include "core/thread/port.h"

#include <utility>

namespace socket2 {

class Port::Line final : public Waiter {
   public:
    explicit Line(End& end) : Waiter(end.port.loop_.inbox()), end_(&end) {}

    void arrive() override {
        if (end_ != nullptr) end_->port.arrived(*end_);
    }
    void forget_end() { end_ = nullptr; }

   private:
    End* end_;  // null: gone; only the loop's thread uses it
};

Port::End::End(Port& the_port, Side op_side)
    : ExternalOp(the_port, op_side), port(the_port), line(std::make_shared<Line>(*this)) {
    kind = op_side == Side::read ? OpKind::recv : OpKind::send;
}

bool Port::End::let_go() {
    if (!port.channel_->withdraw(*line)) return false;
    if (side == Side::write) port.unsent_ = std::move(line->message);
    return true;
}

Port::Port(Loop& loop, std::shared_ptr<Channel> channel)
    : Object(kPort),
      loop_(loop),
      channel_(std::move(channel)),
      read_(*this, Side::read),
      write_(*this, Side::write) {
    loop_.reserve(2);
}

Result Port::send(MessagePtr message, double deadline) {
    Result r = Errc::busy;
    if (write_.state == OpState::idle) {
        unsent_ = nullptr;
        for (std::shared_ptr<Channel>& channel : message->channels) {
            if (channel == channel_) channel = nullptr;
        }
        r = channel_->send(message, deadline == kAtOnce ? nullptr : write_.line.get());
        r = submit(write_, r, deadline);
    }
    if (message != nullptr)
        message->descriptors.clear();  // after an error at once they stay the caller's
    return r;
}

Result Port::recv(double deadline) {
    if (read_.state != OpState::idle) return Errc::busy;
    message_ = nullptr;
    const Result r = channel_->recv(message_, deadline == kAtOnce ? nullptr : read_.line.get());
    return submit(read_, r, deadline);
}

void Port::line_up_again() {
    const bool waits = read_.state == OpState::external && !read_.in_list();
    if (!waits || read_.line->state != Waiter::State::idle) return;
    const Result r = channel_->recv(message_, read_.line.get());
    if (!r.is_pending()) loop_.finish(read_, r);
}

// Submits the end's op with the result that the channel gave.
Result Port::submit(End& end, Result result, double deadline) {
    if (deadline == kAtOnce) return result;
    end.deadline = deadline;
    return result.is_pending() ? loop_.submit(end) : result;
}

std::shared_ptr<Channel> Port::message_channel(size_t index) const {
    const Message* const m = message();
    if (m == nullptr || index >= m->channels.size()) return nullptr;
    return m->channels[index] != nullptr ? m->channels[index] : channel_;
}

// The end was served, and its waiter belongs to the loop's thread again.
void Port::arrived(End& end) {
    Line& line = *end.line;
    line.state = Waiter::State::idle;
    (end.side == Side::read ? message_ : unsent_) = std::move(line.message);
    loop_.finish(end, line.result);
}

// Nothing more comes for this end. What was served but has not arrived does so now.
void Port::leave(End& end) {
    loop_.cancel(end, Errc::closed);
    if (end.line->state == Waiter::State::served) arrived(end);
    end.line->forget_end();
}

void Port::on_close(Loop&) {
    leave(write_);
    leave(read_);
    if (read_.state != OpState::idle) {
        if (message_ != nullptr) channel_->put_back(std::move(message_));
        if (read_.result.ok()) read_.result = Errc::closed;
    }
    if (owner_) channel_->shutdown();
}

}  // namespace socket2
