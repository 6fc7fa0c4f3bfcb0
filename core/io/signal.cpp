#include "core/io/signal.h"

#include <atomic>
#include <utility>

namespace socket2 {

// What the hub's thread leaves for the loop's thread.
class SignalWatch::Mail final : public SignalListener,
                                public Posted,
                                public std::enable_shared_from_this<Mail> {
   public:
    Mail(SignalWatch& watch, SignalSet signals)
        : SignalListener(signals), watch_(&watch), inbox_(watch.loop_.inbox()) {}

    void came(SignalSet signals) override {
        pending_.fetch_or(signals);
        if (!posted_.exchange(true)) inbox_->post(shared_from_this());
    }

    void arrive() override {
        posted_.store(false);  // first, so that a signal that comes after this is posted again
        if (watch_ != nullptr) watch_->arrived();
    }

    // Takes one of the signals that came; 0 when there is none.
    SignalSet take() {
        const SignalSet all = pending_.load();
        const SignalSet first = all & (~all + 1);
        pending_.fetch_and(~first);
        return first;
    }

    void forget_watch() { watch_ = nullptr; }

   private:
    SignalWatch* watch_;  // null: gone; only the loop's thread uses it
    const std::shared_ptr<Inbox> inbox_;
    std::atomic<SignalSet> pending_ = 0;
    std::atomic<bool> posted_ = false;
};

SignalWatch::SignalWatch(Loop& loop, SignalSet signals)
    : Object(kSignalWatch),
      loop_(loop),
      op_(*this, Side::read),
      mail_(std::make_shared<Mail>(*this, signals)) {
    loop_.reserve(1);
    op_.kind = OpKind::wait;
}

SignalWatch::~SignalWatch() {
    leave();
    loop_.release(1);
}

Result SignalWatch::start() { return SignalHub::instance().add(mail_); }

Result SignalWatch::wait(double deadline) {
    if (!idle()) return Errc::busy;
    const SignalSet signal = mail_->take();
    const Result r = Result::of(static_cast<int>(signal));
    if (deadline == kAtOnce) return signal != 0 ? r : Result(Errc::timeout);
    op_.deadline = deadline;
    return signal != 0 ? r : loop_.submit(op_);
}

void SignalWatch::arrived() {
    if (op_.state != OpState::external || op_.in_list()) return;  // kept for the next wait
    const SignalSet signal = mail_->take();
    if (signal != 0) loop_.finish(op_, Result::of(static_cast<int>(signal)));
}

void SignalWatch::leave() {
    SignalHub::instance().remove(*mail_);
    mail_->forget_watch();
}

void SignalWatch::on_close(Loop&) {
    leave();
    loop_.cancel(op_, Errc::closed);
}

}  // namespace socket2
