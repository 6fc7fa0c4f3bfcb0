// Lets a file include this by its POSIX name.
#pragma once

#include "core/sys/windows/winsock.h"
