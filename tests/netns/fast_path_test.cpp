#include "vswitch/fast_path.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/cable.h"
#include "tests/support/namespace_fixture.h"
#include "tests/support/packet_builder.h"
#include "tests/support/test_socket.h"
#include "vswitch/checksum.h"
#include "vswitch/device/packet_socket.h"
#include "vswitch/device/tuntap.h"
#include "vswitch/fast_flows.h"
#include "vswitch/headers.h"
#include "vswitch/path_probe.h"

namespace weft {
namespace {

using test::Bytes;
using test::NetworkNamespace;
using test::PacketBuilder;
using Kind = FastFlows::Action::Kind;

constexpr PortId port_a{1};
constexpr PortId port_b{2};
constexpr PortId port_tap{3};
constexpr std::uint16_t client_port = 40000;
constexpr std::uint16_t server_port = 5000;

unsigned index_of(const std::string& device) {
    return ::if_nametoindex(device.c_str());
}

FastPath open_fast_path(const FastPath::Options& options = {}) {
    auto opened = FastPath::open(options);
    if (!opened) throw std::runtime_error(opened.error());
    return std::move(*opened);
}

void require(const std::expected<void, FastPath::Failure>& done) {
    if (!done) throw std::runtime_error(done.error());
}

// A container behind a veth pair, at whose end here is a patch TAP.
struct Container {
    Container(const std::string& short_name, int number)
        : netns("weft-" + short_name),
          host_end("v" + short_name),
          address("10.1.0." + std::to_string(number)),
          mac(test::mac("02:00:00:00:00:0" + std::to_string(number))) {
        test::run("ip link add " + host_end + " type veth peer name eth0 netns weft-" + short_name +
                  " && ip link set " + host_end + " up");
        netns.run("ip link set eth0 address " + mac.to_string() + " up && ip addr add " + address +
                  "/24 dev eth0 && ip addr add 2001:db8::" + std::to_string(number) + "/64 dev eth0 nodad");
        // A veth drops what is sent before the kernel has noticed, in a work queue, that the other end is up.
        const std::string ready = " | grep -q 'qdisc noqueue .*state UP'; do :; done\"";
        test::run("timeout 5 sh -c \"until ip link show " + host_end + ready);
        netns.run("timeout 5 sh -c \"until ip link show eth0" + ready);
        eth0 = open_packet_socket("eth0", netns.name());
        tap = open_tuntap({.layer = TunTapOptions::Layer::tap,
                           .name = "p" + short_name,
                           .netns = std::nullopt,
                           .mac = std::nullopt,
                           .addresses = {}});
    }

    // Now, and not when the kernel gets round to it.
    ~Container() { test::run("ip link del " + host_end); }

    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;

    [[nodiscard]] unsigned host_end_index() const { return index_of(host_end); }

    [[nodiscard]] unsigned tap_index() const { return index_of(tap->name()); }

    NetworkNamespace netns;
    std::string host_end;
    std::string address;
    MacAddress mac;
    std::unique_ptr<Device> eth0;
    std::unique_ptr<Device> tap;
};

// Two containers, and frames between them.
struct Pair {
    explicit Pair(const FastPath::Options& options = {})
        : fast_path(open_fast_path(options)), flows(fast_path.flows(0)) {
        require(fast_path.add_veth(port_a, a.host_end_index(), a.tap_index()));
        require(fast_path.add_veth(port_b, b.host_end_index(), b.tap_index()));
    }

    [[nodiscard]] PacketBuilder to_b(const char* source = "10.1.0.1",
                                     const char* destination = "10.1.0.2") const {
        PacketBuilder builder;
        builder.ethernet(b.mac, a.mac).ip(test::ip(source), test::ip(destination));
        return builder;
    }

    [[nodiscard]] Bytes udp_to_b(std::size_t size = 100) const {
        return to_b().udp(client_port, server_port).payload(size).build();
    }

    void send(Device& device, const Bytes& frame, const std::function<void(Packet&)>& prepare = {}) {
        std::vector<Packet> packets;
        packets.push_back(pool.take(frame));
        if (prepare) prepare(packets.front());
        REQUIRE(device.write(packets, drops) == 1);
    }

    bool arrives(Device& device, const Bytes& frame) {
        return bool{test::read_one(device, pool, drops, [&](const Packet& packet) {
            return std::ranges::equal(packet.bytes(), frame);
        })};
    }

    bool has_arrived(Device& device, const Bytes& frame) {
        std::vector<Packet> packets;
        while (device.read(pool, 64, packets, drops) == Device::Status::more) continue;
        return std::ranges::any_of(
            packets, [&](const Packet& packet) { return std::ranges::equal(packet.bytes(), frame); });
    }

    bool goes_fast(const Bytes& frame) {
        send(*a.eth0, frame);
        return arrives(*b.eth0, frame) && !has_arrived(*a.tap, frame);
    }

    bool goes_slowly(const Bytes& frame) {
        send(*a.eth0, frame);
        return arrives(*a.tap, frame) && !has_arrived(*b.eth0, frame);
    }

    static FlowKey key_of(const Bytes& frame) { return classify_frame(frame, untagged)->flow; }

    bool insert(const Bytes& frame, std::uint32_t slot = 7,
                const FastFlows::Action& action = to_port_b) const {
        return flows->insert(slot, key_of(frame), port_a, action);
    }

    static constexpr FastFlows::Action to_port_b{.kind = Kind::to_port, .out = port_b};

    PacketPool pool{512};
    DropCounters drops;
    Container a{"a", 1};
    Container b{"b", 2};
    FastPath fast_path;
    std::unique_ptr<FastFlows> flows;
};

std::uint32_t& generation(Pair& pair, std::size_t index) {
    return pair.flows->generations()[index];
}

TEST_CASE("without a flow a frame comes out of the port's TAP, and what is written there arrives") {
    for (const auto attach : {HookKind::best, HookKind::filters}) {
        Pair pair({.hooks = attach});
        CHECK(pair.goes_slowly(pair.udp_to_b()));
        CHECK(pair.goes_slowly(pair.udp_to_b(1400)));
        const auto answer = pair.udp_to_b();
        pair.send(*pair.b.tap, answer);
        CHECK(pair.arrives(*pair.b.eth0, answer));
        CHECK(pair.fast_path.misses().unknown >= 2);
    }
}

TEST_CASE("what this namespace's own stack sends by a patch TAP does not come out of it as the container's") {
    Pair pair;
    test::run("ip addr add 10.7.0.1/24 dev pa && ip neigh add 10.7.0.2 lladdr 02:00:00:00:00:02 dev pa");
    const test::UdpSocket socket({.address = test::ip("10.7.0.1"), .port = client_port});
    socket.send({.address = test::ip("10.7.0.2"), .port = server_port}, "not the container's");
    std::vector<Packet> packets;
    pair.a.tap->read(pair.pool, 64, packets, pair.drops);
    CHECK(std::ranges::none_of(packets, test::is_udp(true, server_port)));
    CHECK(pair.goes_slowly(pair.udp_to_b()));
}

TEST_CASE("with a flow a frame arrives at the other container and not at the TAP") {
    for (const auto attach : {HookKind::best, HookKind::filters}) {
        Pair pair({.hooks = attach});
        for (const auto& frame :
             {pair.udp_to_b(), pair.to_b().tcp(client_port, server_port).payload(10).build(),
              pair.to_b("2001:db8::1", "2001:db8::2").udp(client_port, server_port).payload(10).build(),
              pair.to_b("2001:db8::1", "2001:db8::2").tcp(client_port, server_port).payload(10).build()}) {
            CHECK(pair.goes_slowly(frame));
            REQUIRE(pair.insert(frame));
            CHECK(pair.goes_fast(frame));
            REQUIRE(pair.flows->erase(7));
            CHECK(pair.goes_slowly(frame));
            CHECK_FALSE(pair.flows->erase(7));
        }
    }
}

TEST_CASE("a changed generation makes exactly the flows that depend on it miss, at once") {
    Pair pair;
    const auto dependent = pair.udp_to_b();
    const auto other = pair.to_b().udp(client_port, 1).payload(64).build();
    generation(pair, 3) = 30;
    generation(pair, FastFlows::generation_count - 1) = 99;
    auto action = Pair::to_port_b;
    action.dependencies = {{{.generation = 3, .value = 30}, {FastFlows::generation_count - 1, 99}}};
    REQUIRE(pair.insert(dependent, 1, action));
    REQUIRE(pair.insert(other, 2));
    CHECK(pair.goes_fast(dependent));
    std::atomic_ref(generation(pair, FastFlows::generation_count - 1)).store(100);
    CHECK(pair.goes_slowly(dependent));
    CHECK(pair.fast_path.misses().stale == 1);
    CHECK(pair.goes_fast(other));
    action.dependencies[1].value = 100;
    REQUIRE(pair.insert(dependent, 1, action));
    CHECK(pair.goes_fast(dependent));
    std::atomic_ref(generation(pair, 3)).store(0);
    CHECK(pair.goes_slowly(dependent));
}

TEST_CASE("parts have slots, generations and samples of their own, and no flow is in two of them") {
    Pair pair({.max_flows = 8, .parts = 2});
    const auto other = pair.fast_path.flows(1);
    const auto first_frame = pair.udp_to_b();
    const auto second_frame = pair.to_b().udp(client_port, 1).payload(64).build();
    auto action = Pair::to_port_b;
    action.dependencies[0] = {.generation = 3, .value = 0};
    REQUIRE(pair.insert(first_frame, 7, action));
    REQUIRE(other->insert(7, Pair::key_of(second_frame), port_a, action));
    CHECK_FALSE(other->insert(6, Pair::key_of(first_frame), port_a, action));
    CHECK_FALSE(other->insert(8, Pair::key_of(first_frame), port_a, action));
    CHECK(pair.goes_fast(first_frame));
    CHECK(pair.goes_fast(second_frame));
    CHECK(pair.goes_fast(second_frame));
    CHECK(pair.flows->read(7).packets == 1);
    CHECK(other->read(7).packets == 2);

    std::vector<std::uint32_t> sizes;
    const auto take = [&](const FastFlows::Sample& sample) {
        CHECK(sample.slot == 7);
        sizes.push_back(sample.size);
    };
    CHECK(test::wait_readable(other->sample_descriptor()));
    CHECK(other->take_samples(take) == 1);
    CHECK(pair.flows->take_samples(take) == 1);
    CHECK(sizes == std::vector{static_cast<std::uint32_t>(second_frame.size()),
                               static_cast<std::uint32_t>(first_frame.size())});

    std::atomic_ref(other->generations()[3]).store(1);
    CHECK(pair.goes_slowly(second_frame));
    CHECK(pair.goes_fast(first_frame));
    REQUIRE(other->erase(7));
    CHECK(pair.goes_fast(first_frame));
    REQUIRE(pair.flows->erase(7));
    REQUIRE(other->insert(6, Pair::key_of(first_frame), port_a, Pair::to_port_b));
    CHECK(pair.goes_fast(first_frame));
}

TEST_CASE("a port that is off has no flows until it is on again") {
    Pair pair;
    const auto frame = pair.udp_to_b();
    REQUIRE(pair.insert(frame));
    pair.fast_path.set_enabled(port_a, false);
    CHECK(pair.goes_slowly(frame));
    pair.fast_path.set_enabled(port_a, true);
    CHECK(pair.goes_fast(frame));
}

TEST_CASE("what is not plain TCP or UDP in one piece misses although there is a flow") {
    Pair pair;
    REQUIRE(pair.insert(pair.udp_to_b(), 1));
    REQUIRE(pair.insert(pair.to_b().tcp(client_port, server_port).build(), 2));
    const auto udp6 =
        pair.to_b("2001:db8::1", "2001:db8::2").udp(client_port, server_port).payload(64).build();
    REQUIRE(pair.insert(udp6, 3));
    const std::array<std::uint8_t, 4> options{1, 1, 1, 0};
    const auto tcp = [&](std::uint8_t flags) {
        return pair.to_b().tcp(client_port, server_port, flags).payload(8).build();
    };
    const auto v6 = [&] { return pair.to_b("2001:db8::1", "2001:db8::2"); };
    const auto udp_in = [](PacketBuilder builder) {
        return builder.udp(client_port, server_port).payload(64).build();
    };
    auto wrong_length = pair.udp_to_b();
    wrong_length[sizeof(EthernetHeader) + 2] = 4;
    auto short_header = tcp(TcpHeader::ack);
    short_header[sizeof(EthernetHeader) + sizeof(Ipv4Header) + 12] = 0x40;
    const std::vector<std::pair<const char*, Bytes>> frames{
        {"SYN", tcp(TcpHeader::syn)},
        {"FIN", tcp(TcpHeader::fin | TcpHeader::ack)},
        {"RST", tcp(TcpHeader::rst)},
        {"first fragment", udp_in(pair.to_b().fragment(0, true))},
        {"later fragment", pair.to_b().protocol(17).fragment(64, false).payload(64).build()},
        {"IP options", udp_in(pair.to_b().ip_options(options))},
        {"tag", udp_in(PacketBuilder()
                           .ethernet(pair.b.mac, pair.a.mac)
                           .vlan(VlanId{10})
                           .ip(test::ip("10.1.0.1"), test::ip("10.1.0.2")))},
        {"ARP", PacketBuilder()
                    .ethernet(pair.b.mac, pair.a.mac)
                    .arp_request(pair.a.mac, test::ip("10.1.0.1"), test::ip("10.1.0.2"))
                    .pad_to(60)
                    .build()},
        {"echo", pair.to_b().echo_request(1, 1).build()},
        {"neighbor solicitation", v6().neighbor_solicitation(test::ip("2001:db8::2"), pair.a.mac).build()},
        {"IPv6 fragment", udp_in(v6().fragment(0, true))},
        {"extension header", udp_in(v6().extension(ip_protocol::hop_by_hop))},
        {"broadcast", udp_in(PacketBuilder()
                                 .ethernet(broadcast_mac, pair.a.mac)
                                 .ip(test::ip("10.1.0.1"), test::ip("10.1.0.2")))},
        {"length beyond the frame", wrong_length},
        {"TCP header shorter than one", short_header},
        {"another ether type", PacketBuilder().ethernet(pair.b.mac, pair.a.mac, 0x88B5).payload(64).build()},
    };
    for (const auto& [what, frame] : frames) {
        CAPTURE(std::string{what});
        CHECK(pair.goes_slowly(frame));
    }
    CHECK(pair.fast_path.misses().unsuitable >= frames.size());
    CHECK(pair.goes_fast(tcp(TcpHeader::ack)));
    CHECK(pair.goes_fast(udp6));
}

TEST_CASE("truncations of a packet with a flow miss") {
    Pair pair;
    const auto frame = pair.to_b().tcp(client_port, server_port).payload(8).build();
    REQUIRE(pair.insert(frame));
    for (std::size_t size = sizeof(EthernetHeader); size < frame.size(); ++size) {
        CAPTURE(size);
        CHECK(pair.goes_slowly({frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)}));
    }
    CHECK(pair.goes_fast(frame));
}

TEST_CASE("a packet larger than the action's MTU misses; of a super-frame a segment counts") {
    Pair pair;
    auto action = Pair::to_port_b;
    action.mtu = 1000;
    const auto fits = pair.udp_to_b(1000 - sizeof(Ipv4Header) - sizeof(UdpHeader));
    REQUIRE(pair.insert(fits, 1, action));
    CHECK(pair.goes_fast(fits));
    CHECK(pair.goes_slowly(pair.udp_to_b(1001 - sizeof(Ipv4Header) - sizeof(UdpHeader))));
    CHECK(pair.fast_path.misses().too_big == 1);

    const auto super_frame = pair.to_b().tcp(client_port, server_port).payload(9601).build();
    REQUIRE(pair.insert(super_frame, 2, action));
    const auto segments_of = [&](std::uint16_t size) {
        return [=](Packet& packet) {
            packet.offload() = {
                .gso = Offload::Gso::tcp4, .needs_checksum = true, .gso_size = size, .checksum_offset = 16};
            packet.set_checksum_start(sizeof(EthernetHeader) + sizeof(Ipv4Header));
        };
    };
    pair.send(*pair.a.eth0, super_frame, segments_of(960));
    CHECK(pair.arrives(*pair.b.eth0, super_frame));
    pair.send(*pair.a.eth0, super_frame, segments_of(961));
    CHECK(pair.arrives(*pair.a.tap, super_frame));

    // 10 segments of 960 bytes and one of 1, each with its headers.
    const auto totals = pair.flows->read(2);
    CHECK(totals.packets == 11);
    CHECK(totals.bytes == 9601 + 11 * 54);
}

TEST_CASE("counts are those of the wire, and begin anew when a slot gets another flow") {
    Pair pair;
    const auto frame = pair.udp_to_b();
    REQUIRE(pair.insert(frame));
    const auto inserted = pair.flows->read(7);
    CHECK(inserted.packets == 0);
    CHECK(inserted.last_seen != Instant{});
    for (int i = 0; i < 5; ++i) CHECK(pair.goes_fast(frame));
    auto totals = pair.flows->read(7);
    CHECK(totals.packets == 5);
    CHECK(totals.bytes == 5 * frame.size());
    CHECK(totals.last_seen >= inserted.last_seen);
    REQUIRE(pair.insert(frame));
    CHECK(pair.flows->read(7).packets == 5);
    CHECK_FALSE(pair.insert(pair.udp_to_b(1), 8));
    const auto other = pair.to_b().udp(client_port, 1).build();
    CHECK_FALSE(pair.insert(other));
    REQUIRE(pair.flows->erase(7));
    REQUIRE(pair.insert(other));
    CHECK(pair.flows->read(7).packets == 0);
    CHECK(pair.goes_fast(other));
    CHECK(pair.flows->read(6).packets == 0);
    CHECK(pair.flows->read(7).packets == 1);
    CHECK(pair.flows->read(7).bytes == other.size());
}

TEST_CASE("a flow that is to be dropped is dropped and counted") {
    Pair pair;
    const auto frame = pair.udp_to_b();
    REQUIRE(pair.insert(frame, 7, {.kind = Kind::drop}));
    pair.send(*pair.a.eth0, frame);
    const auto marker = pair.to_b().udp(client_port, 1).build();
    CHECK(pair.goes_slowly(marker));
    CHECK_FALSE(pair.has_arrived(*pair.b.eth0, frame));
    CHECK(pair.flows->read(7).packets == 1);
}

TEST_CASE("the first packet of a flow and every so many are sampled") {
    Pair pair({.sample_every = 3});
    const auto frame = pair.udp_to_b(600);
    CHECK_FALSE(test::wait_readable(pair.flows->sample_descriptor(), 0));
    REQUIRE(pair.insert(frame));
    std::size_t sampled = 0;
    const auto take = [&](const FastFlows::Sample& sample) {
        CHECK(sample.slot == 7);
        CHECK(sample.in == port_a);
        CHECK(sample.out == port_b);
        CHECK(sample.kind == Kind::to_port);
        CHECK(sample.size == frame.size());
        CHECK(sample.gso_size == 0);
        CHECK(std::ranges::equal(sample.bytes, std::span{frame}.first(256)));
        ++sampled;
    };
    CHECK(pair.goes_fast(frame));
    CHECK(test::wait_readable(pair.flows->sample_descriptor()));
    CHECK(pair.flows->take_samples(take) == 1);
    CHECK_FALSE(test::wait_readable(pair.flows->sample_descriptor(), 0));
    for (int i = 0; i < 9; ++i) CHECK(pair.goes_fast(frame));
    pair.flows->take_samples(take);
    CHECK(sampled >= 3);  // on as many CPUs as the frames were on
    CHECK(sampled <= 6);
}

// Waits until the other test's thread, or the kernel's work queue, is as far.
void wait_until(const std::function<bool()>& done) {
    for (int i = 0; i < 500 && !done(); ++i) ::poll(nullptr, 0, 10);
    REQUIRE(done());
}

TEST_CASE("a TAP of this namespace has flows to and from containers") {
    Pair pair;
    const auto device = open_tuntap({.layer = TunTapOptions::Layer::tap,
                                     .name = "t0",
                                     .netns = std::nullopt,
                                     .mac = test::mac("02:00:00:00:00:09"),
                                     .addresses = {test::prefix("10.1.0.9/24")}});
    require(pair.fast_path.add_device(port_tap, index_of("t0")));
    test::run("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev t0");
    pair.b.netns.run("ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0");
    const Endpoint here{.address = test::ip("10.1.0.9"), .port = client_port};
    const Endpoint there{.address = test::ip("10.1.0.2"), .port = server_port};
    const test::UdpSocket client(here);
    std::optional<test::UdpSocket> server;
    pair.b.netns.enter([&] { server.emplace(there); });

    client.send(there, "slowly");
    const auto request = test::read_one(*device, pair.pool, pair.drops, test::is_udp(true, server_port));
    REQUIRE(request);
    const auto to_container = classify_frame(request.bytes(), untagged)->flow;
    REQUIRE(pair.flows->insert(1, to_container, port_tap, Pair::to_port_b));
    client.send(there, "fast");
    CHECK(server->receive() == "fast");

    server->send(here, "slowly");
    const auto answer = test::read_one(*pair.b.tap, pair.pool, pair.drops, test::is_udp(true, server_port));
    REQUIRE(answer);
    const auto from_container = classify_frame(answer.bytes(), untagged)->flow;
    REQUIRE(pair.flows->insert(2, from_container, port_b, {.kind = Kind::to_port, .out = port_tap}));
    server->send(here, "fast");
    CHECK(client.receive() == "fast");
    CHECK(pair.flows->read(1).packets == 1);
    CHECK(pair.flows->read(1).bytes == 14 + 20 + 8 + 4);
    CHECK(pair.flows->read(2).packets == 1);
}

TEST_CASE("a TUN has flows without MAC addresses, and none to an Ethernet port") {
    Pair pair;
    const auto device = open_tuntap({.layer = TunTapOptions::Layer::tun,
                                     .name = "u0",
                                     .netns = std::nullopt,
                                     .mac = std::nullopt,
                                     .addresses = {test::prefix("10.9.0.1/24")}});
    require(pair.fast_path.add_device(port_tap, index_of("u0")));
    const Endpoint there{.address = test::ip("10.9.0.2"), .port = server_port};
    const test::UdpSocket client({.address = test::ip("10.9.0.1"), .port = client_port});
    client.send(there, "slowly");
    const auto request = test::read_one(*device, pair.pool, pair.drops, test::is_udp(false, server_port));
    REQUIRE(request);
    const auto flow = classify_datagram(request.bytes())->flow;
    CHECK_FALSE(pair.flows->insert(1, flow, port_tap, Pair::to_port_b));
    REQUIRE(pair.flows->insert(1, flow, port_tap, {.kind = Kind::drop}));
    client.send(there, "never");
    const auto totals = pair.flows->read(1);
    CHECK(totals.packets == 1);
    CHECK(totals.bytes == 20 + 8 + 5);
    REQUIRE(pair.flows->erase(1));
    client.send(there, "again");
    const auto next = test::read_one(*device, pair.pool, pair.drops, test::is_udp(false, server_port));
    CHECK(next.size() == 20 + 8 + 5);
    CHECK(std::ranges::equal(next.bytes().last(5), std::string_view{"again"}));
}

// Two containers, and a peer at the other end of a cable.
struct Wire : Pair {
    static constexpr PortId tunnel{9};
    static constexpr Vni vni{100};
    static constexpr std::uint16_t vxlan_port = 4789;

    Wire() : Pair({.vxlan_port = vxlan_port}) {
        test::run(
            "ip link add up0 type veth peer name up0 netns weft-far && ip addr add 192.0.2.1/24 dev up0 && "
            "ip link set up0 up");
        far.run("ip addr add 192.0.2.2/24 dev up0 && ip addr add 192.0.2.3/24 dev up0 && ip link set up0 up");
        const std::string ready =
            "timeout 5 sh -c \"until ip link show up0 | grep -q 'qdisc noqueue .*state UP'; do :; done\"";
        test::run(ready);
        far.run(ready);
        far.enter([&] { peer.emplace(Endpoint{test::ip("192.0.2.2"), vxlan_port}); });
        far.enter([&] { stranger.emplace(Endpoint{test::ip("192.0.2.3"), vxlan_port}); });
        daemon.emplace(Endpoint{test::ip("192.0.2.1"), vxlan_port});
        require(fast_path.add_uplink(index_of("up0")));
        REQUIRE(fast_path.set_tunnel(tunnel, way()));
    }

    ~Wire() { test::run("ip link del up0"); }

    static FastPath::Tunnel way() {
        return {test::ip("192.0.2.1"), {test::ip("192.0.2.2"), vxlan_port}, index_of("up0")};
    }

    static std::string text(std::span<const std::uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

    // As the wire has it, behind UDP.
    static std::string wrapped(const Bytes& frame, std::uint32_t in = 100, std::uint8_t flags = 0x08) {
        const Bytes header{flags,
                           0,
                           0,
                           0,
                           static_cast<std::uint8_t>(in >> 16U),
                           static_cast<std::uint8_t>(in >> 8U),
                           static_cast<std::uint8_t>(in),
                           0};
        return text(header) + text(frame);
    }

    [[nodiscard]] Bytes to_a(const char* source = "10.1.0.2", const char* destination = "10.1.0.1") const {
        return PacketBuilder()
            .ethernet(a.mac, b.mac)
            .ip(test::ip(source), test::ip(destination))
            .udp(server_port, client_port)
            .payload(50)
            .build();
    }

    bool insert_towards_peer(const Bytes& frame, std::uint32_t slot = 1) {
        return flows->insert(slot, key_of(frame), port_a,
                             {.kind = Kind::to_port, .out = tunnel, .vni_out = vni, .source_port = 50000});
    }

    bool insert_from_peer(const Bytes& frame, std::uint32_t slot = 2) {
        return flows->insert(slot, key_of(frame), tunnel,
                             {.kind = Kind::to_port, .out = port_a, .vni_in = vni});
    }

    void from_peer(const std::string& datagram) { peer->send({test::ip("192.0.2.1"), vxlan_port}, datagram); }

    NetworkNamespace far{"weft-far"};
    std::optional<test::UdpSocket> peer;
    std::optional<test::UdpSocket> stranger;
    std::optional<test::UdpSocket> daemon;
};

TEST_CASE("a flow to a peer arrives there in VXLAN, byte for byte") {
    Wire wire;
    for (const Bytes& frame :
         {wire.udp_to_b(), wire.to_b().tcp(client_port, server_port).payload(10).build(),
          wire.to_b("2001:db8::1", "2001:db8::2").udp(client_port, server_port).payload(10).build()}) {
        REQUIRE(wire.insert_towards_peer(frame));
        wire.send(*wire.a.eth0, frame);
        Endpoint from;
        CHECK(wire.peer->receive(&from) == Wire::wrapped(frame));
        CHECK(from == Endpoint{test::ip("192.0.2.1"), 50000});
        CHECK(wire.flows->read(1).packets == 1);
        CHECK(wire.flows->read(1).bytes == frame.size());
        REQUIRE(wire.flows->erase(1));
        CHECK(wire.goes_slowly(frame));
    }
}

TEST_CASE("what the uplink does not send whole is left to the daemon") {
    Wire wire;
    REQUIRE(wire.insert_towards_peer(wire.udp_to_b()));
    constexpr std::size_t headers = 20 + 8;
    const auto largest = wire.udp_to_b(1450 - headers);
    wire.send(*wire.a.eth0, largest);
    CHECK(wire.peer->receive() == Wire::wrapped(largest));
    CHECK(wire.goes_slowly(wire.udp_to_b(1451 - headers)));
    test::run("ip link set up0 mtu 1400");
    CHECK(wire.goes_slowly(largest));
    CHECK(wire.fast_path.misses().too_big == 2);
}

TEST_CASE("a peer's flow arrives without VXLAN, and nobody else's does") {
    Wire wire;
    const Bytes frame = wire.to_a();
    const auto is_left_to_daemon = [&](const std::string& datagram) {
        wire.from_peer(datagram);
        return wire.daemon->receive() == datagram && !wire.has_arrived(*wire.a.eth0, frame);
    };
    CHECK(is_left_to_daemon(Wire::wrapped(frame)));
    REQUIRE(wire.insert_from_peer(frame));
    wire.from_peer(Wire::wrapped(frame));
    CHECK(wire.arrives(*wire.a.eth0, frame));
    CHECK(wire.flows->read(2).packets == 1);
    CHECK(wire.flows->read(2).bytes == frame.size());

    CHECK(is_left_to_daemon(Wire::wrapped(frame, 101)));
    CHECK(is_left_to_daemon(Wire::wrapped(frame, 100, 0)));
    CHECK(is_left_to_daemon(Wire::wrapped(frame) + "padding"));
    CHECK(is_left_to_daemon(Wire::wrapped(frame).substr(0, 8 + frame.size() - 1)));
    CHECK(is_left_to_daemon(Wire::wrapped(frame).substr(0, 30)));
    auto unsummed = frame;
    unsummed[14 + 20 + 6] = unsummed[14 + 20 + 7] = 0;
    CHECK(is_left_to_daemon(Wire::wrapped(unsummed)));
    auto other = frame;
    other[0] ^= 0x04U;
    CHECK(is_left_to_daemon(Wire::wrapped(other)));
    wire.stranger->send({test::ip("192.0.2.1"), Wire::vxlan_port}, Wire::wrapped(frame));
    CHECK(wire.daemon->receive() == Wire::wrapped(frame));
}

TEST_CASE(
    "IPv6 from a peer, routed or not, arrives without VXLAN, or as it was where the kernel cannot take it "
    "off") {
    Wire wire;
    const auto gateway = test::mac("02:00:00:00:0f:01");
    for (const bool is_routed : {false, true}) {
        const auto packet = [&](bool after) {
            return PacketBuilder()
                .ethernet(is_routed && after ? wire.a.mac
                          : is_routed        ? gateway
                                             : wire.a.mac,
                          is_routed && after ? gateway : wire.b.mac)
                .ip(test::ip("2001:db8:1::2"), test::ip("2001:db8::1"))
                .ttl(is_routed && after ? 63 : 64)
                .udp(server_port, client_port)
                .payload(50)
                .build();
        };
        FastFlows::Action action{.kind = Kind::to_port, .out = port_a, .vni_in = Wire::vni};
        if (is_routed) action.rewrite = {wire.a.mac, gateway};
        REQUIRE(wire.flows->insert(is_routed ? 1 : 2, Pair::key_of(packet(false)), Wire::tunnel, action));
        wire.from_peer(Wire::wrapped(packet(false)));
        const bool arrived = wire.arrives(*wire.a.eth0, packet(true));
        const bool as_it_was = !arrived && wire.daemon->receive() == Wire::wrapped(packet(false));
        CHECK((arrived || as_it_was));
    }
}

TEST_CASE("a tunnel that is set anew is another one") {
    Wire wire;
    const Bytes forth = wire.udp_to_b();
    const Bytes back = wire.to_a();
    const auto elsewhere =
        FastPath::Tunnel{test::ip("192.0.2.1"), {test::ip("192.0.2.3"), Wire::vxlan_port}, index_of("up0")};
    REQUIRE(wire.insert_from_peer(back));
    REQUIRE(wire.flows->erase(2));
    REQUIRE(wire.fast_path.set_tunnel(Wire::tunnel, elsewhere));
    REQUIRE(wire.insert_towards_peer(forth));
    REQUIRE(wire.insert_from_peer(back));
    wire.send(*wire.a.eth0, forth);
    CHECK(wire.stranger->receive() == Wire::wrapped(forth));
    wire.from_peer(Wire::wrapped(back));
    CHECK(wire.daemon->receive() == Wire::wrapped(back));
    wire.stranger->send({test::ip("192.0.2.1"), Wire::vxlan_port}, Wire::wrapped(back));
    CHECK(wire.arrives(*wire.a.eth0, back));
    CHECK_FALSE(
        wire.fast_path.set_tunnel(Wire::tunnel, {test::ip("2001:db8::1"), {test::ip("2001:db8::2"), 1}, 1}));
    CHECK_FALSE(wire.insert_towards_peer(forth, 3));
}

TEST_CASE("an uplink that is tried sends nothing, and keeps nothing of it") {
    Wire wire;
    const auto far_end = open_packet_socket("up0", "weft-far");
    FastPath other = open_fast_path({.vxlan_port = Wire::vxlan_port});
    require(other.add_uplink(index_of("up0")));
    CHECK(index_of("weftp" + std::to_string(::getpid())) == 0);
    std::vector<Packet> packets;
    far_end->read(wire.pool, 64, packets, wire.drops);
    CHECK(std::ranges::none_of(packets, test::is_udp(true, Wire::vxlan_port)));
    REQUIRE(wire.insert_towards_peer(wire.udp_to_b()));
    wire.send(*wire.a.eth0, wire.udp_to_b());
    CHECK(wire.peer->receive() == Wire::wrapped(wire.udp_to_b()));
}

TEST_CASE("an uplink by which nothing can come in is refused, and no flow goes out by it") {
    Wire wire;
    const auto device = open_tuntap({.layer = TunTapOptions::Layer::tun,
                                     .name = "u0",
                                     .netns = std::nullopt,
                                     .mac = std::nullopt,
                                     .addresses = {}});
    CHECK_FALSE(wire.fast_path.add_uplink(index_of("u0")));
    auto way = Wire::way();
    way.device = index_of("u0");
    REQUIRE(wire.fast_path.set_tunnel(Wire::tunnel, way));
    CHECK_FALSE(wire.insert_towards_peer(wire.udp_to_b()));
    REQUIRE(wire.fast_path.set_tunnel(Wire::tunnel, Wire::way()));
    CHECK(wire.insert_towards_peer(wire.udp_to_b()));
}

TEST_CASE("an uplink whose packets somebody else takes first is refused") {
    const Wire wire;
    test::run("ip link add up1 type veth peer name up1 netns weft-far && ip link set up1 up");
    wire.far.run("ip link set up1 up");
    test::run("tc qdisc add dev up1 clsact");
    // A filter that lets all pass, which are done then.
    const auto* const filter =
        "tc filter add dev up1 ingress prio 1 u32 match u32 0 0 flowid 1:1 2>/dev/null";
    if (std::system(filter) == 0) {  // NOLINT(cert-env33-c)
        FastPath other = open_fast_path({.vxlan_port = Wire::vxlan_port, .hooks = HookKind::filters});
        CHECK_FALSE(other.add_uplink(index_of("up1")));
        test::run("tc filter del dev up1 ingress prio 1");
        CHECK(other.add_uplink(index_of("up1")));
    } else {
        MESSAGE("this kernel has no u32");
    }
    test::run("ip link del up1");
}

TEST_CASE("a port is tried by a packet that goes through its program, and fails without one") {
    for (const auto attach : {HookKind::best, HookKind::filters}) {
        Pair pair({.hooks = attach});
        const PortHooks veth{.is_veth = true, .leads_elsewhere = true, .device = pair.a.host_end_index()};
        CHECK(try_port(pair.fast_path.hook_programs(), veth, "eth0", pair.a.netns.name()) == "");
        CHECK(pair.goes_slowly(pair.udp_to_b()));
        pair.fast_path.remove(port_a);
        CHECK(try_port(pair.fast_path.hook_programs(), veth, "eth0", pair.a.netns.name()) != "");
        for (const auto layer : {TunTapOptions::Layer::tap, TunTapOptions::Layer::tun}) {
            const auto device = open_tuntap(
                {.layer = layer, .name = "t0", .netns = std::nullopt, .mac = std::nullopt, .addresses = {}});
            const PortHooks own{.device = index_of("t0"), .link_layer = device->link_layer()};
            CHECK(try_port(pair.fast_path.hook_programs(), own, "t0", std::nullopt) != "");
            require(pair.fast_path.add_device(port_tap, index_of("t0")));
            CHECK(try_port(pair.fast_path.hook_programs(), own, "t0", std::nullopt) == "");
            pair.fast_path.remove(port_tap);
        }
    }
}

TEST_CASE("a port that failed when it was tried has no flows, in or out") {
    Pair pair;
    pair.fast_path.remove(port_b);
    auto hooks = hook_veth(pair.fast_path.hook_programs(), pair.b.host_end_index(), pair.b.tap_index());
    REQUIRE(hooks);
    hooks->why_no_flows = "nothing arrives";
    pair.fast_path.add(port_b, std::move(*hooks));
    const auto frame = pair.udp_to_b();
    CHECK_FALSE(pair.insert(frame));
    CHECK_FALSE(pair.flows->insert(7, Pair::key_of(frame), port_b, {.kind = Kind::to_port, .out = port_a}));
    CHECK(pair.goes_slowly(frame));
    pair.send(*pair.b.tap, frame);
    CHECK(pair.arrives(*pair.b.eth0, frame));
}

TEST_CASE(
    "a routed packet has a hop less, a right checksum and other addresses; without hops it is left to the "
    "daemon") {
    Pair pair;
    const auto gateway = test::mac("02:00:00:00:0f:01");
    const auto other_gateway = test::mac("02:00:00:00:0f:02");
    const auto packet = [&](bool is_v6, std::uint8_t ttl, bool after) {
        PacketBuilder builder;
        builder.ethernet(after ? pair.b.mac : gateway, after ? other_gateway : pair.a.mac)
            .ip(test::ip(is_v6 ? "2001:db8::1" : "10.1.0.1"), test::ip(is_v6 ? "2001:db8:1::2" : "10.2.0.2"))
            .ttl(ttl)
            .udp(client_port, server_port)
            .payload(33);
        return builder.build();
    };
    for (const bool is_v6 : {false, true}) {
        const std::uint32_t slot = is_v6 ? 1 : 0;
        auto action = Pair::to_port_b;
        action.rewrite = {pair.b.mac, other_gateway};
        REQUIRE(pair.insert(packet(is_v6, 64, false), slot, action));
        pair.send(*pair.a.eth0, packet(is_v6, 64, false));
        CHECK(pair.arrives(*pair.b.eth0, packet(is_v6, 63, true)));
        pair.send(*pair.a.eth0, packet(is_v6, 2, false));
        CHECK(pair.arrives(*pair.b.eth0, packet(is_v6, 1, true)));
        CHECK(pair.goes_slowly(packet(is_v6, 1, false)));
        CHECK(pair.flows->read(slot).packets == 2);
    }
}

TEST_CASE("a routed packet gets and loses its Ethernet header between a TUN and a veth") {
    Pair pair;
    const auto device = open_tuntap({.layer = TunTapOptions::Layer::tun,
                                     .name = "u0",
                                     .netns = std::nullopt,
                                     .mac = std::nullopt,
                                     .addresses = {test::prefix("10.9.0.1/24")}});
    require(pair.fast_path.add_device(port_tap, index_of("u0")));
    const Endpoint there{.address = test::ip("10.9.0.2"), .port = server_port};
    const test::UdpSocket client({.address = test::ip("10.9.0.1"), .port = client_port});
    client.send(there, "slowly");
    const auto request = test::read_one(*device, pair.pool, pair.drops, test::is_udp(false, server_port));
    REQUIRE(request);
    const auto gateway = test::mac("02:00:00:00:0f:01");
    auto action = Pair::to_port_b;
    action.rewrite = {pair.b.mac, gateway};
    REQUIRE(pair.flows->insert(1, classify_datagram(request.bytes())->flow, port_tap, action));
    client.send(there, "quickly");
    const auto arrived = test::read_one(*pair.b.eth0, pair.pool, pair.drops, test::is_udp(true, server_port));
    REQUIRE(arrived);
    const auto what = classify_frame(arrived.bytes(), untagged).value();
    CHECK(what.flow.destination_mac == pair.b.mac);
    CHECK(what.flow.source_mac == gateway);
    CHECK(view<Ipv4Header>(arrived.bytes(), what.network)->ttl == 63);
    CHECK(ipv4_header_checksum(arrived.bytes().subspan(what.network, 20)) == 0);
    CHECK(std::ranges::equal(arrived.bytes().last(7), std::string_view{"quickly"}));

    const Bytes back = PacketBuilder()
                           .ethernet(gateway, pair.b.mac)
                           .ip(test::ip("10.9.0.2"), test::ip("10.9.0.1"))
                           .udp(server_port, client_port)
                           .payload(5)
                           .build();
    REQUIRE(pair.flows->insert(2, Pair::key_of(back), port_b,
                               {.kind = Kind::to_port, .out = port_tap, .rewrite = FlowOffload::Rewrite{}}));
    pair.send(*pair.b.eth0, back);
    CHECK(client.receive().size() == 5);
}

TEST_CASE("a veth whose other end is in this namespace, too, is reached") {
    Pair pair;
    test::run("ip link add vc type veth peer name vd && ip link set vc up && ip link set vd up");
    test::run("timeout 5 sh -c \"until ip link show vd | grep -q 'qdisc noqueue .*state UP'; do :; done\"");
    {
        const auto tap = open_tuntap({.layer = TunTapOptions::Layer::tap,
                                      .name = "pc",
                                      .netns = std::nullopt,
                                      .mac = std::nullopt,
                                      .addresses = {}});
        const auto end = open_packet_socket("vd", std::nullopt);
        require(pair.fast_path.add_veth(port_tap, index_of("vc"), index_of("pc")));
        const auto frame = pair.udp_to_b();
        pair.send(*tap, frame);
        CHECK(pair.arrives(*end, frame));
        REQUIRE(pair.insert(frame, 7, {.kind = Kind::to_port, .out = port_tap}));
        pair.send(*pair.a.eth0, frame);
        CHECK(pair.arrives(*end, frame));
        CHECK_FALSE(pair.has_arrived(*tap, frame));
    }
    test::run("ip link del vc");
}

std::uint16_t local_port(const Descriptor& socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

TEST_CASE("a TCP transfer keeps to its flows, and what they counted is the whole stream in segments") {
    Pair pair;
    const std::string payload(16 << 20, 'x');
    const Endpoint there{.address = test::ip("10.1.0.2"), .port = server_port};
    std::optional<test::TcpListener> listener;
    pair.b.netns.enter([&] { listener.emplace(there); });
    Descriptor client;
    pair.a.netns.enter([&] { client = test::connect_tcp(there); });
    const auto data = pair.to_b().tcp(local_port(client), server_port).build();
    const auto back = PacketBuilder()
                          .ethernet(pair.a.mac, pair.b.mac)
                          .ip(test::ip("10.1.0.2"), test::ip("10.1.0.1"))
                          .tcp(server_port, local_port(client))
                          .build();
    REQUIRE(pair.insert(data, 1));
    REQUIRE(pair.flows->insert(2, Pair::key_of(back), port_b, {.kind = Kind::to_port, .out = port_a}));
    test::CableTraffic traffic;
    CHECK(test::transfer_over_cable(*pair.a.tap, *pair.b.tap, pair.pool, pair.drops, client, *listener,
                                    payload, traffic) == payload);
    CHECK(traffic.super_frames == 0);
    tcp_info kernel{};
    socklen_t size = sizeof kernel;
    REQUIRE(::getsockopt(client.get(), IPPROTO_TCP, TCP_INFO, &kernel, &size) == 0);
    const auto totals = pair.flows->read(1);
    constexpr std::size_t headers = 14 + 20 + 32;       // with timestamps
    CHECK(totals.packets == kernel.tcpi_segs_out - 1);  // the SYN
    CHECK(totals.bytes - totals.packets * headers == kernel.tcpi_bytes_sent);
    CHECK(pair.flows->read(2).packets > 0);
    CHECK(pair.drops.total() == 0);
}

// Sends frames from its own thread as long as less than a socket's buffer full of them is under way.
class Traffic {
  public:
    Traffic(Device& from, Bytes frame) : from_(from), frame_(std::move(frame)), thread_([this] { run(); }) {}

    ~Traffic() { stop(); }

    Traffic(const Traffic&) = delete;
    Traffic& operator=(const Traffic&) = delete;

    // Returns how many were sent.
    std::size_t stop() {
        stopped_ = true;
        if (thread_.joinable()) thread_.join();
        return sent_;
    }

    std::atomic<std::size_t> received = 0;

  private:
    static constexpr std::size_t window = 64;

    void run() {
        PacketPool pool(window);
        DropCounters drops;
        while (!stopped_) {
            std::vector<Packet> packets;
            while (sent_ + packets.size() < received + window) packets.push_back(pool.take(frame_));
            if (packets.empty()) {
                std::this_thread::sleep_for(std::chrono::microseconds{50});
            } else {
                sent_ += from_.write(packets, drops);
            }
        }
    }

    Device& from_;
    Bytes frame_;
    std::size_t sent_ = 0;
    std::atomic<bool> stopped_ = false;
    std::thread thread_;
};

// Another flow that is to be dropped has the slot, and the kernel's memory, in between: no frame goes by its
// action.
TEST_CASE("10,000 insertions, changes and erasures under traffic lose no packet") {
    Pair pair;
    const auto frame = pair.udp_to_b(64);
    const auto flow = Pair::key_of(frame);
    const auto other_flow = Pair::key_of(pair.to_b().udp(client_port, 1).build());
    std::size_t slow = 0;
    Traffic traffic(*pair.a.eth0, frame);
    const auto daemon = [&] {
        std::vector<Packet> packets;
        pair.a.tap->read(pair.pool, 64, packets, pair.drops);
        slow += static_cast<std::size_t>(std::ranges::count_if(packets, test::is_udp(true, server_port)));
        pair.b.tap->write(packets, pair.drops);
        packets.clear();
        pair.b.eth0->read(pair.pool, 64, packets, pair.drops);
        traffic.received +=
            static_cast<std::size_t>(std::ranges::count_if(packets, test::is_udp(true, server_port)));
    };
    std::uint64_t fast = 0;
    for (std::uint32_t i = 0; i < 10000; ++i) {
        const std::uint32_t slot = i / 3 % 50;
        auto action = Pair::to_port_b;
        action.dependencies[0] = {.generation = 1, .value = i};
        std::atomic_ref(generation(pair, 1)).store(i);
        if (i % 3 != 2) {
            REQUIRE(pair.flows->insert(slot, flow, port_a, action));
        } else {
            fast += pair.flows->read(slot).packets;
            REQUIRE(pair.flows->erase(slot));
            REQUIRE(pair.flows->insert(slot, other_flow, port_a, {.kind = Kind::drop}));
            REQUIRE(pair.flows->erase(slot));
        }
        daemon();
    }
    const std::size_t sent = traffic.stop();
    wait_until([&] {
        daemon();
        return traffic.received == sent;
    });
    CHECK(slow > 100);
    CHECK(fast > 100);
    CHECK(slow + fast <= sent);
    // Some are of the last slot, or were counted between a reading and its erasure.
    CHECK(slow + fast + sent / 200 > sent);
    CHECK(pair.drops.total() == 0);
    MESSAGE(sent, " frames: ", slow, " slowly, ", fast, " fast");
}

TEST_CASE("a table that is full refuses, and takes another flow when one is erased") {
    Pair pair({.max_flows = 4});
    const auto frame = [&](std::uint16_t port) { return pair.to_b().udp(client_port, port).build(); };
    for (std::uint16_t i = 0; i < 4; ++i) REQUIRE(pair.insert(frame(i), i));
    CHECK_FALSE(pair.insert(frame(4), 4));
    CHECK_FALSE(pair.insert(frame(4), 3));
    REQUIRE(pair.flows->erase(1));
    REQUIRE(pair.insert(frame(4), 1));
    CHECK(pair.goes_slowly(frame(1)));
    CHECK(pair.goes_fast(frame(4)));
}

TEST_CASE("a port that is removed has neither flows nor patches, and can be added again") {
    for (const auto attach : {HookKind::best, HookKind::filters}) {
        Pair pair({.hooks = attach});
        const auto frame = pair.udp_to_b();
        REQUIRE(pair.insert(frame));
        pair.fast_path.remove(port_a);
        CHECK_FALSE(pair.insert(frame, 8));
        pair.send(*pair.a.eth0, frame);
        CHECK_FALSE(pair.has_arrived(*pair.a.tap, frame));
        CHECK_FALSE(pair.has_arrived(*pair.b.eth0, frame));
        require(pair.fast_path.add_veth(port_a, pair.a.host_end_index(), pair.a.tap_index()));
        CHECK(pair.goes_fast(frame));
        require(pair.fast_path.add_veth(port_a, pair.a.host_end_index(), pair.a.tap_index()));
        CHECK(pair.goes_fast(frame));
    }
}

// A link of tc is in no tool of Debian 12. The kernel is asked with BPF_PROG_QUERY, BPF_TCX_INGRESS = 46.
std::size_t attached_to(const std::string& device) {
    bpf_attr query{};
    query.query.target_fd = index_of(device);
    query.query.attach_type = 46;
    constexpr int command = BPF_PROG_QUERY;
    const bool has_links = ::syscall(SYS_bpf, command, &query, sizeof query) == 0;
    const std::string filters = "tc filter show dev " + device + " ingress 2>/dev/null | grep -q handle";
    const bool has_filter = std::system(filters.c_str()) == 0;  // NOLINT(cert-env33-c)
    return (has_links ? query.query.prog_cnt : 0) + (has_filter ? 1 : 0);
}

TEST_CASE("when the programs are closed flows go on, and no port is added any more") {
    for (const auto attach : {HookKind::best, HookKind::filters}) {
        Pair pair({.hooks = attach});
        pair.fast_path.close_programs();
        const auto frame = pair.udp_to_b();
        CHECK(pair.goes_slowly(frame));
        REQUIRE(pair.insert(frame));
        CHECK(pair.goes_fast(frame));
        CHECK_FALSE(pair.fast_path.add_veth(port_tap, pair.a.host_end_index(), pair.a.tap_index()));
        CHECK(pair.goes_fast(frame));
        pair.fast_path.remove(port_a);
        CHECK_FALSE(pair.insert(frame, 8));
    }
}

TEST_CASE("when the object goes, nothing of it stays at the devices") {
    for (const auto attach : {HookKind::best, HookKind::filters}) {
        std::optional<Pair> pair;
        pair.emplace(FastPath::Options{.hooks = attach});
        const auto frame = pair->udp_to_b();
        CHECK(pair->goes_slowly(frame));
        for (const auto& device : {pair->a.host_end, pair->a.tap->name()}) CHECK(attached_to(device) == 1);
        {
            const FastPath gone = std::move(pair->fast_path);
            pair->flows.reset();
        }
        // A link is taken off by a work queue.
        for (const auto& device : {pair->a.host_end, pair->a.tap->name()})
            wait_until([&] { return attached_to(device) == 0; });
        pair->send(*pair->a.eth0, frame);
        CHECK_FALSE(pair->has_arrived(*pair->a.tap, frame));
    }
}

TEST_CASE("filters that a killed process has left are replaced") {
    Pair pair({.hooks = HookKind::filters});
    const auto frame = pair.udp_to_b();
    REQUIRE(pair.insert(frame));
    {
        FastPath successor = open_fast_path({.hooks = HookKind::filters});
        require(successor.add_veth(port_a, pair.a.host_end_index(), pair.a.tap_index()));
        CHECK(pair.goes_slowly(frame));
        CHECK(successor.misses().unknown == 1);
    }
    CHECK(attached_to(pair.a.host_end) == 0);
    CHECK(attached_to(pair.b.host_end) == 1);
}

TEST_CASE("flows are inserted, read and erased without any privilege") {
    Pair pair;
    const auto frame = pair.udp_to_b();
    bool worked = false;
    std::thread([&] {
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
        if (::syscall(SYS_capset, &header, none.data()) != 0) return;
        worked = pair.insert(frame, 1) && pair.flows->erase(1) && pair.insert(frame, 2);
    }).join();
    CHECK(worked);
    CHECK(pair.goes_fast(frame));
}

}  // namespace

// Any other failure is one of ours.
std::optional<std::string> test::further_obstacle() {
    const auto opened = FastPath::open({});
    if (opened || (opened.error().find("not permitted") == std::string::npos &&
                   opened.error().find("without libbpf") == std::string::npos)) {
        return std::nullopt;
    }
    return opened.error();
}

}  // namespace weft
