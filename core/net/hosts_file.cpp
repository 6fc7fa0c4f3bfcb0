#include "core/net/hosts_file.h"

#include <algorithm>
#include <fstream>
#include <system_error>

namespace socket2 {
namespace {

// FNV-1a over the letters in lower case.
uint64_t hash_of(std::string_view name, Family family) {
    uint64_t hash = 0xcbf29ce484222325 + static_cast<uint64_t>(family);
    for (const char c : name) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        hash = (hash ^ static_cast<uint8_t>(lower)) * 0x100000001b3;
    }
    return hash;
}

// Takes the next word off a line; empty when there is none.
std::string_view next_word(std::string_view& line) {
    constexpr std::string_view kBlank = " \t\r";
    line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
    const std::string_view word = line.substr(0, line.find_first_of(kBlank));
    line.remove_prefix(word.size());
    return word;
}

}  // namespace

bool HostsFile::has(std::string_view name, Family family) {
    refresh();
    const auto is_there = [&](Family each) {
        return (family == each || family == Family::unspecified) &&
               std::binary_search(hashes_.begin(), hashes_.end(), hash_of(name, each));
    };
    return is_there(Family::inet) || is_there(Family::inet6);
}

void HostsFile::refresh() {
    std::error_code error;
    Time time = std::filesystem::last_write_time(path_, error);
    if (error) time = Time::min();
    std::uintmax_t size = std::filesystem::file_size(path_, error);
    if (error) size = 0;
    if (time == time_ && size == size_) return;
    hashes_.clear();
    read();
    time_ = time;
    size_ = size;
}

void HostsFile::read() {
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
        add_line(std::string_view(line).substr(0, line.find('#')));
    }
    std::sort(hashes_.begin(), hashes_.end());
}

// Adds the line's address and its names. The address counts as a name, too, because reverse
// lookups ask for it.
void HostsFile::add_line(std::string_view line) {
    std::string_view word = next_word(line);
    const Family family = word.find(':') == std::string_view::npos ? Family::inet : Family::inet6;
    for (; !word.empty(); word = next_word(line)) hashes_.push_back(hash_of(word, family));
}

}  // namespace socket2
