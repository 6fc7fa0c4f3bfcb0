#include "core/net/lookup_cache.h"

#include <iterator>
#include <utility>

namespace socket2 {

void LookupCache::set_lifetime(double seconds) {
    lifetime_ = seconds;
    index_.clear();
    entries_.clear();
}

// Each text ends with a zero, because neither can contain one. A sign tells a null from an empty
// text.
std::string LookupCache::key_of(const Endpoint& endpoint) {
    std::string key;
    for (const char* text : {endpoint.host, endpoint.service}) {
        key.append(text != nullptr ? "+" : "-");
        key.append(text != nullptr ? text : "").append(1, '\0');
    }
    for (const int number : {static_cast<int>(endpoint.type), static_cast<int>(endpoint.family),
                             endpoint.protocol, static_cast<int>(endpoint.flags)}) {
        key.append(std::to_string(number)).append(1, ' ');
    }
    return key;
}

bool LookupCache::find(const Endpoint& endpoint, double now, Lookup& out) const {
    if (!on()) return false;
    const auto place = index_.find(key_of(endpoint));
    if (place == index_.end() || place->second->expires <= now) return false;
    out = place->second->found;
    return true;
}

void LookupCache::put(const Endpoint& endpoint, double now, const Lookup& found) {
    if (!on()) return;
    Entries made;
    made.push_back({key_of(endpoint), now + lifetime_, found});
    const auto [place, is_new] = index_.try_emplace(made.front().key, made.begin());
    // From here on nothing throws.
    if (!is_new) entries_.erase(std::exchange(place->second, made.begin()));
    entries_.splice(entries_.end(), made);
    while (!entries_.empty() && (entries_.front().expires <= now || entries_.size() > kCapacity)) {
        erase(entries_.begin());
    }
}

void LookupCache::erase(Entries::iterator entry) {
    index_.erase(entry->key);
    entries_.erase(entry);
}

}  // namespace socket2
