#include "bench/support/node.h"

#include <algorithm>
#include <cstdlib>

#include "crypto/esp.h"
#include "overlay/tunnel.h"

namespace weft::bench {

namespace {

constexpr BridgeId lan{0};
constexpr std::uint16_t first_tunnel = 3;
constexpr std::uint32_t first_spi = 1000;
constexpr std::size_t pool_size = 8192;
constexpr Instant now{std::chrono::seconds{1000}};

std::uint8_t octet(std::uint32_t number, unsigned index) {
    return static_cast<std::uint8_t>(number >> (8 * index));
}

SaKeys keys(std::uint32_t spi) {
    SaKeys keys;
    keys.spi = spi;
    keys.cipher = Cipher::aes_128_gcm;
    std::ranges::fill(keys.key.writable(), octet(spi, 0));
    return keys;
}

std::uint32_t spi_to(std::uint32_t peer) {
    return first_spi + 2 * peer;
}

std::uint32_t spi_from(std::uint32_t peer) {
    return first_spi + 2 * peer + 1;
}

PortId tunnel_of(std::uint32_t peer) {
    return PortId{static_cast<std::uint16_t>(first_tunnel + peer)};
}

}  // namespace

Node::Node(const Scale& scale) : pool(pool_size), scale_(scale), datapath_(pool) {
    const std::uint32_t entries = scale.stations + 16;
    Topology& topology = datapath_.topology();
    topology.add_bridge(lan, {.vni = vni, .limits = {.entries = entries, .entries_per_port = entries}});
    topology.add_frame_device(near_tap, lan, {});
    topology.add_frame_device(far_tap, lan, {});
    topology.add_datagram_device(tun, {Prefix{IpAddress::v4({10, 1, 0, 1}), 24}}, 1500);
    far_ends_.reserve(scale.peers);
    for (std::uint32_t i = 0; i < scale.peers; ++i) add_peer(i);
    learn_stations(scale.stations);
}

void Node::add_peer(std::uint32_t number) {
    const PeerId id{static_cast<std::uint16_t>(number)};
    datapath_.topology().add_peer(id, tunnel_of(number),
                                  {.endpoint = endpoint(number),
                                   .bridges = {lan},
                                   .prefixes = {Prefix{host_at_peer(number), 24}},
                                   .routed_mtu = 1438,
                                   .liveness = {}});
    datapath_.install_manual(id, {keys(spi_to(number)), keys(spi_from(number)), 1, OutboundSa::max_packets},
                             now);
    far_ends_.emplace_back(keys(spi_from(number)));
}

// The bridge is told directly: a million frames through ESP would take their time.
void Node::learn_stations(std::uint32_t count) {
    Bridge& bridge = datapath_.topology().bridge(lan).bridge;
    for (std::uint32_t i = 0; i < count; ++i) {
        const PortId port = scale_.peers == 0 ? far_tap : tunnel_of(i % scale_.peers);
        FlowKey hello;
        hello.source_mac = station(i);
        hello.destination_mac = station(i);
        (void)bridge.forward(hello, port, now);
    }
}

MacAddress Node::station(std::uint32_t number) const noexcept {
    number %= scale_.stations;
    return {{0x02, 0, octet(number, 3), octet(number, 2), octet(number, 1), octet(number, 0)}};
}

IpAddress Node::host_at_peer(std::uint32_t peer) const noexcept {
    peer %= std::max(scale_.peers, 1U);
    return IpAddress::v4({20, octet(peer, 1), octet(peer, 0), 2});
}

Endpoint Node::endpoint(std::uint32_t peer) const noexcept {
    peer %= std::max(scale_.peers, 1U);
    return {IpAddress::v4({30, octet(peer, 1), octet(peer, 0), 1}), 4500};
}

Packet Node::sealed_by(std::uint32_t peer, std::span<const std::uint8_t> payload, std::uint8_t next_header) {
    Packet packet = pool.take();
    if (!packet) std::abort();
    packet.resize(Esp::sealed_size(payload.size()));
    std::ranges::copy(payload, packet.data() + Esp::header_size);
    OutboundSa& sa = far_ends_[peer % scale_.peers];
    if (!Esp::seal(sa, packet.bytes(), payload.size(), next_header)) std::abort();
    return packet;
}

std::size_t Node::from_port(PortId in, std::span<Packet> batch) noexcept {
    datapath_.from_port(in, batch, now);
    return take_output();
}

std::size_t Node::from_underlay(std::span<const ReceivedTrain> batch) noexcept {
    datapath_.from_underlay(batch, now);
    return take_output();
}

std::size_t Node::take_output() noexcept {
    std::size_t packets = 0;
    for (const DatagramTrain& train : datapath_.underlay_outbox().trains()) packets += train.datagrams();
    datapath_.underlay_outbox().clear();
    for (const PortId port : datapath_.ports_with_output()) {
        packets += datapath_.port_outbox(port).size();
        datapath_.port_outbox(port).clear();
    }
    datapath_.flushed();
    datapath_.events().clear();
    return packets;
}

}  // namespace weft::bench
