// A global that the end of the process leaves alone: a thread or a finalizer may still come for it.
#pragma once

namespace socket2 {

template <typename T>
union Immortal {
    // Of a T whose constructor is constant it is there before any code runs. A mutex of Windows' C++
    // library has none; there it is made when the library is loaded.
    constexpr Immortal() : value_() {}
    Immortal(const Immortal&) = delete;
    Immortal& operator=(const Immortal&) = delete;
    // The default one would be none at all.
    constexpr ~Immortal() {}  // NOLINT(modernize-use-equals-default)

    T* operator->() { return &value_; }

   private:
    T value_;
};

}  // namespace socket2
