// Passes the signals that the system sends the process to all loops that watch for them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/result.h"
#include "core/sys/process.h"

namespace socket2 {

// One bit each.
using SignalSet = uint32_t;

enum : SignalSet {
    kSignalInt = 1u << 0,
    kSignalBreak = 1u << 1,
    kSignalTerm = 1u << 2,
    kSignalHup = 1u << 3,
    kSignalQuit = 1u << 4,
    kSignalUsr1 = 1u << 5,
    kSignalUsr2 = 1u << 6,
    kSignalChld = 1u << 7,
    kSignalWinch = 1u << 8,
    kSignalCont = 1u << 9,
    kSignalTstp = 1u << 10,
    kSignalTtin = 1u << 11,
    kSignalTtou = 1u << 12,
    kSignalAlrm = 1u << 13,
    kSignalPipe = 1u << 14,
    kSignalUrg = 1u << 15,
    kSignalIo = 1u << 16,
    kSignalXcpu = 1u << 17,
    kSignalXfsz = 1u << 18,
};
constexpr size_t kSignalCount = 19;
constexpr SignalSet kAllSignals = (1u << kSignalCount) - 1;

// Something that watches for signals.
class SignalListener {
   public:
    explicit SignalListener(SignalSet signals) : wanted(signals) {}
    SignalListener(const SignalListener&) = delete;
    SignalListener& operator=(const SignalListener&) = delete;
    virtual ~SignalListener() = default;

    // In any thread, but not in a signal handler. `signals` are some of the wanted ones.
    virtual void came(SignalSet signals) = 0;

    const SignalSet wanted;
};

class SignalHub {
   public:
    // The hub of the process.
    static SignalHub& instance();

    // From now on the listener is told about each wanted signal, and the signal no longer does
    // anything else. Errc::not_supported when the system has no such signal. May throw bad_alloc.
    Result add(const std::shared_ptr<SignalListener>& listener);
    // When its last listener is gone, a signal does what it did before the first one came. Does
    // nothing for a listener that was not added.
    void remove(const SignalListener& listener);

    // A forked child has no thread that tells: starts one, unless there is one.
    Result revive();

    // For the system's part: these signals have come. -> those that some listener wants
    SignalSet tell(SignalSet came);

   private:
    Result take(SignalSet signals);
    void give_back(SignalSet signals);

    std::mutex& mutex_ = process_lock(LockKind::registry);  // guards the members below
    std::vector<std::shared_ptr<SignalListener>> listeners_;
    std::array<size_t, kSignalCount> takers_{};
    uint32_t process_ = 0;  // the process that signals are told in; 0: none yet
};

}  // namespace socket2
