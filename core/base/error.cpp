#include "core/base/error.h"

namespace socket2 {

const char* error_word(int code) {
    switch (static_cast<Errc>(code)) {
        case Errc::ok:
            return "ok";
#define SOCKET2_ERROR_WORD(id, name, number, message) \
    case Errc::id:                                    \
        return #id;
            SOCKET2_ERROR_LIST(SOCKET2_ERROR_WORD)
#undef SOCKET2_ERROR_WORD
    }
    return "unknown_error";
}

const char* error_message(int code) {
    switch (static_cast<Errc>(code)) {
        case Errc::ok:
            return "no error";
#define SOCKET2_ERROR_MESSAGE(id, name, number, message) \
    case Errc::id:                                       \
        return message;
            SOCKET2_ERROR_LIST(SOCKET2_ERROR_MESSAGE)
#undef SOCKET2_ERROR_MESSAGE
    }
    return "a number that is no error code of this library";
}

}  // namespace socket2
