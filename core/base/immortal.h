// A global that is never destroyed, because a thread or a finalizer may still use it while the
// process ends.
#pragma once

namespace socket2 {

template <typename T>
union Immortal {
    // If T's constructor is constexpr, the value is there before any code runs. The mutex of
    // Windows' C++ library has no such constructor: it is made when the library is loaded.
    constexpr Immortal() : value_() {}
    Immortal(const Immortal&) = delete;
    Immortal& operator=(const Immortal&) = delete;
    // A defaulted destructor would be deleted.
    constexpr ~Immortal() {}  // NOLINT(modernize-use-equals-default)

    T* operator->() { return &value_; }

   private:
    T value_;
};

}  // namespace socket2
