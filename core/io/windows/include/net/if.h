// What core/net includes by POSIX' name.
#pragma once

#include "core/io/windows/winsock.h"
