#include "spec/support/windows/windows_test.h"
