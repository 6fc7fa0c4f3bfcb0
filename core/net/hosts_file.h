// The names in the system's hosts file, which need no network. Not thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/sys/address.h"

namespace socket2 {

// Says only whether a name or address is there. The answer comes from the system's resolver, which
// follows the order of its own configuration.
class HostsFile {
   public:
    explicit HostsFile(std::string path) : path_(std::move(path)) {}

    // Whether a line with an address of that family has the name (unspecified: of any family). The
    // file is read again when it has changed; a file that cannot be read counts as empty. May throw
    // bad_alloc.
    bool has(std::string_view name, Family family);

   private:
    using Time = std::filesystem::file_time_type;

    void refresh();
    void read();
    void add_line(std::string_view line);

    const std::string path_;
    Time time_ = Time::min();
    std::uintmax_t size_ = 0;
    // Sorted hashes of name and family: a list of blocked names has hundreds of thousands. A
    // collision only means that a name counts as present.
    std::vector<uint64_t> hashes_;
};

}  // namespace socket2
