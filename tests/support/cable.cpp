#include "tests/support/cable.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <poll.h>
#include <sys/socket.h>

#include "vswitch/headers.h"

namespace weft::test {

namespace {

constexpr std::size_t not_ip = 0xFFFF;

std::size_t transport_offset(const Packet& packet, std::size_t network) {
    const auto* ipv4 = view<Ipv4Header>(packet.bytes(), network);
    if (ipv4 != nullptr && ipv4->version_ihl >> 4U == 4) {
        return ipv4->protocol == ip_protocol::udp ? network + ipv4->header_size() : not_ip;
    }
    const auto* ipv6 = view<Ipv6Header>(packet.bytes(), network);
    return ipv6 != nullptr && ipv6->next_header == ip_protocol::udp ? network + sizeof(Ipv6Header) : not_ip;
}

}  // namespace

Packet read_one(Device& device, PacketPool& pool, DropCounters& drops,
                const std::function<bool(const Packet&)>& wanted) {
    std::vector<Packet> packets;
    while (wait_readable(device.descriptor())) {
        const auto status = device.read(pool, 1, packets, drops);
        if (status == Device::Status::gone || status == Device::Status::down) break;
        if (!packets.empty() && wanted(packets.front())) return std::move(packets.front());
        packets.clear();
    }
    return Packet{};
}

std::size_t network_offset(const Packet& packet, bool is_frame) {
    if (!is_frame) return 0;
    const auto bytes = packet.bytes();
    std::size_t at = offsetof(EthernetHeader, type);
    const auto* type = view<be16>(bytes, at);
    if (type != nullptr && type->value() == ether_type::vlan) type = view<be16>(bytes, at += 4);
    const bool is_ip =
        type != nullptr && (type->value() == ether_type::ipv4 || type->value() == ether_type::ipv6);
    return is_ip ? at + sizeof(be16) : not_ip;
}

std::function<bool(const Packet&)> is_udp(bool is_frame, std::uint16_t port) {
    return [=](const Packet& packet) {
        const std::size_t network = network_offset(packet, is_frame);
        if (network == not_ip) return false;
        const auto* udp = view<UdpHeader>(packet.bytes(), transport_offset(packet, network));
        return udp != nullptr && (udp->source_port.value() == port || udp->destination_port.value() == port);
    };
}

void reflect(Packet& packet, bool is_frame) {
    const auto bytes = packet.bytes();
    if (is_frame) {
        auto* ethernet = writable_view<EthernetHeader>(bytes);
        std::swap(ethernet->source, ethernet->destination);
    }
    const std::size_t network = network_offset(packet, is_frame);
    auto* ipv4 = writable_view<Ipv4Header>(bytes, network);
    auto* udp = writable_view<UdpHeader>(bytes, transport_offset(packet, network));
    if (ipv4->version_ihl >> 4U == 4) {
        std::swap(ipv4->source, ipv4->destination);
    } else {
        auto* ipv6 = writable_view<Ipv6Header>(bytes, network);
        std::swap(ipv6->source, ipv6->destination);
    }
    std::swap(udp->source_port, udp->destination_port);
}

void carry(Device& from, Device& to, PacketPool& pool, DropCounters& drops, CableTraffic& traffic) {
    std::vector<Packet> packets;
    from.read(pool, 64, packets, drops);
    for (const auto& packet : packets) {
        if (packet.offload().gso != Offload::Gso::none) ++traffic.super_frames;
        if (packet.offload().needs_checksum) ++traffic.unfinished_checksums;
        const auto* ethernet = view<EthernetHeader>(packet.bytes());
        if (ethernet != nullptr && ethernet->type.value() == ether_type::vlan) ++traffic.tagged;
        traffic.largest = std::max(traffic.largest, packet.size());
    }
    to.write(packets, drops);
}

std::string transfer_over_cable(Device& a, Device& b, PacketPool& pool, DropCounters& drops,
                                const Descriptor& client, const TcpListener& server,
                                const std::string& payload, CableTraffic& traffic) {
    std::string received;
    std::string chunk(65536, '\0');
    std::size_t sent = 0;
    Descriptor accepted;
    while (received.size() < payload.size()) {
        std::array<pollfd, 4> entries = {
            {{.fd = a.descriptor(), .events = POLLIN, .revents = 0},
             {.fd = b.descriptor(), .events = POLLIN, .revents = 0},
             {.fd = accepted ? accepted.get() : server.get(), .events = POLLIN, .revents = 0},
             {.fd = sent < payload.size() ? client.get() : -1, .events = POLLOUT, .revents = 0}}};
        if (::poll(entries.data(), entries.size(), patience_ms) <= 0) break;
        carry(a, b, pool, drops, traffic);
        carry(b, a, pool, drops, traffic);
        if (!accepted) accepted = server.accept();
        const auto out = ::send(client.get(), payload.data() + sent, payload.size() - sent, MSG_NOSIGNAL);
        if (out > 0) sent += static_cast<std::size_t>(out);
        const auto in = accepted ? ::recv(accepted.get(), chunk.data(), chunk.size(), 0) : -1;
        if (in == 0) break;
        if (in > 0) received.append(chunk, 0, static_cast<std::size_t>(in));
    }
    return received;
}

}  // namespace weft::test
