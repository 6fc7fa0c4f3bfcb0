#include "core/base/error.h"

#include "capi/socket2.h"
#include "core/base/result.h"

// The header and the core have the same numbers.
static_assert(SOCKET2_PENDING == socket2::Result::kPending);
#define SOCKET2_SAME_NUMBER(id, name, number, message) static_assert(SOCKET2_##name == (number));
SOCKET2_ERROR_LIST(SOCKET2_SAME_NUMBER)
#undef SOCKET2_SAME_NUMBER

const char* socket2_error_name(int code) { return socket2::error_word(code); }

const char* socket2_error_message(int code) { return socket2::error_message(code); }
