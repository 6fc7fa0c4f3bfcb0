#include "core/sys/thread.h"

#include <windows.h>

#include <algorithm>
#include <bit>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "core/sys/windows/error.h"

// Since Windows 10, but not in mingw's headers.
extern "C" {
__declspec(dllimport) HRESULT WINAPI SetThreadDescription(HANDLE thread, const wchar_t* name);
__declspec(dllimport) HRESULT WINAPI GetThreadDescription(HANDLE thread, wchar_t** name);
}

namespace socket2 {
namespace {

constexpr int kNameCapacity = 64;

}  // namespace

Result start_thread(std::function<void()> body, SignalMask) {
    try {
        std::thread(std::move(body)).detach();
    } catch (const std::system_error& error) {
        return Result(Errc::no_buffer_space, error.code().value());
    } catch (const std::bad_alloc&) {
        return Errc::out_of_memory;
    }
    return Result::done();
}

Result set_thread_name(const char* name) {
    wchar_t wide[kNameCapacity] = L"";
    const std::string cut(name, ::strnlen(name, kNameCapacity - 1));
    ::MultiByteToWideChar(CP_UTF8, 0, cut.c_str(), -1, wide, kNameCapacity);
    const HRESULT r = ::SetThreadDescription(::GetCurrentThread(), wide);
    return SUCCEEDED(r) ? Result::done() : windows::failure(static_cast<int>(r & 0xffff));
}

std::string thread_name() {
    wchar_t* wide = nullptr;
    if (FAILED(::GetThreadDescription(::GetCurrentThread(), &wide))) return "";
    char name[4 * kNameCapacity] = "";
    ::WideCharToMultiByte(CP_UTF8, 0, wide, -1, name, sizeof name, nullptr, nullptr);
    ::LocalFree(wide);
    return name;
}

int processor_count() {
    DWORD_PTR ours = 0;
    DWORD_PTR all = 0;
    ::GetProcessAffinityMask(::GetCurrentProcess(), &ours, &all);
    return std::max(std::popcount(ours), 1);
}

}  // namespace socket2
