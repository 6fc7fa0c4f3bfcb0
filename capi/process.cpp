#include "capi/socket2.h"
#include "core/sys/descriptor.h"
#include "core/sys/process_settings.h"

int socket2_ignore_sigpipe(void) {
    socket2::ignore_broken_pipes();
    return 0;
}

int socket2_descriptor_limit(void) { return socket2::descriptor_limit(); }

int socket2_descriptor_close(intptr_t fd) {
    using namespace socket2;
    const Result is_open = sys::never_blocks(fd);
    if (is_open.is_error()) return SOCKET2_EDESCRIPTOR;
    sys::close_descriptor(fd);
    return 0;
}
