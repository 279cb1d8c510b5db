#include "lab/file/addressing.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "config/values.h"

namespace weft::lab {

namespace {

using config::Report;

// An IPv4 address; of an IPv6 address, the half that is its network's or its interface's.
std::uint64_t number_of(const IpAddress& address, std::size_t from = 0) noexcept {
    std::uint64_t number = 0;
    const auto bytes = address.bytes();
    for (std::size_t i = from; i < std::min<std::size_t>(bytes.size(), from + 8); ++i)
        number = number << 8U | bytes[i];
    return number;
}

IpAddress v4_address(std::uint64_t number) noexcept {
    return IpAddress::v4({static_cast<std::uint8_t>(number >> 24U), static_cast<std::uint8_t>(number >> 16U),
                          static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)});
}

IpAddress v6_address(std::uint64_t network, std::uint64_t interface) noexcept {
    std::array<std::uint8_t, 16> octets{};
    for (unsigned i = 0; i < 8; ++i) {
        octets[i] = static_cast<std::uint8_t>(network >> (56U - 8 * i));
        octets[8 + i] = static_cast<std::uint8_t>(interface >> (56U - 8 * i));
    }
    return IpAddress::v6(octets);
}

// The host of this number in a network; nothing if it has no such host.
std::optional<Prefix> host_in(const Prefix& network, std::uint64_t number) noexcept {
    const unsigned bits = network.address.width() - network.length;
    if (bits < 64) {
        const std::uint64_t size = std::uint64_t{1} << bits;
        const bool is_broadcast = network.address.is_v4() && bits > 1 && number == size - 1;
        if (number >= size || is_broadcast) return std::nullopt;
    }
    const IpAddress address = network.address.is_v4() ? v4_address(number_of(network.address) + number)
                                                      : v6_address(number_of(network.address),
                                                                   number_of(network.address, 8) + number);
    return Prefix{address, network.length};
}

// Networks of one family, out of a pool, without those that the file has itself.
class Pool {
  public:
    explicit Pool(const std::optional<Prefix>& pool) : pool_(pool) {
        if (pool) next_ = number_of(pool->address);
    }

    void avoid(const Prefix& network) {
        if (!pool_ || network.address.is_v6() != pool_->address.is_v6()) return;
        const std::uint64_t first = number_of(network.address);
        taken_.emplace(first, first + (size_of(network.length) - 1));
    }

    [[nodiscard]] bool exists() const noexcept { return pool_.has_value(); }

    // For so many hosts; nothing when the pool is used up.
    std::optional<Prefix> take(std::size_t hosts) {
        if (!pool_) return std::nullopt;
        std::uint8_t length = pool_->address.is_v6() ? 64 : 24;
        while (pool_->address.is_v4() && length > 8 && size_of(length) < hosts + 3) --length;
        const std::uint64_t size = size_of(length);
        std::uint64_t first = (next_ + size - 1) / size * size;
        for (const auto& [first_taken, last_taken] : taken_) {
            if (last_taken < first || first_taken > first + (size - 1)) continue;
            first = last_taken / size * size + size;
        }
        const std::uint64_t last_of_pool = number_of(pool_->address) + (size_of(pool_->length) - 1);
        if (first < next_ || first > last_of_pool || last_of_pool - first < size - 1) return std::nullopt;
        next_ = first + size;
        return Prefix{pool_->address.is_v6() ? v6_address(first, 0) : v4_address(first), length};
    }

  private:
    // In what number_of() counts.
    [[nodiscard]] std::uint64_t size_of(unsigned length) const noexcept {
        const unsigned width = pool_ && pool_->address.is_v6() ? 64 : 32;
        if (length >= width) return 1;
        return width - length == 64 ? ~std::uint64_t{0} : std::uint64_t{1} << (width - length);
    }

    std::optional<Prefix> pool_;
    std::uint64_t next_ = 0;
    std::set<std::pair<std::uint64_t, std::uint64_t>> taken_;  // first and last, in order of the first
};

class Assigner {
  public:
    Assigner(const Draft& draft, const std::vector<Segment>& segments, Topology& topology, Report& report)
        : draft_(&draft),
          segments_(&segments),
          topology_(&topology),
          report_(&report),
          pool_(draft.pool),
          pool_v6_(draft.pool_v6) {}

    void run() {
        for (const Segment& segment : *segments_) {
            for (const Prefix& prefix : given(segment)) {
                pool_.avoid(prefix.network());
                pool_v6_.avoid(prefix.network());
            }
        }
        for (const Segment& segment : *segments_) {
            check_given(segment);
            assign(segment);
        }
    }

  private:
    [[nodiscard]] bool is_automatic(SegmentEnd end) const noexcept {
        const LinkEnd& made = end_of(*topology_, end);
        return !std::holds_alternative<RealInterface>(topology_->nodes[made.node].kind) &&
               made.addresses.empty() && !draft_->links[end.link].ends[end.which].has_addresses;
    }

    [[nodiscard]] const std::vector<Prefix>& gateways(NodeIndex node) const noexcept {
        return std::get<Switch>(topology_->nodes[node].kind).bridge.gateway;
    }

    [[nodiscard]] std::vector<Prefix> given(const Segment& segment) const {
        std::vector<Prefix> all;
        for (const SegmentEnd end : segment.ends) {
            const auto& addresses = end_of(*topology_, end).addresses;
            all.insert(all.end(), addresses.begin(), addresses.end());
        }
        for (const NodeIndex node : segment.switches)
            all.insert(all.end(), gateways(node).begin(), gateways(node).end());
        return all;
    }

    void check_given(const Segment& segment) {
        std::map<IpAddress, std::string> owners;
        for (const NodeIndex node : segment.switches) {
            for (const Prefix& prefix : gateways(node))
                owners.emplace(prefix.address, topology_->nodes[node].name);
        }
        for (const SegmentEnd end : segment.ends) {
            const LinkEnd& made = end_of(*topology_, end);
            for (const Prefix& prefix : made.addresses) {
                const auto [other, is_new] = owners.emplace(prefix.address, topology_->nodes[made.node].name);
                if (is_new) continue;
                report_->add(
                    position(end),
                    fmt::format("{} is {}'s address already", prefix.address.to_string(), other->second),
                    "change one of them");
            }
            if (config::has_v6(made.addresses) && made.mtu < config::min_v6_mtu) {
                report_->add(draft_->links[end.link].at,
                             fmt::format("an MTU of {} is too small for IPv6", made.mtu),
                             fmt::format("use {} or more", config::min_v6_mtu));
            }
        }
    }

    [[nodiscard]] config::Position position(SegmentEnd end) const noexcept {
        const EndDraft& draft = draft_->links[end.link].ends[end.which];
        if (draft.has_addresses) return draft.addresses_at;
        return draft_->nodes[end_of(*topology_, end).node].addresses_at;
    }

    void assign(const Segment& segment) {
        std::vector<SegmentEnd> open;
        for (const SegmentEnd end : segment.ends) {
            if (is_automatic(end)) open.push_back(end);
        }
        if (open.empty()) return;
        const auto prefixes = given(segment);
        std::vector<Prefix> networks;  // one of a family
        for (const Prefix& prefix : prefixes) {
            const bool is_v6 = prefix.address.is_v6();
            if (std::ranges::none_of(networks,
                                     [&](const Prefix& one) { return one.address.is_v6() == is_v6; }))
                networks.push_back(prefix.network());
        }
        if (networks.empty()) networks = automatic(open);
        for (const Prefix& network : networks) number(network, prefixes, open);
    }

    std::vector<Prefix> automatic(const std::vector<SegmentEnd>& open) {
        std::vector<Prefix> networks;
        for (Pool* pool : {&pool_, &pool_v6_}) {
            if (!pool->exists()) continue;
            // No IPv6 where it could not be.
            if (pool == &pool_v6_ && end_of(*topology_, open.front()).mtu < config::min_v6_mtu) continue;
            if (const auto network = pool->take(open.size())) {
                networks.push_back(*network);
            } else {
                report_->add(draft_->pool_at, "the addresses of the pool are used up",
                             R"(give a larger one, as in addresses = ["10.0.0.0/8"])");
            }
        }
        return networks;
    }

    void number(const Prefix& network, const std::vector<Prefix>& prefixes,
                const std::vector<SegmentEnd>& open) {
        std::set<IpAddress> taken;
        for (const Prefix& prefix : prefixes) taken.insert(prefix.address);
        const bool is_point_to_point = !config::has_network_address(network);
        std::uint64_t next = is_point_to_point ? 0 : 1;
        for (const SegmentEnd end : open) {
            auto host = host_in(network, next++);
            while (host && taken.contains(host->address)) host = host_in(network, next++);
            if (!host) {
                report_->add(draft_->links[end.link].ends[end.which].at,
                             fmt::format("no address is left in {}", network.to_string()),
                             "give a larger network, or this end its address");
                return;
            }
            topology_->links[end.link].ends[end.which].addresses.push_back(*host);
        }
    }

    const Draft* draft_;
    const std::vector<Segment>* segments_;
    Topology* topology_;
    Report* report_;
    Pool pool_;
    Pool pool_v6_;
};

}  // namespace

void assign_addresses(const Draft& draft, const std::vector<Segment>& segments, Topology& topology,
                      Report& report) {
    Assigner{draft, segments, topology, report}.run();
}

}  // namespace weft::lab
