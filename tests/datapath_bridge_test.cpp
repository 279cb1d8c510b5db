// Frames through one node: between local ports, to peers with and without encryption, and back.
#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr BridgeId lan{0};
constexpr BridgeId other{1};
constexpr PortId tap1{0};
constexpr PortId tap2{1};
constexpr PortId tap3{2};
constexpr PortId esp_port{3};
constexpr PortId plain_port{4};
constexpr PortId other_tap{5};
constexpr PeerId esp_peer{0};
constexpr PeerId plain_peer{1};
constexpr Vni vni{100};
constexpr Vni other_vni{200};

const Endpoint esp_there = Endpoint{ip("192.0.2.2"), 4500};
const Endpoint plain_there = Endpoint{ip("192.0.2.3"), 4789};

MacAddress station(std::uint8_t number) {
    return {{0x02, 0, 0, 0, 0, number}};
}

Bytes frame_between(const MacAddress& to, const MacAddress& from) {
    return PacketBuilder()
        .ethernet(to, from)
        .ip(ip("10.0.0.1"), ip("10.0.0.2"))
        .udp(1000, 2000)
        .payload(40)
        .build();
}

Bytes tagged(const MacAddress& to, const MacAddress& from, VlanId vlan) {
    return PacketBuilder().ethernet(to, from).vlan(vlan, 5).ip(ip("10.0.0.1"), ip("10.0.0.2")).build();
}

Bytes untagged_frame(const MacAddress& to, const MacAddress& from) {
    return PacketBuilder().ethernet(to, from).ip(ip("10.0.0.1"), ip("10.0.0.2")).build();
}

// Three TAPs, an encrypted peer with manual keys and a plain one on a bridge; one TAP on a bridge of its own,
// which no peer shares.
struct SwitchNode : SingleNode {
    explicit SwitchNode(std::size_t pool_size = 64, const VlanFilter& vlans1 = VlanFilter::all(),
                        const VlanFilter& vlans2 = VlanFilter::all(),
                        const VlanFilter& vlans3 = VlanFilter::all())
        : SingleNode(pool_size) {
        topology().add_bridge(lan, {.vni = vni, .limits = {}});
        topology().add_bridge(other, {.vni = other_vni, .limits = {}});
        topology().add_frame_device(tap1, lan, {.vlans = vlans1});
        topology().add_frame_device(tap2, lan, {.vlans = vlans2});
        topology().add_frame_device(tap3, lan, {.vlans = vlans3});
        topology().add_frame_device(other_tap, other, {});
    }

    void add_esp_peer() {
        topology().add_peer(esp_peer, esp_port, {.endpoint = esp_there, .bridges = {lan}, .liveness = {}});
        datapath.install_manual(esp_peer, {sa_keys(300), sa_keys(400), 1, 1000}, now);
    }

    void add_plain_peer() {
        topology().add_peer(plain_peer, plain_port,
                            {.encrypted = false, .endpoint = plain_there, .bridges = {lan}, .liveness = {}});
    }

    void learn(PortId port, std::uint8_t number) {
        from_port(port, frame_between(station(number), station(number)));
        for (const PortId each : {tap1, tap2, tap3}) at(each);
        sent();
    }

    SaEnd far{400, 300};
};

}  // namespace

TEST_CASE("a frame to a known station leaves by its port alone, as it came") {
    SwitchNode node;
    node.learn(tap2, 2);
    const Bytes frame = frame_between(station(2), station(1));
    node.from_port(tap1, frame);
    CHECK(node.at(tap2) == Packets{frame});
    CHECK(node.at(tap3).empty());
    CHECK(node.held() == 0);
    const auto& traffic = node.topology().port(tap1).traffic;
    CHECK(traffic.rx_packets == 1);
    CHECK(traffic.rx_bytes == frame.size());
    CHECK(node.topology().port(tap2).traffic.tx_bytes >= frame.size());
}

TEST_CASE("a frame to an unknown station or a group reaches every other member once") {
    for (const auto& destination : {station(9), broadcast_mac}) {
        SwitchNode node;
        node.add_esp_peer();
        node.add_plain_peer();
        const Bytes frame = frame_between(destination, station(1));
        node.from_port(tap1, frame);
        CHECK(node.at(tap1).empty());
        CHECK(node.at(tap2) == Packets{frame});
        CHECK(node.at(tap3) == Packets{frame});
        CHECK(node.at(other_tap).empty());
        CHECK(node.sent().size() == 2);
        CHECK(node.held() == 0);
        CHECK(node.all_drops() == 0);
    }
}

TEST_CASE("a copy for which there is no buffer is counted, and the other members still get theirs") {
    SwitchNode node(1);  // the frame alone; there are two other members
    node.from_port(tap1, frame_between(broadcast_mac, station(1)));
    CHECK(node.drops(tap1, Drop::no_buffer) == 1);
    CHECK(node.at(tap2).size() + node.at(tap3).size() == 1);
    CHECK(node.held() == 0);
}

TEST_CASE("a frame that nobody else could take is counted as such") {
    SwitchNode node;
    node.from_port(other_tap, frame_between(broadcast_mac, station(1)));
    CHECK(node.drops(other_tap, Drop::no_member) == 1);
}

TEST_CASE("what a bridge does not forward is counted where it came in") {
    SwitchNode node;
    node.learn(tap1, 1);
    Bytes truncated_tag = tagged(station(2), station(3), VlanId{10});
    truncated_tag.resize(15);

    struct Case {
        Bytes frame;
        Drop drop;
    };

    const Case cases[] = {
        {Bytes(13, 2), Drop::truncated},
        {truncated_tag, Drop::truncated},
        {frame_between(station(2), broadcast_mac), Drop::source_is_group},
        {frame_between({{0x01, 0x80, 0xC2, 0, 0, 0x0E}}, station(3)), Drop::link_local_filtered},
        {frame_between(station(1), station(3)), Drop::same_port},
        {tagged(station(2), station(3), VlanId{4095}), Drop::vlan_not_allowed},
    };
    for (const auto& [frame, drop] : cases) {
        CAPTURE(to_string(drop));
        const auto before = node.drops(tap1, drop);
        const auto all_before = node.all_drops();
        node.from_port(tap1, frame);
        CHECK(node.drops(tap1, drop) == before + 1);
        CHECK(node.all_drops() == all_before + 1);
        CHECK(node.at(tap2).empty());
    }
    CHECK(node.held() == 0);
}

TEST_CASE("a port that is not there swallows nothing uncounted") {
    SwitchNode node;
    node.from_port(PortId{77}, frame_between(station(1), station(2)));
    CHECK(node.drops(PortId{77}, Drop::no_route) == 1);
    node.topology().remove_port(tap1);
    node.from_port(tap1, frame_between(station(1), station(2)));
    CHECK(node.drops(tap1, Drop::no_route) == 1);
    CHECK(node.held() == 0);
}

TEST_CASE("a removed port takes what waits in its outbox with it, and its stations are unknown again") {
    SwitchNode node;
    node.learn(tap2, 2);
    Packet packet = node.pool.take(frame_between(station(2), station(1)));
    node.datapath.from_port(tap1, {&packet, 1}, node.now);
    REQUIRE(node.datapath.port_outbox(tap2).size() == 1);
    node.datapath.remove_port(tap2);
    CHECK(node.datapath.ports_with_output().empty());
    CHECK(node.held() == 0);
    node.from_port(tap1, frame_between(station(2), station(1)));
    CHECK(node.at(tap3).size() == 1);
    CHECK(node.at(tap2).empty());
}

TEST_CASE("access and trunk ports of one VLAN see each other, with and without the tag") {
    SwitchNode node(64, VlanFilter::access(VlanId{10}), VlanFilter::trunk({VlanId{10}, VlanId{20}}),
                    VlanFilter::access(VlanId{20}));
    node.from_port(tap1, untagged_frame(broadcast_mac, station(1)));
    const auto on_trunk = node.at(tap2);
    REQUIRE(on_trunk.size() == 1);
    CHECK(on_trunk[0] == PacketBuilder()
                             .ethernet(broadcast_mac, station(1))
                             .vlan(VlanId{10})
                             .ip(ip("10.0.0.1"), ip("10.0.0.2"))
                             .build());
    CHECK(node.at(tap3).empty());

    node.from_port(tap2, tagged(station(1), station(2), VlanId{10}));
    CHECK(node.at(tap1) == Packets{untagged_frame(station(1), station(2))});
    CHECK(node.at(tap3).empty());

    node.from_port(tap2, untagged_frame(station(1), station(2)));
    CHECK(node.drops(tap2, Drop::vlan_not_allowed) == 1);
    node.from_port(tap1, tagged(station(2), station(1), VlanId{10}));
    CHECK(node.drops(tap1, Drop::vlan_not_allowed) == 1);
}

TEST_CASE("a tag is kept on the tunnel, and an access port behind it gets the frame untagged") {
    SwitchNode near(64, VlanFilter::trunk({VlanId{10}, VlanId{20}}));
    SwitchNode far(64, VlanFilter::access(VlanId{10}), VlanFilter::access(VlanId{20}));
    near.add_esp_peer();
    far.topology().add_peer(esp_peer, esp_port, {.endpoint = esp_there, .bridges = {lan}, .liveness = {}});
    far.datapath.install_manual(esp_peer, {sa_keys(400), sa_keys(300), 1, 1000}, far.now);

    near.from_port(tap1, tagged(broadcast_mac, station(1), VlanId{10}));
    const auto sent = near.sent();
    REQUIRE(sent.size() == 1);
    const auto opened = near.far.open(sent[0].bytes);
    CHECK(opened.next_header == 17);
    const Bytes inner(opened.payload.begin() + 16, opened.payload.end());
    CHECK(inner == tagged(broadcast_mac, station(1), VlanId{10}));

    far.from_underlay(Channel::esp, esp_there, sent[0].bytes);
    CHECK(far.at(tap1) == Packets{untagged_frame(broadcast_mac, station(1))});
    CHECK(far.at(tap2).empty());

    far.from_port(tap1, untagged_frame(station(1), station(2)));
    const auto back = far.sent();
    REQUIRE(back.size() == 1);
    near.from_underlay(Channel::esp, esp_there, back[0].bytes);
    const auto arrived = near.at(tap1);
    REQUIRE(arrived.size() == 1);
    CHECK(get16(arrived[0], 12) == 0x8100);
    CHECK((get16(arrived[0], 14) & 0xFFFU) == 10);
}

TEST_CASE("plain VXLAN carries a frame out with its flow in the source port, and one in") {
    SwitchNode node;
    node.add_plain_peer();
    const Bytes frame = frame_between(station(9), station(1));
    node.from_port(tap1, frame);
    const auto sent = node.sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].bytes == in_vxlan(vni, frame, false));
    CHECK(sent[0].to == plain_there);
    CHECK(sent[0].channel == Channel::vxlan);
    CHECK(sent[0].tunnel == plain_port);
    node.from_port(tap1, frame);
    CHECK(node.sent().at(0).flow_hash == sent[0].flow_hash);

    node.at(tap2);
    node.at(tap3);
    const Bytes answer = frame_between(station(1), station(9));
    node.from_underlay(Channel::vxlan, plain_there, in_vxlan(vni, answer, false));
    CHECK(node.at(tap1) == Packets{answer});
    CHECK(node.at(tap2).empty());
    CHECK(node.topology().port(plain_port).traffic.rx_packets == 1);
    CHECK(node.topology().port(plain_port).traffic.rx_bytes == answer.size());
}

TEST_CASE("plain VXLAN that is nobody's, or not for its sender, is dropped under its name") {
    SwitchNode node;
    node.add_plain_peer();
    const Bytes frame = frame_between(broadcast_mac, station(9));
    node.from_underlay(Channel::vxlan, {ip("192.0.2.99"), 4789}, in_vxlan(vni, frame, false));
    CHECK(node.underlay_drops(Drop::unknown_peer) == 1);
    node.from_underlay(Channel::vxlan, plain_there, in_vxlan(other_vni, frame, false));
    CHECK(node.drops(plain_port, Drop::foreign_vni) == 1);
    node.from_underlay(Channel::vxlan, plain_there, in_vxlan(Vni{7}, frame, false));
    CHECK(node.drops(plain_port, Drop::foreign_vni) == 2);
    Bytes no_vni = in_vxlan(vni, frame, false);
    no_vni[0] = 0;
    node.from_underlay(Channel::vxlan, plain_there, no_vni);
    CHECK(node.drops(plain_port, Drop::bad_vxlan) == 1);
    node.from_underlay(Channel::vxlan, plain_there, Bytes(21, 8));
    CHECK(node.drops(plain_port, Drop::truncated) == 1);
    CHECK(node.at(tap1).empty());
    CHECK(node.at(other_tap).empty());
    CHECK(node.held() == 0);
}

TEST_CASE("a plain peer without an endpoint is sent nothing") {
    SwitchNode node;
    node.topology().add_peer(plain_peer, plain_port, {.encrypted = false, .bridges = {lan}, .liveness = {}});
    node.from_port(tap1, frame_between(broadcast_mac, station(1)));
    CHECK(node.drops(plain_port, Drop::no_endpoint) == 1);
    node.datapath.set_endpoint(plain_peer, plain_there);
    node.from_port(tap1, frame_between(broadcast_mac, station(1)));
    CHECK(node.sent().size() == 1);
}

TEST_CASE("what one peer sends never goes to another") {
    SwitchNode node;
    node.add_esp_peer();
    node.add_plain_peer();
    node.from_underlay(Channel::vxlan, plain_there,
                       in_vxlan(vni, frame_between(broadcast_mac, station(9)), false));
    CHECK(node.at(tap1).size() == 1);
    CHECK(node.sent().empty());
    const Bytes to_plain = frame_between(station(9), station(8));
    node.from_underlay(Channel::esp, esp_there, node.far.seal(in_vxlan(vni, to_plain), 17));
    CHECK(node.drops(esp_port, Drop::split_horizon) == 1);
    CHECK(node.sent().empty());
}
