#include "capi/socket2.h"
#include "core/io/process_settings.h"

int socket2_ignore_sigpipe(void) {
    socket2::ignore_broken_pipes();
    return 0;
}

int socket2_descriptor_limit(void) { return socket2::descriptor_limit(); }
