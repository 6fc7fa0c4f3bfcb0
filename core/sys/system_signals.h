// How the system's signals reach the hub. All calls come with the hub's lock held, one signal at a
// time.
#pragma once

#include "core/sys/signal_hub.h"

namespace socket2::system_signals {

// The signals that the system has.
SignalSet known();

// Called once in a process, and again in a forked child: from now on the hub is told about the
// signals that are taken.
Result start();

// The hub is told about the signal, instead of what the signal does to the process.
Result take(SignalSet signal);
// The signal does again what it did before take(), unless that was changed elsewhere meanwhile.
void give_back(SignalSet signal);

}  // namespace socket2::system_signals
