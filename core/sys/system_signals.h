// How the system's signals reach the hub. All calls come with the hub's lock, one signal at a time.
#pragma once

#include "core/sys/signal_hub.h"

namespace socket2::system_signals {

// Those that there are.
SignalSet known();

// Once in a process, and again in a forked child: from now on the hub is told of what is taken.
Result start();

// The signal is told of, in place of what it does to the process.
Result take(SignalSet signal);
// It does what it did before take(), unless somebody else has changed that meanwhile.
void give_back(SignalSet signal);

}  // namespace socket2::system_signals
