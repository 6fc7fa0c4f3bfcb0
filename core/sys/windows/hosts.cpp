#include "core/sys/hosts.h"

#include "core/sys/windows/winsock.h"

namespace socket2::sys {

bool knows_localhost() { return true; }

std::string hosts_path() {
    char folder[MAX_PATH] = "";
    ::GetSystemDirectoryA(folder, sizeof folder);
    return std::string(folder) + "\\drivers\\etc\\hosts";
}

}  // namespace socket2::sys
