#include "cli/locator.h"

#include <algorithm>
#include <array>

namespace weft {

Locator::Locator(const IpAddress& underlay, Random& random) : underlay_(underlay), random_(&random) {}

void Locator::add(PeerId id, const std::string& host, std::uint16_t port, Instant now) {
    remove(id);
    Place& place = places_[id];
    place.port = port;
    if (const auto address = IpAddress::parse(host)) {
        place.addresses = {*address};
    } else {
        place.host = host;
        ask_at(id, place, now);
    }
}

void Locator::remove(PeerId id) {
    const auto found = places_.find(id);
    if (found == places_.end()) return;
    ask_at(id, found->second, std::nullopt);
    places_.erase(found);
}

std::vector<Locator::Question> Locator::due(Instant now) {
    std::vector<Question> due;
    while (!questions_.empty() && questions_.begin()->first <= now) {
        const PeerId id = questions_.begin()->second;
        Place& place = places_.at(id);
        ask_at(id, place, std::nullopt);
        place.asked = now;
        due.push_back({id, place.host});
    }
    return due;
}

std::optional<Instant> Locator::next_deadline() const {
    return questions_.empty() ? std::nullopt : std::optional{questions_.begin()->first};
}

// A resolver may give the addresses of a name in another order each time, which is no change.
bool Locator::answered(PeerId id, const std::vector<IpAddress>& addresses, Instant now) {
    const auto found = places_.find(id);
    if (found == places_.end()) return false;
    Place& place = found->second;
    ask_at(id, place, now + jittered(again_after));
    std::vector<IpAddress> usable;
    for (const IpAddress& address : addresses) {
        if (usable.size() == max_addresses) break;
        if (speaks(address) && std::ranges::find(usable, address) == usable.end()) usable.push_back(address);
    }
    if (usable.empty() || std::ranges::is_permutation(usable, place.addresses)) return false;
    place.addresses = std::move(usable);
    return true;
}

void Locator::failed(PeerId id, Instant now) {
    const auto found = places_.find(id);
    if (found != places_.end()) ask_at(id, found->second, now + retry_after);
}

void Locator::lost(PeerId id, Instant now) {
    const auto found = places_.find(id);
    if (found == places_.end()) return;
    Place& place = found->second;
    const auto due = place.ask_at;
    if (!due) return;  // no name, or being asked for
    const auto earliest = place.asked ? std::max(now, *place.asked + retry_after) : now;
    if (earliest < *due) ask_at(id, place, earliest);
}

std::vector<IpAddress> Locator::addresses(PeerId id) const {
    const auto found = places_.find(id);
    return found == places_.end() ? std::vector<IpAddress>{} : found->second.addresses;
}

std::vector<Endpoint> Locator::endpoints(PeerId id) const {
    std::vector<Endpoint> endpoints;
    const auto found = places_.find(id);
    if (found == places_.end()) return endpoints;
    for (const IpAddress& address : found->second.addresses)
        endpoints.push_back({.address = address, .port = found->second.port});
    return endpoints;
}

// [::] serves IPv4 as well.
bool Locator::speaks(const IpAddress& address) const noexcept {
    if (underlay_.is_v6() && underlay_ == IpAddress::v6({})) return true;
    return underlay_.is_v6() == address.is_v6();
}

void Locator::ask_at(PeerId id, Place& place, std::optional<Instant> when) {
    if (place.ask_at) questions_.erase({*place.ask_at, id});
    place.ask_at = when;
    if (when) questions_.emplace(*when, id);
}

Duration Locator::jittered(Duration interval) {
    std::array<std::uint8_t, 2> bytes{};
    random_->fill(bytes);
    return interval - interval / 5 + interval / 5 * 2 * (bytes[0] << 8U | bytes[1]) / 0xFFFF;
}

}  // namespace weft
