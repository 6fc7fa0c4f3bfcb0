// What the system's hosts file has: names that need no network. Not thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/sys/address.h"

namespace socket2 {

// Only whether a name or address is there. The system's resolver gives the answer, in the order of its
// own configuration.
class HostsFile {
   public:
    explicit HostsFile(std::string path) : path_(std::move(path)) {}

    // Whether a line with an address of that family (unspecified: of any) has it. The file is read
    // again when it has changed; one that cannot be read has nothing. May throw bad_alloc.
    bool has(std::string_view name, Family family);

   private:
    using Time = std::filesystem::file_time_type;

    void refresh();
    void read();
    void add_line(std::string_view line);

    const std::string path_;
    Time time_ = Time::min();
    std::uintmax_t size_ = 0;
    // Of name and family, sorted. A list of blocked names has hundreds of thousands; two that have the
    // same number do no harm.
    std::vector<uint64_t> hashes_;
};

}  // namespace socket2
