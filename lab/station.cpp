#include "lab/station.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "vswitch/icmp.h"

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

constexpr NeighborLimits neighbors{.neighbors = 1024};
constexpr Duration tick_interval = 1s;
constexpr Duration asks_for = 5s;  // three times, a second apart

}  // namespace

Station::Station(const Topology& topology, NodeIndex node, Send send, Deliver deliver)
    : send_(std::move(send)), deliver_(std::move(deliver)) {
    for (LinkIndex i = 0; i < topology.links.size(); ++i) {
        for (std::uint8_t which = 0; which < 2; ++which) {
            const LinkEnd& end = topology.links[i].ends[which];
            if (end.node != node) continue;
            const std::size_t interface = interfaces_.size();
            interfaces_.push_back({.end = {.link = i, .which = which},
                                   .addresses = end.addresses,
                                   .mtu = end.mtu,
                                   .gateway = std::make_unique<Gateway>(end.mac, end.addresses, neighbors)});
            names_.push_back(end.interface);
            for (const Prefix& own : end.addresses)
                paths_.push_back({own.network(), interface, std::nullopt});
        }
    }
    for (const HostRoute& route : std::get<Host>(topology.nodes[node].kind).routes) add_route(route);
    std::ranges::stable_sort(paths_, std::ranges::greater{}, [](const Path& path) { return path.to.length; });
}

void Station::add_route(const HostRoute& route) {
    std::optional<std::size_t> interface;
    if (route.device) {
        const auto named = std::ranges::find(names_, *route.device);
        if (named != names_.end()) interface = static_cast<std::size_t>(named - names_.begin());
    } else if (route.via) {
        interface = interface_towards(*route.via);
    }
    if (interface) paths_.push_back({route.to.network(), *interface, route.via});
}

std::optional<std::size_t> Station::interface_towards(const IpAddress& neighbor) const {
    for (std::size_t i = 0; i < interfaces_.size(); ++i) {
        const auto contains = [&](const Prefix& own) { return own.contains(neighbor); };
        if (std::ranges::any_of(interfaces_[i].addresses, contains)) return i;
    }
    return std::nullopt;
}

std::optional<Station::Way> Station::way_to(const IpAddress& destination) const {
    for (const Path& path : paths_) {
        if (!path.to.contains(destination)) continue;
        const IpAddress next_hop = path.via.value_or(destination);
        const auto source = source_towards(path.interface, next_hop);
        if (!source) continue;
        return Way{path.interface, *source, next_hop, interfaces_[path.interface].mtu};
    }
    return std::nullopt;
}

std::optional<IpAddress> Station::source_towards(std::size_t interface, const IpAddress& next_hop) const {
    std::optional<IpAddress> any;
    for (const Prefix& own : interfaces_[interface].addresses) {
        if (own.address.is_v6() != next_hop.is_v6()) continue;
        if (own.contains(next_hop)) return own.address;
        if (!any) any = own.address;
    }
    return any;
}

std::optional<IpAddress> Station::address_for(const Station& from, bool v6) const {
    std::optional<IpAddress> any;
    for (const Interface& interface : interfaces_) {
        for (const Prefix& own : interface.addresses) {
            if (own.address.is_v6() != v6) continue;
            if (from.interface_towards(own.address)) return own.address;
            if (!any) any = own.address;
        }
    }
    return any;
}

void Station::send(const Way& way, Packet datagram, Instant now) {
    const Interface& interface = interfaces_[way.interface];
    const std::uint8_t* bytes = datagram.data();
    if (!interface.gateway->send(std::move(datagram), way.next_hop, now, out_)) ++unresolved_;
    const bool is_sent = !out_.empty() && out_.back().data() + sizeof(EthernetHeader) == bytes;
    if (!is_sent) {
        asked_ = now;
        if (next_tick_ == Instant::max()) next_tick_ = now + tick_interval;
    }
    flush(interface, now);
}

void Station::send_frame(std::size_t interface, Packet frame, Instant now) {
    out_.push_back(std::move(frame));
    flush(interfaces_[interface], now);
}

void Station::flush(const Interface& interface, Instant now) {
    if (out_.empty()) return;
    // A frame that arrives at once may be answered by this station: take them first.
    std::vector<Packet> taken;
    taken.swap(out_);
    send_(interface.end, taken, now);
    taken.clear();
    if (out_.empty()) out_.swap(taken);
}

void Station::tick(Instant now) {
    std::vector<Packet> failed;
    for (const Interface& interface : interfaces_) {
        interface.gateway->tick(now, out_, failed);
        flush(interface, now);
    }
    unresolved_ += failed.size();
    next_tick_ = now - asked_ < asks_for ? now + tick_interval : Instant::max();
}

void Station::receive(EndId end, Packet frame, Instant now) {
    const auto interface = std::ranges::find(interfaces_, end, &Interface::end);
    if (interface == interfaces_.end()) return;
    const auto what = classify_frame(frame.bytes(), untagged);
    if (!what) return;
    const auto received = interface->gateway->receive(frame, *what, now, out_);
    if (received.action == Gateway::Received::Action::answer) out_.push_back(std::move(frame));
    flush(*interface, now);
    if (received.action == Gateway::Received::Action::route) take(std::move(frame), now);
}

void Station::take(Packet datagram, Instant now) {
    const auto received = check_datagram(datagram.bytes());
    if (!received || !interface_of(received->what.flow.destination)) return;
    if (!is_echo_request(datagram, received->what)) return deliver_(*received, now);
    const IpAddress asker = received->what.flow.source;
    const auto way = way_to(asker);
    if (way && make_echo_reply(datagram, received->what)) send(*way, std::move(datagram), now);
}

std::optional<std::size_t> Station::interface_of(const IpAddress& address) const noexcept {
    for (std::size_t i = 0; i < interfaces_.size(); ++i) {
        const auto is_it = [&](const Prefix& own) { return own.address == address; };
        if (std::ranges::any_of(interfaces_[i].addresses, is_it)) return i;
    }
    return std::nullopt;
}

}  // namespace weft::lab
