#include "vswitch/router.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "vswitch/checksum.h"
#include "vswitch/gso.h"
#include "vswitch/headers.h"
#include "vswitch/mss_clamp.h"

namespace weft {

namespace {

constexpr std::uint32_t icmp_errors_per_second = 100;
constexpr std::uint32_t icmp_errors_at_once = 50;

RouteVerdict drop(Drop reason) noexcept {
    return {.action = RouteVerdict::Action::drop, .reason = reason};
}

// Cuts off what Ethernet padded. A super-frame has no padding, and its length field need not cover it.
bool trim(Packet& datagram, bool is_v6) noexcept {
    std::size_t length = 0;
    if (is_v6) {
        const auto* ip = view<Ipv6Header>(datagram.bytes());
        if (ip == nullptr) return false;
        length = sizeof(Ipv6Header) + ip->payload_length;
    } else {
        const auto* ip = view<Ipv4Header>(datagram.bytes());
        if (ip == nullptr || ip->header_size() < sizeof(Ipv4Header)) return false;
        length = std::max<std::size_t>(ip->total_length, ip->header_size());
    }
    if (length > datagram.size()) return false;
    if (datagram.offload().gso == Offload::Gso::none) datagram.resize(length);
    return true;
}

// The header that trim() has found to be there.
template <class Header>
Header& checked_header(Packet& datagram) noexcept {
    auto* header = writable_view<Header>(datagram.bytes());
    if (header == nullptr) std::abort();
    return *header;
}

std::uint8_t hops_left(Packet& datagram, bool is_v6) noexcept {
    return is_v6 ? checked_header<Ipv6Header>(datagram).hop_limit : checked_header<Ipv4Header>(datagram).ttl;
}

void take_hop(Packet& datagram, bool is_v6) noexcept {
    if (is_v6) {
        --checked_header<Ipv6Header>(datagram).hop_limit;
        return;
    }
    auto& ip = checked_header<Ipv4Header>(datagram);
    const auto before = static_cast<std::uint16_t>(ip.ttl << 8U | ip.protocol);
    --ip.ttl;
    ip.checksum = update_checksum(ip.checksum, before, static_cast<std::uint16_t>(before - 0x100U));
}

bool may_fragment(Packet& datagram, bool is_v6) noexcept {
    return !is_v6 && (checked_header<Ipv4Header>(datagram).flags_fragment & Ipv4Header::dont_fragment) == 0;
}

Prefix host(const IpAddress& address) noexcept {
    return {address, static_cast<std::uint8_t>(address.width())};
}

// The directed broadcast address of an IPv4 network that is large enough to have one (RFC 3021: /31 has
// none).
std::optional<IpAddress> broadcast_of(const Prefix& prefix) noexcept {
    if (prefix.address.is_v6() || prefix.length > 30) return std::nullopt;
    std::array<std::uint8_t, 4> octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) {
        const std::size_t network_bits =
            std::min<std::size_t>(8, prefix.length - std::min<std::size_t>(prefix.length, 8 * i));
        octets[i] = static_cast<std::uint8_t>(prefix.address.octets()[i] | (0xFFU >> network_bits));
    }
    return IpAddress::v4(octets);
}

// The first address of this family that has more than link-local scope.
const IpAddress* global_address(const RouterPort& port, bool is_v6) noexcept {
    for (const Prefix& prefix : port.addresses) {
        if (prefix.address.is_v6() == is_v6 && !prefix.address.is_link_local()) return &prefix.address;
    }
    return nullptr;
}

}  // namespace

Router::Router() : icmp_errors_(icmp_errors_per_second, icmp_errors_at_once) {}

void Router::add_port(const RouterPort& port) {
    if (ports_.size() <= port.port.value()) ports_.resize(port.port.value() + std::size_t{1});
    disconnect(port.port);
    ports_[port.port.value()] = port;
    connect_all();
}

void Router::remove_port(PortId port) {
    if (find_port(port) == nullptr) return;
    disconnect(port);
    ports_[port.value()].reset();
    std::vector<Prefix> through;
    routes_.for_each([&](const Prefix& to, const Route& route) {
        if (route.out == port) through.push_back(to);
    });
    for (const Prefix& to : through) routes_.erase(to);
    connect_all();
}

void Router::set_mtu(PortId port, std::uint16_t mtu) noexcept {
    if (find_port(port) != nullptr) ports_[port.value()]->mtu = mtu;
}

void Router::add_route(const Route& route) {
    routes_.erase(route.to);
    routes_.insert(route.to, route);
}

void Router::remove_route(const Prefix& to) {
    if (routes_.erase(to)) connect_all();
}

// Takes away what add_port() made of the port's addresses.
void Router::disconnect(PortId id) {
    const RouterPort* port = find_port(id);
    if (port == nullptr) return;
    for (const Prefix& prefix : port->addresses) {
        const Route* route = routes_.find(prefix);
        if (route != nullptr && route->out == id && route->origin == Route::Origin::connected)
            routes_.erase(prefix);
        if (port->kind != RouterPort::Kind::leg) continue;
        local_.erase(host(prefix.address));
        if (const auto broadcast = broadcast_of(prefix)) local_.erase(host(*broadcast));
    }
}

// Idempotent: fills in the connected routes and local addresses that are missing, of every port, since a port
// that has left may have hidden those of another.
void Router::connect_all() {
    for (const auto& port : ports_) {
        if (!port || port->kind == RouterPort::Kind::tunnel) continue;
        for (const Prefix& prefix : port->addresses) {
            if (prefix.address.is_v4() || !prefix.address.is_link_local()) {
                const Prefix network = prefix.network();
                routes_.insert(network,
                               {.to = network, .out = port->port, .origin = Route::Origin::connected});
            }
            if (port->kind != RouterPort::Kind::leg) continue;
            local_.insert(host(prefix.address), Local::own);
            if (const auto broadcast = broadcast_of(prefix))
                local_.insert(host(*broadcast), Local::broadcast);
        }
    }
}

const RouterPort* Router::find_port(PortId id) const noexcept {
    if (id.value() >= ports_.size()) return nullptr;
    const auto& port = ports_[id.value()];
    return port ? &*port : nullptr;
}

// Two legs may have the same link-local address: it counts only on the leg itself.
bool Router::is_own(const IpAddress& address, PortId in) const noexcept {
    const Local* local = local_.lookup(address);
    if (local == nullptr || *local != Local::own) return false;
    if (!address.is_link_local()) return true;
    const RouterPort* port = find_port(in);
    return port != nullptr && port->kind == RouterPort::Kind::leg &&
           std::ranges::any_of(port->addresses, [&](const Prefix& own) { return own.address == address; });
}

bool Router::is_forwardable(const FlowKey& flow) const noexcept {
    const IpAddress& to = flow.destination;
    if (flow.source.is_link_local() || to.is_link_local()) return false;
    if (to.is_unspecified() || to.is_loopback() || to.is_multicast() || to.is_broadcast()) return false;
    return local_.lookup(to) == nullptr;
}

std::optional<Router::Hop> Router::resolve(const IpAddress& destination) const noexcept {
    const Route* route = routes_.lookup(destination);
    if (route == nullptr) return std::nullopt;
    IpAddress next_hop = route->via.value_or(destination);
    PortId out = route->out;
    if (out == no_port) {
        const Route* to_next_hop = routes_.lookup(next_hop);
        if (to_next_hop == nullptr) return std::nullopt;
        next_hop = to_next_hop->via.value_or(next_hop);
        out = to_next_hop->out;
    }
    const RouterPort* port = find_port(out);
    if (port == nullptr) return std::nullopt;
    return Hop{port, next_hop};
}

std::uint16_t Router::mtu(PortId id) const noexcept {
    const RouterPort* port = find_port(id);
    return port == nullptr ? std::uint16_t{0} : port->mtu;
}

std::optional<IpAddress> Router::next_hop(const IpAddress& destination) const noexcept {
    const auto hop = resolve(destination);
    if (!hop || hop->port->kind != RouterPort::Kind::leg) return std::nullopt;
    return hop->next_hop;
}

// As resolve(), for what the router says itself: a link-local station is answered where it asked.
std::optional<Router::Hop> Router::resolve_reply(const IpAddress& destination, PortId in) const noexcept {
    if (!destination.is_link_local()) {
        return local_.lookup(destination) == nullptr ? resolve(destination) : std::nullopt;
    }
    const RouterPort* port = find_port(in);
    if (port == nullptr || port->kind != RouterPort::Kind::leg || is_own(destination, in))
        return std::nullopt;
    return Hop{port, destination};
}

RouteVerdict Router::route(Packet& datagram, const Classified& what, PortId in, Instant now) noexcept {
    const FlowKey& flow = what.flow;
    const bool is_v6 = flow.destination.is_v6();
    if (!what.is_ip() || !trim(datagram, is_v6)) return drop(Drop::malformed);
    if (flow.source.is_unspecified() || flow.source.is_loopback() || flow.source.is_multicast() ||
        flow.source.is_broadcast()) {
        return drop(Drop::not_forwardable);
    }
    if (is_own(flow.destination, in)) return deliver(datagram, what, in, now);
    if (!is_forwardable(flow)) return drop(Drop::not_forwardable);

    const auto hop = resolve(flow.destination);
    if (!hop) {
        return report(datagram, what, in, now, Drop::no_route, {IcmpError::Kind::network_unreachable});
    }
    const RouterPort& out = *hop->port;
    if (out.port == in && out.kind != RouterPort::Kind::leg) return drop(Drop::same_port);
    if (hops_left(datagram, is_v6) <= 1) {
        return report(datagram, what, in, now, Drop::ttl_exceeded, {IcmpError::Kind::time_exceeded});
    }

    RouteVerdict verdict{.action = RouteVerdict::Action::forward, .out = out.port, .next_hop = hop->next_hop};
    if (wire_size(datagram) > out.mtu) {
        if (!may_fragment(datagram, is_v6)) {
            return report(datagram, what, in, now, Drop::too_big, {IcmpError::Kind::too_big, out.mtu});
        }
        verdict.action = RouteVerdict::Action::fragment;
        verdict.mtu = out.mtu;
    }
    const RouterPort* entry = find_port(in);
    clamp_mss(datagram, what, entry == nullptr ? out.mtu : std::min(entry->mtu, out.mtu));
    take_hop(datagram, is_v6);
    return verdict;
}

// A datagram for the router itself: it answers pings, and says of everything else that it does not.
RouteVerdict Router::deliver(Packet& datagram, const Classified& what, PortId in, Instant now) noexcept {
    const std::uint8_t protocol = what.flow.protocol;
    if (protocol == (what.flow.source.is_v6() ? ip_protocol::icmpv6 : ip_protocol::icmp)) {
        if (!is_echo_request(datagram, what)) return drop(Drop::not_for_us);
        const auto hop = resolve_reply(what.flow.source, in);
        if (!hop) return drop(Drop::no_route);
        if (const auto made = make_echo_reply(datagram, what); !made) return drop(made.error());
        RouteVerdict verdict{
            .action = RouteVerdict::Action::forward, .out = hop->port->port, .next_hop = hop->next_hop};
        if (datagram.size() > hop->port->mtu) {
            if (!may_fragment(datagram, what.flow.source.is_v6())) return drop(Drop::too_big);
            verdict.action = RouteVerdict::Action::fragment;
            verdict.mtu = hop->port->mtu;
        }
        return verdict;
    }
    const bool has_ports = protocol == ip_protocol::udp || protocol == ip_protocol::tcp;
    return report(datagram, what, in, now, Drop::not_for_us,
                  {has_ports ? IcmpError::Kind::port_unreachable : IcmpError::Kind::protocol_unreachable});
}

RouteVerdict Router::unreachable(Packet& datagram, PortId leg, Instant now) noexcept {
    const auto what = classify_datagram(datagram.bytes());
    if (!what) return drop(Drop::neighbor_unresolved);
    // Where it came in is not known any more. The error's source is an address of where it goes out (RFC 1812
    // section 4.3.2.4).
    const auto back = resolve_reply(what->flow.source, leg);
    const PortId in = back ? back->port->port : leg;
    return report(datagram, *what, in, now, Drop::neighbor_unresolved, {IcmpError::Kind::host_unreachable});
}

// The error is routed before it is built: the way back decides on its source and size.
RouteVerdict Router::report(Packet& datagram, const Classified& what, PortId in, Instant now, Drop reason,
                            IcmpError error) noexcept {
    if (!may_report(datagram, what)) return drop(reason);
    const auto back = resolve_reply(what.flow.source, in);
    if (!back) return drop(reason);
    const auto source = error_source(what, in, back->port->port);
    if (!source || !icmp_errors_.take(now)) return drop(reason);
    if (!make_icmp_error(datagram, what.flow, error, *source, back->port->mtu)) return drop(reason);
    return {.action = RouteVerdict::Action::forward,
            .reason = reason,
            .out = back->port->port,
            .next_hop = back->next_hop};
}

std::optional<IpAddress> Router::error_source(const Classified& what, PortId in, PortId out) const noexcept {
    const bool is_v6 = what.flow.source.is_v6();
    if (is_own(what.flow.destination, in)) return what.flow.destination;
    const RouterPort* entry = find_port(in);
    if (entry != nullptr && entry->kind == RouterPort::Kind::leg) {
        if (const IpAddress* address = global_address(*entry, is_v6)) return *address;
    }
    // A peer accepts only the sources that are routed to this node (RFC 4301 section 5.2): a TUN's addresses
    // are among them, a leg's need not be.
    std::array kinds{RouterPort::Kind::leg, RouterPort::Kind::device};
    const RouterPort* exit = find_port(out);
    if (exit != nullptr && exit->kind == RouterPort::Kind::tunnel) std::ranges::reverse(kinds);
    for (const auto kind : kinds) {
        for (const auto& port : ports_) {
            if (!port || port->kind != kind || (kind == RouterPort::Kind::device && port->port == out))
                continue;
            if (const IpAddress* address = global_address(*port, is_v6)) return *address;
        }
    }
    if (is_v6) return std::nullopt;
    return IpAddress::v4({192, 0, 0, 8});
}

}  // namespace weft
