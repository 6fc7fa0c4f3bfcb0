// What is included by POSIX' name.
#pragma once

#include "core/io/windows/winsock.h"
