#include "vswitch/gateway.h"

#include <algorithm>
#include <utility>

#include "vswitch/arp.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

Gateway::Received consumed() noexcept {
    return {Gateway::Received::Action::consumed, {}};
}

Gateway::Received dropped(Drop reason) noexcept {
    return {Gateway::Received::Action::drop, reason};
}

}  // namespace

Gateway::Gateway(const MacAddress& mac, std::vector<Prefix> addresses, const Limits& limits,
                 Generations* generations, Generations::Index generation)
    : mac_(mac),
      link_local_(link_local_address(mac)),
      addresses_(std::move(addresses)),
      limits_(limits),
      neighbors_(limits, generations, generation) {}

Gateway::Received Gateway::receive(Packet& frame, const Classified& what, Instant now,
                                   std::vector<Packet>& out) noexcept {
    const auto* ethernet = view<EthernetHeader>(frame.bytes());
    if (ethernet == nullptr) return dropped(Drop::truncated);
    const MacAddress destination = ethernet->destination;
    if (destination != mac_ && !destination.is_group()) return consumed();
    if (ethernet->type.value() == ether_type::arp) return receive_arp(frame, now, out);
    if (is_neighbor_discovery(frame, what) &&
        (what.flow.destination.is_multicast() || is_own(what.flow.destination))) {
        return receive_discovery(frame, what, now, out);
    }
    if (destination != mac_) return consumed();
    if (ethernet->type.value() != ether_type::ipv4 && ethernet->type.value() != ether_type::ipv6)
        return dropped(Drop::unknown_protocol);
    if (!what.is_ip()) return dropped(Drop::malformed);
    frame.pull(sizeof(EthernetHeader));
    return {Received::Action::route, {}};
}

// A reply that is for us confirms its sender. Anything else may be forged or out of date, and says only where
// to ask.
Gateway::Received Gateway::receive_arp(Packet& frame, Instant now, std::vector<Packet>& out) noexcept {
    const auto message = parse_arp(frame.bytes());
    if (!message) return dropped(message.error());
    if (is_own(message->sender)) return consumed();
    const bool for_us = is_own(message->target);
    if (!message->is_request) {
        Entry* entry = neighbors_.find(message->sender, now);
        const bool confirmed = for_us && view<EthernetHeader>(frame.bytes())->destination == mac_;
        news_ = {message->sender, message->sender_mac, confirmed};
        if (entry != nullptr && confirmed) {
            settle(*entry, message->sender_mac, true, now, out);
        } else {
            note(message->sender, message->sender_mac, Unknown::ignore, now, out);
        }
        return consumed();
    }
    const bool is_announcement = message->sender == message->target;  // RFC 5227 section 2.3
    if (is_announcement) news_ = {message->sender, message->sender_mac, false};
    note(message->sender, message->sender_mac, for_us ? Unknown::learn : Unknown::ignore, now, out);
    if (!for_us) return consumed();
    write_arp(frame,
              {.is_request = false,
               .sender_mac = mac_,
               .sender = message->target,
               .target_mac = message->sender_mac,
               .target = message->sender},
              message->sender_mac);
    return {Received::Action::answer, {}};
}

Gateway::Received Gateway::receive_discovery(Packet& frame, const Classified& what, Instant now,
                                             std::vector<Packet>& out) noexcept {
    const auto parsed = parse_neighbor_message(frame, what);
    if (!parsed) return dropped(parsed.error());
    const std::optional<NeighborMessage>& message = *parsed;
    if (!message || is_own(message->source)) return consumed();
    if (message->is_solicitation) return answer(frame, *message, now, out);
    hear(*message, now, out);
    return consumed();
}

// RFC 4861 section 7.2.4. Whoever probes for duplicates has no address yet: all nodes are told.
Gateway::Received Gateway::answer(Packet& frame, const NeighborMessage& solicitation, Instant now,
                                  std::vector<Packet>& out) noexcept {
    if (!is_own(solicitation.target)) return consumed();
    const bool is_probe = solicitation.source.is_unspecified();
    const MacAddress station =
        is_probe ? multicast_mac(all_nodes)
                 : solicitation.link_address.value_or(view<EthernetHeader>(frame.bytes())->source);
    if (solicitation.link_address)
        note(solicitation.source, *solicitation.link_address, Unknown::learn, now, out);
    write_neighbor_message(frame,
                           {.is_solicitation = false,
                            .from_router = true,
                            .solicited = !is_probe,
                            .override_entry = true,
                            .source = solicitation.target,
                            .destination = is_probe ? all_nodes : solicitation.source,
                            .target = solicitation.target,
                            .link_address = mac_},
                           mac_, station);
    return {Received::Action::answer, {}};
}

// RFC 4861 section 7.2.5.
void Gateway::hear(const NeighborMessage& advertisement, Instant now, std::vector<Packet>& out) noexcept {
    if (advertisement.link_address && (advertisement.solicited || advertisement.override_entry))
        news_ = {advertisement.target, *advertisement.link_address, advertisement.solicited};
    Entry* entry = neighbors_.find(advertisement.target, now);
    if (entry == nullptr) return;
    const bool incomplete = entry->state == NeighborTable::State::incomplete;
    if (incomplete && !advertisement.link_address) return;
    const MacAddress mac = advertisement.link_address.value_or(entry->mac);
    if (!incomplete && mac != entry->mac && !advertisement.override_entry) {
        if (entry->state == NeighborTable::State::reachable) neighbors_.make_stale(*entry);
        return;
    }
    if (advertisement.solicited || incomplete || mac != entry->mac) {
        settle(*entry, mac, advertisement.solicited, now, out);
    }
}

// Where a station is, by its own unsolicited word.
void Gateway::note(const IpAddress& address, const MacAddress& mac, Unknown unknown, Instant now,
                   std::vector<Packet>& out) noexcept {
    Entry* entry = neighbors_.find(address, now);
    if (entry == nullptr) {
        if (unknown == Unknown::learn && is_on_link(address)) neighbors_.add_stale(address, mac, now);
        return;
    }
    if (entry->state == NeighborTable::State::incomplete || entry->mac != mac)
        settle(*entry, mac, false, now, out);
}

void Gateway::learn(const News& news, Instant now, std::vector<Packet>& out) noexcept {
    if (!news.confirmed) return note(news.address, news.mac, Unknown::ignore, now, out);
    if (Entry* entry = neighbors_.find(news.address, now)) settle(*entry, news.mac, true, now, out);
}

void Gateway::settle(Entry& entry, const MacAddress& mac, bool confirmed, Instant now,
                     std::vector<Packet>& out) noexcept {
    neighbors_.resolve(entry, mac, confirmed, now);
    while (Packet datagram = neighbors_.unpark(entry)) {
        push_ethernet(datagram, mac);
        out.push_back(std::move(datagram));
    }
}

std::expected<void, Drop> Gateway::send(Packet datagram, const IpAddress& next_hop, Instant now,
                                        std::vector<Packet>& out) noexcept {
    Entry* entry = neighbors_.find(next_hop, now);
    if (entry == nullptr) {
        if (source_towards(next_hop) == nullptr) return std::unexpected(Drop::neighbor_unresolved);
        entry = neighbors_.add_incomplete(next_hop, now);
        if (entry == nullptr) return std::unexpected(Drop::neighbor_queue_full);
    }
    if (entry->state == NeighborTable::State::stale) probe(*entry, datagram, now, out);
    if (entry->state != NeighborTable::State::incomplete) {
        push_ethernet(datagram, entry->mac);
        out.push_back(std::move(datagram));
        return {};
    }
    if (is_due(*entry, now) && entry->attempts < limits_.attempts) ask(*entry, datagram, now, out);
    if (datagram.pool_is_low() || !neighbors_.park(*entry, datagram)) {
        return std::unexpected(Drop::neighbor_queue_full);
    }
    return {};
}

void Gateway::in_use(const IpAddress& next_hop, PacketPool& pool, Instant now,
                     std::vector<Packet>& out) noexcept {
    Entry* entry = neighbors_.find(next_hop, now);
    if (entry == nullptr || entry->state != NeighborTable::State::stale) return;
    if (const Packet buffer = pool.take()) probe(*entry, buffer, now, out);
}

void Gateway::tick(Instant now, std::vector<Packet>& out, std::vector<Packet>& failed) noexcept {
    neighbors_.for_each_incomplete([&](Entry& entry) {
        if (!is_due(entry, now)) return;
        const Packet* waiting = neighbors_.first_parked(entry);
        if (waiting != nullptr && entry.attempts < limits_.attempts) {
            ask(entry, *waiting, now, out);
            return;
        }
        while (Packet datagram = neighbors_.unpark(entry)) failed.push_back(std::move(datagram));
        neighbors_.erase(entry);
    });
}

std::vector<Gateway::Neighbor> Gateway::neighbors() const {
    std::vector<Neighbor> all;
    neighbors_.for_each([&](const Entry& entry) {
        all.push_back({entry.address, entry.mac, entry.state == NeighborTable::State::reachable});
    });
    return all;
}

bool Gateway::is_own(const IpAddress& address) const noexcept {
    return address == link_local_ ||
           std::ranges::any_of(addresses_, [&](const Prefix& own) { return own.address == address; });
}

bool Gateway::is_on_link(const IpAddress& address) const noexcept {
    if (address.is_v6() && address.is_link_local()) return true;
    return std::ranges::any_of(addresses_, [&](const Prefix& own) { return own.contains(address); });
}

// The address to ask from: of the neighbor's own network, if possible.
const IpAddress* Gateway::source_towards(const IpAddress& next_hop) const noexcept {
    const IpAddress* any = next_hop.is_v6() ? &link_local_ : nullptr;
    for (const Prefix& own : addresses_) {
        if (own.address.is_v6() != next_hop.is_v6()) continue;
        if (own.contains(next_hop)) return &own.address;
        if (any == nullptr) any = &own.address;
    }
    return any;
}

bool Gateway::is_due(const Entry& entry, Instant now) const noexcept {
    return entry.attempts == 0 || now - entry.requested >= limits_.retransmit;
}

// Sends a request in a buffer of the pool that `pool` is from: to everybody, or only to the MAC address that
// is in doubt.
void Gateway::ask(Entry& entry, const Packet& pool, Instant now, std::vector<Packet>& out) noexcept {
    ++entry.attempts;
    entry.requested = now;
    const IpAddress* source = source_towards(entry.address);
    Packet frame = pool.sibling();
    if (source == nullptr || !frame) return;

    const bool in_doubt = entry.state == NeighborTable::State::stale;
    if (entry.address.is_v4()) {
        write_arp(frame,
                  {.is_request = true,
                   .sender_mac = mac_,
                   .sender = *source,
                   .target_mac = {},
                   .target = entry.address},
                  in_doubt ? entry.mac : broadcast_mac);
    } else {
        const IpAddress group = solicited_node(entry.address);
        write_neighbor_message(frame,
                               {.is_solicitation = true,
                                .source = *source,
                                .destination = in_doubt ? entry.address : group,
                                .target = entry.address,
                                .link_address = mac_},
                               mac_, in_doubt ? entry.mac : multicast_mac(group));
    }
    out.push_back(std::move(frame));
}

// A stale entry is in use: asks its station, or gives its MAC address up when enough such questions were not
// answered.
void Gateway::probe(Entry& entry, const Packet& pool, Instant now, std::vector<Packet>& out) noexcept {
    neighbors_.make_stale(entry);
    if (!is_due(entry, now)) return;
    if (entry.attempts < limits_.attempts) {
        ask(entry, pool, now, out);
    } else {
        neighbors_.make_incomplete(entry);
    }
}

void Gateway::push_ethernet(Packet& datagram, const MacAddress& destination) const noexcept {
    const bool is_v6 = datagram.size() > 0 && datagram.data()[0] >> 4U == 6;
    datagram.push(sizeof(EthernetHeader));
    *writable_view<EthernetHeader>(datagram.bytes()) = {
        .destination = destination, .source = mac_, .type = is_v6 ? ether_type::ipv6 : ether_type::ipv4};
    datagram.vlan_tci() = 0;
}

}  // namespace weft
