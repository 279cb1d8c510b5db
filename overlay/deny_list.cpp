#include "overlay/deny_list.h"

namespace weft {

bool DenyList::add(const Prefix& prefix) {
    return counters_.insert(prefix, std::make_unique<Counters>());
}

bool DenyList::remove(const Prefix& prefix) {
    return counters_.erase(prefix);
}

bool DenyList::denies(const IpAddress& source, std::uint64_t packets, std::uint64_t bytes) noexcept {
    const auto* found = counters_.lookup(source);
    if (found == nullptr) return false;
    (*found)->packets += packets;
    (*found)->bytes += bytes;
    return true;
}

std::vector<DeniedSnapshot> DenyList::snapshot() const {
    std::vector<DeniedSnapshot> all;
    all.reserve(counters_.size());
    counters_.for_each([&](const Prefix& prefix, const std::unique_ptr<Counters>& counters) {
        all.push_back({prefix, counters->packets, counters->bytes});
    });
    return all;
}

}  // namespace weft
