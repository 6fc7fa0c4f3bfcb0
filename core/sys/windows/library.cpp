// Only libraries in the folder of this library are opened, by their full path. A bare name is
// searched in the current folder and along PATH, where others can put what they like.
#include "core/sys/library.h"

#include <windows.h>

#include <string>

#include "core/sys/imports.h"

namespace socket2 {
namespace {

// The folder of the module that this code is in, with the "\" at the end; empty if the system does
// not tell.
std::wstring own_folder() {
    HMODULE module = nullptr;
    const DWORD flags =
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExW(flags, reinterpret_cast<LPCWSTR>(&own_folder), &module)) return {};
    std::wstring path(32768, L'\0');
    const DWORD size = GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size()));
    path.resize(size < path.size() ? size : 0);
    return path.substr(0, path.rfind(L'\\') + 1);
}

}  // namespace

const char* open_library(std::initializer_list<const char*> names,
                         std::span<const Import> imports) {
    const std::wstring folder = own_folder();
    if (folder.empty()) return nullptr;
    for (const char* name : names) {
        const std::wstring path =
            folder + std::wstring(name, name + std::char_traits<char>::length(name));
        const HMODULE library = LoadLibraryExW(
            path.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
        if (library == nullptr) continue;
        const auto find = [&](const char* symbol) {
            return reinterpret_cast<void*>(GetProcAddress(library, symbol));
        };
        if (set_imports(imports, find)) return name;
        FreeLibrary(library);
    }
    return nullptr;
}

}  // namespace socket2
