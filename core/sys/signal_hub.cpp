#include "core/sys/signal_hub.h"

#include <algorithm>

#include "core/sys/system_signals.h"

namespace socket2 {
namespace {

// Calls `f` with each signal of the set and its index.
template <typename F>
void for_each_signal(SignalSet signals, F f) {
    for (size_t i = 0; i < kSignalCount; ++i) {
        const SignalSet signal = SignalSet{1} << i;
        if ((signals & signal) != 0) f(signal, i);
    }
}

}  // namespace

SignalHub& SignalHub::instance() {
    // Never destroyed: a signal can come while the process ends.
    static auto* const the_one = new SignalHub;
    return *the_one;
}

Result SignalHub::add(const std::shared_ptr<SignalListener>& listener) {
    if ((listener->wanted & ~system_signals::known()) != 0) return Errc::not_supported;
    const Result r = revive();
    if (r.is_error()) return r;
    const std::lock_guard lock(mutex_);
    listeners_.push_back(listener);  // before any signal is taken, so that none is lost
    const Result taken = take(listener->wanted);
    if (taken.is_error()) listeners_.pop_back();
    return taken;
}

void SignalHub::remove(const SignalListener& listener) {
    const std::lock_guard lock(mutex_);
    const auto place = std::find_if(listeners_.begin(), listeners_.end(),
                                    [&](const auto& each) { return each.get() == &listener; });
    if (place == listeners_.end()) return;
    give_back(listener.wanted);
    listeners_.erase(place);
}

Result SignalHub::revive() {
    const std::lock_guard lock(mutex_);
    if (process_ == process_number()) return Result::done();
    const Result r = system_signals::start();
    if (r.ok()) process_ = process_number();
    return r;
}

SignalSet SignalHub::tell(SignalSet came) {
    SignalSet wanted = 0;
    const std::lock_guard lock(mutex_);
    for (const std::shared_ptr<SignalListener>& listener : listeners_) {
        const SignalSet theirs = came & listener->wanted;
        if (theirs != 0) listener->came(theirs);
        wanted |= theirs;
    }
    return wanted;
}

// Takes all of them, or none.
Result SignalHub::take(SignalSet signals) {
    Result r = Result::done();
    SignalSet taken = 0;
    for_each_signal(signals, [&](SignalSet signal, size_t index) {
        if (r.is_error()) return;
        if (takers_[index] == 0) r = system_signals::take(signal);
        if (r.is_error()) return;
        ++takers_[index];
        taken |= signal;
    });
    if (r.is_error()) give_back(taken);
    return r;
}

void SignalHub::give_back(SignalSet signals) {
    for_each_signal(signals, [&](SignalSet signal, size_t index) {
        if (--takers_[index] == 0) system_signals::give_back(signal);
    });
}

}  // namespace socket2
