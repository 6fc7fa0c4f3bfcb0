// Remembers for a while what lookups have found. Not thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "core/sys/lookup.h"

namespace socket2 {

class LookupCache {
   public:
    static constexpr size_t kCapacity = 1024;

    // How long results are remembered, in seconds; 0: not at all. Forgets everything.
    void set_lifetime(double seconds);
    bool on() const { return lifetime_ > 0; }

    // Both may throw bad_alloc, with the cache unchanged.
    bool find(const Endpoint& endpoint, double now, Lookup& out) const;
    void put(const Endpoint& endpoint, double now, const Lookup& found);

    // Equal questions, and only those, have the same key.
    static std::string key_of(const Endpoint& endpoint);

    size_t size() const { return entries_.size(); }

   private:
    struct Entry {
        std::string key;
        double expires;
        Lookup found;
    };
    using Entries = std::list<Entry>;

    void erase(Entries::iterator entry);

    double lifetime_ = 0;
    Entries entries_;  // oldest first: all live equally long, so the front expires first
    std::unordered_map<std::string, Entries::iterator> index_;
};

}  // namespace socket2
