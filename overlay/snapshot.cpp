#include "overlay/snapshot.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace weft {

namespace {

void add(TrafficCounters& total, const TrafficCounters& part) {
    total.rx_packets += part.rx_packets;
    total.rx_bytes += part.rx_bytes;
    total.tx_packets += part.tx_packets;
    total.tx_bytes += part.tx_bytes;
}

void add(DropCounters& total, const DropCounters& part) {
    for (std::size_t i = 0; i < drop_count; ++i) {
        const auto drop = static_cast<Drop>(i);
        total.add(drop, part[drop]);
    }
}

void add(PortSnapshot& total, const PortSnapshot& part) {
    add(total.traffic, part.traffic);
    add(total.drops, part.drops);
}

void add(DeniedSnapshot& total, const DeniedSnapshot& part) {
    total.packets += part.packets;
    total.bytes += part.bytes;
}

void add(OffloadSnapshot& total, const OffloadSnapshot& part) {
    total.flows += part.flows;
    total.inserted += part.inserted;
    total.withdrawn += part.withdrawn;
    total.put_off += part.put_off;
    total.checked += part.checked;
    total.differed += part.differed;
}

void take_least(std::optional<Duration>& least, const std::optional<Duration>& other) {
    if (other && (!least || *other < *least)) least = other;
}

void add(PeerSnapshot& total, const PeerSnapshot& part) {
    if (!total.endpoint) total.endpoint = part.endpoint;
    if (!total.cipher) total.cipher = part.cipher;
    take_least(total.session_age, part.session_age);
    take_least(total.last_heard, part.last_heard);
    if (part.path_mtu) total.path_mtu = std::min(*part.path_mtu, total.path_mtu.value_or(*part.path_mtu));
    total.sealed_packets += part.sealed_packets;
    total.workers.insert(total.workers.end(), part.workers.begin(), part.workers.end());
}

// The workers have the same objects in the same order; one that was just made or removed may not be
// everywhere.
template <class Object, class Id>
void add_each(std::vector<Object>& totals, const std::vector<Object>& parts, Id Object::* id) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const bool in_step = i < totals.size() && totals[i].*id == parts[i].*id;
        const auto found = in_step ? totals.begin() + static_cast<std::ptrdiff_t>(i)
                                   : std::ranges::find(totals, parts[i].*id, id);
        if (found != totals.end()) add(*found, parts[i]);
    }
}

// Most of the stations are known to all workers. The one that saw a station last knows its port best.
void unite(std::vector<StationSnapshot>& stations) {
    const auto key = [](const StationSnapshot& station) {
        return std::tuple{station.bridge, station.entry.vlan, station.entry.mac};
    };
    std::ranges::sort(stations, {}, [&](const auto& station) {
        return std::tuple_cat(key(station), std::tuple{station.age});
    });
    const auto rest = std::ranges::unique(stations, {}, key);
    stations.erase(rest.begin(), rest.end());
}

// Whoever has reached a neighbor knows best; whoever knows no address, least.
void unite(std::vector<NeighborSnapshot>& neighbors) {
    const auto key = [](const NeighborSnapshot& neighbor) {
        return std::tuple{neighbor.leg, neighbor.address};
    };
    std::ranges::sort(neighbors, {}, [&](const auto& neighbor) {
        return std::tuple_cat(key(neighbor), std::tuple{!neighbor.reachable, neighbor.mac.is_zero()});
    });
    const auto rest = std::ranges::unique(neighbors, {}, key);
    neighbors.erase(rest.begin(), rest.end());
}

}  // namespace

Snapshot merge(std::span<const std::unique_ptr<Snapshot>> parts) {
    Snapshot total = std::move(*parts[0]);
    for (const auto& part : parts.subspan(1)) {
        add_each(total.ports, part->ports, &PortSnapshot::port);
        add_each(total.peers, part->peers, &PeerSnapshot::peer);
        total.stations.insert(total.stations.end(), part->stations.begin(), part->stations.end());
        total.neighbors.insert(total.neighbors.end(), part->neighbors.begin(), part->neighbors.end());
        total.flows.insert(total.flows.end(), part->flows.begin(), part->flows.end());
        total.flow_table.flows += part->flow_table.flows;
        total.flow_table.limit += part->flow_table.limit;
        total.flow_table.evicted += part->flow_table.evicted;
        add(total.offload, part->offload);
        add_each(total.denied, part->denied, &DeniedSnapshot::prefix);
        add(total.underlay_drops, part->underlay_drops);
        total.pool_available += part->pool_available;
        total.pool_size += part->pool_size;
        total.workers.insert(total.workers.end(), part->workers.begin(), part->workers.end());
    }
    if (parts.size() == 1) return total;
    unite(total.stations);
    unite(total.neighbors);
    std::ranges::stable_sort(total.flows, std::greater{},
                             [](const FlowSnapshot& shown) { return shown.flow.bytes_per_second; });
    return total;
}

}  // namespace weft
