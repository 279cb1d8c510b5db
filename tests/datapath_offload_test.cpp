// Super-frames (virtio_net_hdr, TCP segmentation offload) through one node: whole between local ports, cut
// towards peers.
#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr BridgeId lan{0};
constexpr PortId tap1{0};
constexpr PortId tap2{1};
constexpr PortId tun{2};
constexpr PortId esp_port{3};
constexpr PortId plain_port{4};
constexpr PeerId esp_peer{0};
constexpr PeerId plain_peer{1};
constexpr Vni vni{100};
constexpr std::uint16_t gso_size = 1000;
constexpr std::size_t payload_size = 4500;

const MacAddress near_mac = mac("02:00:00:00:00:01");
const MacAddress far_mac = mac("02:00:00:00:00:02");
const Endpoint esp_there = Endpoint{ip("192.0.2.2"), 4500};
const Endpoint plain_there = Endpoint{ip("192.0.2.3"), 4789};

struct Addresses {
    IpAddress source;
    IpAddress destination;
};

const Addresses v4{ip("10.1.0.2"), ip("10.2.0.2")};
const Addresses v6{ip("2001:db8:1::2"), ip("2001:db8:2::2")};

struct OffloadNode : SingleNode {
    explicit OffloadNode(std::size_t pool_size = 64, bool encrypted = true) : SingleNode(pool_size) {
        topology().add_bridge(lan, {.vni = vni, .limits = {}});
        topology().add_frame_device(tap1, lan, {});
        topology().add_frame_device(tap2, lan, {});
        topology().add_datagram_device(tun, {prefix("10.1.0.1/24")}, 1500);
        if (encrypted) {
            topology().add_peer(esp_peer, esp_port,
                                {.endpoint = esp_there,
                                 .bridges = {lan},
                                 .prefixes = {prefix("10.2.0.0/24"), prefix("2001:db8:2::/64")},
                                 .routed_mtu = 1438,
                                 .liveness = {}});
            datapath.install_manual(esp_peer, {sa_keys(300), sa_keys(400), 1, 1000}, now);
        } else {
            topology().add_peer(
                plain_peer, plain_port,
                {.encrypted = false, .endpoint = plain_there, .bridges = {lan}, .liveness = {}});
        }
        learn(far_mac);
    }

    // Makes the peer's or, without a peer's help, the second TAP's station known.
    void learn(const MacAddress& station, bool at_tap = false) {
        const Bytes hello = frame(station, station, 0x88B5, Bytes(46, 0));
        if (at_tap) {
            from_port(tap2, hello);
        } else if (topology().peers().find(esp_peer) != nullptr) {
            from_underlay(Channel::esp, esp_there, far.seal(in_vxlan(vni, hello), 17));
        } else {
            from_underlay(Channel::vxlan, plain_there, in_vxlan(vni, hello, false));
        }
        at(tap1);
        at(tap2);
        sent();
    }

    SaEnd far{400, 300};
};

// A TCP super-frame as a guest's kernel hands it over: the pseudo-header's sum in place of the checksum.
Packet super_packet(PacketPool& pool, const Addresses& addresses, bool with_ethernet) {
    PacketBuilder builder;
    if (with_ethernet) builder.ethernet(far_mac, near_mac);
    builder.ip(addresses.source, addresses.destination)
        .tcp(1000, 2000, TcpHeader::ack | TcpHeader::psh)
        .sequence(5000)
        .payload(payload_size);
    Packet packet = builder.build(pool);
    const bool is_v6 = addresses.source.is_v6();
    const std::size_t transport = (with_ethernet ? 14 : 0) + (is_v6 ? 40 : 20);
    packet.offload() = {.gso = is_v6 ? Offload::Gso::tcp6 : Offload::Gso::tcp4,
                        .needs_checksum = true,
                        .gso_size = gso_size,
                        .checksum_offset = 16};
    packet.set_checksum_start(transport);
    const auto pseudo = with_pseudo_header(addresses.source, addresses.destination, 6, {});
    put16(packet.bytes(), transport + 16, ~naive_checksum(pseudo) & 0xFFFFU);
    return packet;
}

// Checks that `datagrams` are the whole payload, each a segment whose checksums are right.
void check_segments(const std::vector<Bytes>& datagrams, const Addresses& addresses) {
    const std::size_t header = addresses.source.is_v6() ? 40 : 20;
    REQUIRE(datagrams.size() == (payload_size + gso_size - 1) / gso_size);
    Bytes payload;
    for (const Bytes& each : datagrams) {
        const auto transport = std::span(each).subspan(header);
        CHECK(get32(transport, 4) == 5000 + payload.size());
        CHECK(transport_checksum(addresses.source, addresses.destination, 6, transport) == 0);
        if (header == 20) CHECK(naive_checksum(std::span(each).first(20)) == 0);
        CHECK(((transport[13] & TcpHeader::psh) != 0) == (&each == &datagrams.back()));
        payload.insert(payload.end(), transport.begin() + 20, transport.end());
    }
    CHECK(payload.size() == payload_size);
    const Bytes whole = PacketBuilder().payload(payload_size).build();
    CHECK(payload == whole);
}

}  // namespace

TEST_CASE("a super-frame crosses from TAP to TAP unchanged, as one packet") {
    OffloadNode node;
    node.learn(far_mac, true);
    Packet packet = super_packet(node.pool, v4, true);
    const Bytes bytes(packet.bytes().begin(), packet.bytes().end());
    node.from_port(tap1, std::move(packet));
    const auto out = node.outputs(tap2);
    REQUIRE(out.size() == 1);
    CHECK(out[0].bytes == bytes);
    CHECK(out[0].offload.gso == Offload::Gso::tcp4);
    CHECK(out[0].offload.gso_size == gso_size);
    CHECK(out[0].offload.needs_checksum);
    CHECK(out[0].checksum_start == 34);
}

TEST_CASE("a super-frame to an encrypted peer is cut, and every segment sealed by itself") {
    for (const auto& addresses : {v4, v6}) {
        OffloadNode node;
        node.from_port(tap1, super_packet(node.pool, addresses, true));
        std::vector<Bytes> datagrams;
        std::uint64_t sequence = 0;
        for (const Sent& each : node.sent()) {
            const auto opened = node.far.open(each.bytes);
            REQUIRE(opened.payload.size() > 30);
            CHECK(opened.next_header == 17);
            CHECK(opened.sequence > sequence);
            sequence = opened.sequence;
            datagrams.emplace_back(opened.payload.begin() + 30, opened.payload.end());
        }
        check_segments(datagrams, addresses);
        CHECK(node.topology().port(esp_port).traffic.tx_packets == datagrams.size());
        CHECK(node.held() == 0);
    }
}

TEST_CASE("a super-frame to a plain peer is cut as well") {
    OffloadNode node(64, false);
    node.from_port(tap1, super_packet(node.pool, v4, true));
    std::vector<Bytes> datagrams;
    for (const Sent& each : node.sent()) {
        CHECK(each.channel == Channel::vxlan);
        datagrams.emplace_back(each.bytes.begin() + 22, each.bytes.end());
    }
    check_segments(datagrams, v4);
}

TEST_CASE("a TUN's super-frame routed to a peer is cut, each segment with its hop taken") {
    for (const auto& addresses : {v4, v6}) {
        OffloadNode node;
        node.from_port(tun, super_packet(node.pool, addresses, false));
        std::vector<Bytes> datagrams;
        for (const Sent& each : node.sent()) {
            auto opened = node.far.open(each.bytes);
            REQUIRE(opened.payload.size() > 40);
            CHECK(opened.payload[addresses.source.is_v6() ? 7 : 8] == 63);
            datagrams.push_back(std::move(opened.payload));
        }
        check_segments(datagrams, addresses);
    }
}

TEST_CASE("a super-frame's tag is on each of its segments") {
    OffloadNode node;
    Packet packet = super_packet(node.pool, v4, true);
    packet.vlan_tci() = 0xA00A;
    node.from_port(tap1, std::move(packet));
    const auto sent = node.sent();
    REQUIRE(sent.size() == 5);
    for (const Sent& each : sent) {
        const auto opened = node.far.open(each.bytes);
        REQUIRE(opened.payload.size() > 34);
        CHECK(get16(opened.payload, 16 + 12) == 0x8100);
        CHECK(get16(opened.payload, 16 + 14) == 0xA00A);
    }
}

TEST_CASE("the segments of a super-frame leave as one train, and without a buffer for it are drops") {
    OffloadNode node(2);
    Packet packet = super_packet(node.pool, v4, true);
    node.datapath.from_port(tap1, {&packet, 1}, node.now);
    REQUIRE(node.datapath.underlay_outbox().trains().size() == 1);
    CHECK(node.datapath.underlay_outbox().trains()[0].datagrams() == 5);
    node.sent();
    CHECK(node.held() == 0);

    OffloadNode poor(2);
    packet = super_packet(poor.pool, v4, true);
    const Packet last = poor.pool.take();
    poor.datapath.from_port(tap1, {&packet, 1}, poor.now);
    CHECK(poor.drops(esp_port, Drop::no_buffer) == 5);
    CHECK(poor.sent().empty());
}

TEST_CASE("a received train is delivered in the order of its sequence numbers") {
    OffloadNode node;
    std::vector<Bytes> datagrams;
    std::vector<Bytes> sealed;
    for (const char* source : {"10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.4", "10.2.0.5", "10.2.0.6"}) {
        datagrams.push_back(udp_datagram(ip(source), ip("10.1.0.9"), 100));
        sealed.push_back(node.far.seal(datagrams.back(), ip_protocol::ipv4));
    }
    Bytes train;
    for (const std::size_t i : {2U, 0U, 1U, 4U, 3U}) append(train, sealed[i]);
    append(train, std::span(sealed[5]).first(40));  // the last one, cut off
    node.from_underlay({.bytes = train, .datagram_size = sealed[0].size(), .from = esp_there});
    const std::vector<Bytes> delivered = node.at(tun);
    REQUIRE(delivered.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) CHECK(get32(delivered[i], 12) == get32(datagrams[i], 12));
    CHECK(node.drops(esp_port, Drop::auth_failed) == 1);
    CHECK(node.held() == 0);
}

TEST_CASE("a checksum that was left to the device is completed before a packet is sealed") {
    OffloadNode node;
    Packet packet = PacketBuilder()
                        .ethernet(far_mac, near_mac)
                        .ip(v4.source, v4.destination)
                        .udp(1, 2)
                        .payload(99)
                        .build(node.pool);
    packet.offload() = {.needs_checksum = true, .checksum_offset = 6};
    packet.set_checksum_start(34);
    const auto length = packet.size() - 34;
    auto pseudo = with_pseudo_header(v4.source, v4.destination, 17, {});
    put16(pseudo, 10, static_cast<unsigned>(length));
    put16(packet.bytes(), 40, ~naive_checksum(pseudo) & 0xFFFFU);
    node.from_port(tap1, std::move(packet));
    const auto sent = node.sent();
    REQUIRE(sent.size() == 1);
    const auto opened = node.far.open(sent[0].bytes);
    CHECK(transport_checksum(v4.source, v4.destination, 17, std::span(opened.payload).subspan(50)) == 0);
}
