// What is included by POSIX' name.
#pragma once

#include "core/sys/windows/winsock.h"
