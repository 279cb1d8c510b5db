#include "lab/simulation/station.h"

#include <algorithm>
#include <chrono>
#include <ranges>
#include <utility>

#include "vswitch/icmp.h"

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

constexpr NeighborLimits neighbors{.neighbors = 1024};
constexpr Duration tick_interval = 1s;
constexpr Duration asks_for = 5s;  // three times, a second apart

}  // namespace

Station::Station(const Topology& topology, NodeIndex node, const Send& send, Deliver deliver)
    : deliver_(std::move(deliver)) {
    for (LinkIndex i = 0; i < topology.links.size(); ++i) {
        for (std::uint8_t which = 0; which < 2; ++which) {
            const LinkEnd& end = topology.links[i].ends[which];
            if (end.node != node) continue;
            const EndId id{.link = i, .which = which};
            const std::size_t added = add_interface(
                {.name = end.interface,
                 .mac = end.mac,
                 .addresses = end.addresses,
                 .mtu = end.mtu,
                 .output = [send, id](std::vector<Packet>& frames, Instant now) { send(id, frames, now); }});
            interfaces_[added].end = id;
        }
    }
    const auto take_over = [this](const auto& kind) {
        for (const HostRoute& route : kind.routes) add_route(route);
        read_sysctls(kind.sysctl);
    };
    const auto& kind = topology.nodes[node].kind;
    if (const auto* host = std::get_if<Host>(&kind)) take_over(*host);
    if (const auto* site = std::get_if<Site>(&kind)) take_over(*site);
}

void Station::read_sysctls(const std::map<std::string, std::string>& sysctl) {
    for (const auto& [key, value] : sysctl) {
        const bool on = value != "0";
        if (key == "net.ipv4.ip_forward" || key == "net.ipv4.conf.all.forwarding") forwards_v4_ = on;
        if (key == "net.ipv6.conf.all.forwarding") forwards_v6_ = on;
    }
}

std::size_t Station::add_interface(Port port) {
    const std::size_t index = interfaces_.size();
    std::unique_ptr<Gateway> gateway;
    if (port.mac) gateway = std::make_unique<Gateway>(*port.mac, port.addresses, neighbors);
    for (const Prefix& own : port.addresses) add_path({own.network(), index, std::nullopt});
    interfaces_.push_back({std::nullopt, std::move(port), std::move(gateway)});
    forwarder_.reset();
    for (const HostRoute& route : std::exchange(waiting_, {})) add_route(route);
    return index;
}

// Behind those of the same length.
void Station::add_path(const Path& path) {
    const auto behind = [&](const Path& other) { return other.to.length < path.to.length; };
    paths_.insert(std::ranges::find_if(paths_, behind), path);
    forwarder_.reset();
}

void Station::add_route(const HostRoute& route) {
    std::optional<std::size_t> interface;
    if (route.device) {
        interface = interface_named(*route.device);
    } else if (route.via) {
        interface = interface_towards(*route.via);
    }
    if (!interface) return waiting_.push_back(route);
    add_path({route.to.network(), *interface, route.via});
}

std::optional<std::size_t> Station::interface_towards(const IpAddress& neighbor) const {
    for (std::size_t i = 0; i < interfaces_.size(); ++i) {
        const auto contains = [&](const Prefix& own) { return own.contains(neighbor); };
        if (std::ranges::any_of(interfaces_[i].port.addresses, contains)) return i;
    }
    return std::nullopt;
}

std::optional<Station::Way> Station::way_to(const IpAddress& destination,
                                            std::optional<std::size_t> by) const {
    for (const Path& path : paths_) {
        if (!path.to.contains(destination) || (by && path.interface != *by)) continue;
        const IpAddress next_hop = path.via.value_or(destination);
        const auto source = source_towards(path.interface, next_hop);
        if (!source) continue;
        return Way{path.interface, *source, next_hop, interfaces_[path.interface].port.mtu};
    }
    return std::nullopt;
}

std::optional<IpAddress> Station::source_towards(std::size_t interface, const IpAddress& next_hop) const {
    std::optional<IpAddress> any;
    const auto look_at = [&](const Interface& from) {
        for (const Prefix& own : from.port.addresses) {
            if (own.address.is_v6() == next_hop.is_v6() && !any) any = own.address;
        }
    };
    for (const Prefix& own : interfaces_[interface].port.addresses) {
        if (own.contains(next_hop)) return own.address;
    }
    look_at(interfaces_[interface]);
    std::ranges::for_each(interfaces_, look_at);
    return any;
}

std::optional<IpAddress> Station::address_for(const Station& from, bool v6) const {
    std::optional<IpAddress> any;
    for (const Interface& interface : interfaces_) {
        for (const Prefix& own : interface.port.addresses) {
            if (own.address.is_v6() != v6) continue;
            if (from.interface_towards(own.address)) return own.address;
            if (!any) any = own.address;
        }
    }
    return any;
}

void Station::send(const Way& way, Packet datagram, Instant now) {
    const Interface& interface = interfaces_[way.interface];
    if (!interface.gateway) {
        out_.push_back(std::move(datagram));
        return flush(interface, now);
    }
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
    interface.port.output(taken, now);
    taken.clear();
    if (out_.empty()) out_.swap(taken);
}

void Station::tick(Instant now) {
    std::vector<Packet> failed;
    for (const Interface& interface : interfaces_) {
        if (!interface.gateway) continue;
        interface.gateway->tick(now, out_, failed);
        flush(interface, now);
    }
    unresolved_ += failed.size();
    next_tick_ = now - asked_ < asks_for ? now + tick_interval : Instant::max();
}

void Station::receive(EndId end, Packet frame, Instant now) {
    const auto interface = std::ranges::find(interfaces_, end, &Interface::end);
    if (interface == interfaces_.end()) return;
    receive(static_cast<std::size_t>(interface - interfaces_.begin()), std::move(frame), now);
}

void Station::receive(std::size_t index, Packet packet, Instant now) {
    const Interface& interface = interfaces_[index];
    if (!interface.gateway) return take(index, std::move(packet), now);
    const auto what = classify_frame(packet.bytes(), untagged);
    if (!what) return;
    const auto received = interface.gateway->receive(packet, *what, now, out_);
    if (received.action == Gateway::Received::Action::answer) {
        out_.push_back(std::move(packet));
        return flush(interface, now);
    }
    flush(interface, now);
    if (received.action == Gateway::Received::Action::route) take(index, std::move(packet), now);
}

void Station::take(std::size_t interface, Packet datagram, Instant now) {
    const auto what = classify_datagram(datagram.bytes());
    if (!what) return;
    if (!interface_of(what->flow.destination)) return forward(interface, std::move(datagram), *what, now);
    const auto received = check_datagram(datagram.bytes());
    if (!received) return;
    if (!is_echo_request(datagram, received->what)) return deliver_(*received, now);
    const IpAddress asker = received->what.flow.source;
    const auto way = way_to(asker);
    if (way && make_echo_reply(datagram, received->what)) send(*way, std::move(datagram), now);
}

void Station::forward(std::size_t in, Packet datagram, const Classified& what, Instant now) {
    if (!(what.flow.destination.is_v6() ? forwards_v6_ : forwards_v4_)) return;
    const auto verdict = forwarder().route(datagram, what, PortId{static_cast<std::uint16_t>(in)}, now);
    if (verdict.action != RouteVerdict::Action::forward) return;
    send(Way{.interface = verdict.out.value(), .source = {}, .next_hop = verdict.next_hop, .mtu = 0},
         std::move(datagram), now);
}

weft::Router& Station::forwarder() {
    if (forwarder_) return *forwarder_;
    forwarder_.emplace();
    for (std::size_t i = 0; i < interfaces_.size(); ++i) {
        const Port& port = interfaces_[i].port;
        forwarder_->add_port(
            {.port = PortId{static_cast<std::uint16_t>(i)},
             .kind = interfaces_[i].gateway ? RouterPort::Kind::leg : RouterPort::Kind::device,
             .mtu = port.mtu,
             .addresses = port.addresses});
    }
    // Of two to the same prefix the first counts, and the router takes the last.
    for (const Path& path : std::views::reverse(paths_)) {
        forwarder_->add_route({.to = path.to,
                               .out = PortId{static_cast<std::uint16_t>(path.interface)},
                               .via = path.via,
                               .origin = Route::Origin::configured});
    }
    return *forwarder_;
}

std::optional<std::size_t> Station::interface_named(const std::string& name) const noexcept {
    for (std::size_t i = 0; i < interfaces_.size(); ++i) {
        if (interfaces_[i].port.name == name) return i;
    }
    return std::nullopt;
}

std::optional<std::size_t> Station::interface_of(const IpAddress& address) const noexcept {
    for (std::size_t i = 0; i < interfaces_.size(); ++i) {
        const auto is_it = [&](const Prefix& own) { return own.address == address; };
        if (std::ranges::any_of(interfaces_[i].port.addresses, is_it)) return i;
    }
    return std::nullopt;
}

}  // namespace weft::lab
