#include "vswitch/device/packet_socket.h"

#include <algorithm>
#include <array>

#include <doctest/doctest.h>

#include "tests/support/cable.h"
#include "tests/support/namespace_fixture.h"
#include "tests/support/test_socket.h"
#include "vswitch/headers.h"

namespace weft {
namespace {

using test::NetworkNamespace;

constexpr std::uint16_t port = 5000;

Endpoint endpoint(const std::string& address) {
    return {.address = *IpAddress::parse(address), .port = port};
}

// A host behind a veth pair: its end is eth0, the switch's end is in the namespace `site`.
struct Host {
    Host(const NetworkNamespace& site, const std::string& name, int number)
        : netns("weft-" + name), interface("v" + name), address("10.1.0." + std::to_string(number)) {
        site.run("ip link add " + interface + " type veth peer name eth0 netns weft-" + name +
                 " && ip link set " + interface + " up");
        netns.run("ip link set eth0 up && ip addr add " + address + "/24 dev eth0");
        // A veth drops what is sent before the kernel has noticed, in a work queue, that the other end is up.
        const std::string ready = " | grep -q 'qdisc noqueue .*state UP'; do :; done\"";
        site.run("timeout 5 sh -c \"until ip link show " + interface + ready);
        netns.run("timeout 5 sh -c \"until ip link show eth0" + ready);
    }

    NetworkNamespace netns;
    std::string interface;
    std::string address;
};

TEST_CASE("TCP passes between two interfaces in super-frames") {
    const NetworkNamespace site("weft-site");
    const Host a(site, "a", 1);
    const Host b(site, "b", 2);
    const auto device_a = open_packet_socket(a.interface, site.name());
    const auto device_b = open_packet_socket(b.interface, site.name());
    PacketPool pool(256);
    DropCounters drops;
    test::CableTraffic traffic;
    const std::string payload(1 << 20, 'x');
    std::optional<test::TcpListener> listener;
    b.netns.enter([&] { listener.emplace(endpoint(b.address)); });
    Descriptor connection;
    a.netns.enter([&] { connection = test::connect_tcp(endpoint(b.address)); });
    CHECK(test::transfer_over_cable(*device_a, *device_b, pool, drops, connection, *listener, payload,
                                    traffic) == payload);
    CHECK(drops.total() == 0);
    CHECK(traffic.super_frames > 0);
    CHECK(traffic.unfinished_checksums > 0);
    CHECK(traffic.largest > 1518);
}

// A super-frame of TCP over IPv4 behind a tag of priority 5, VLAN 10.
Packet tagged_super_frame(PacketPool& pool) {
    constexpr std::size_t network = 18;
    constexpr std::size_t transport = network + sizeof(Ipv4Header);
    constexpr std::array<std::uint8_t, network> link{2, 0, 0, 0,    0, 9,    2,    0,    0,
                                                     0, 0, 8, 0x81, 0, 0xA0, 0x0A, 0x08, 0};
    Packet frame = pool.take(link);
    frame.resize(transport + sizeof(TcpHeader) + 3000);
    *writable_view<Ipv4Header>(frame.bytes(), network) = {
        .version_ihl = 0x45,
        .dscp_ecn = 0,
        .total_length = static_cast<std::uint16_t>(frame.size() - network),
        .identification = 0,
        .flags_fragment = Ipv4Header::dont_fragment,
        .ttl = 64,
        .protocol = ip_protocol::tcp,
        .checksum = 0,
        .source = {10, 1, 0, 8},
        .destination = {10, 1, 0, 9}};
    *writable_view<TcpHeader>(frame.bytes(), transport) = {};
    writable_view<TcpHeader>(frame.bytes(), transport)->data_offset = 0x50;
    frame.offload() = {
        .gso = Offload::Gso::tcp4, .needs_checksum = true, .gso_size = 1000, .checksum_offset = 16};
    frame.set_checksum_start(transport);
    return frame;
}

TEST_CASE("a VLAN tag stands in the frame as it did on the wire, before the super-frame's headers too") {
    const NetworkNamespace site("weft-site");
    const Host a(site, "a", 1);
    const auto device = open_packet_socket(a.interface, site.name());
    const auto other_end = open_packet_socket("eth0", a.netns.name());
    PacketPool pool(8);
    DropCounters drops;
    std::vector<Packet> packets;
    packets.push_back(tagged_super_frame(pool));
    const std::vector<std::uint8_t> sent{packets.front().bytes().begin(), packets.front().bytes().end()};
    REQUIRE(other_end->write(packets, drops) == 1);
    const auto is_large = [](const Packet& packet) { return packet.size() > 1000; };
    const auto frame = test::read_one(*device, pool, drops, is_large);
    REQUIRE(frame);
    CHECK(std::vector<std::uint8_t>{frame.bytes().begin(), frame.bytes().end()} == sent);
    CHECK(frame.offload().gso == Offload::Gso::tcp4);
    CHECK(frame.offload().gso_size == 1000);
    CHECK(frame.offload().needs_checksum);
    CHECK(frame.checksum_start() == 38);
    CHECK(frame.offload().checksum_offset == 16);
    CHECK(drops.total() == 0);
}

TEST_CASE("a batch larger than one system call goes out whole and nothing of it is read back") {
    const NetworkNamespace site("weft-site");
    const Host a(site, "a", 1);
    const auto device = open_packet_socket(a.interface, site.name());
    const auto other_end = open_packet_socket("eth0", a.netns.name());
    PacketPool pool(400);
    DropCounters drops;
    std::vector<Packet> packets;
    constexpr std::uint16_t experimental = 0x88B5;
    for (std::uint8_t i = 0; i < 150; ++i) {
        std::array<std::uint8_t, 60> frame{
            2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, experimental >> 8U, experimental & 0xFFU, i};
        packets.push_back(pool.take(frame));
    }
    const std::array<std::uint8_t, 4000> too_big{};
    packets.insert(packets.begin() + 70, pool.take(too_big));
    CHECK(device->write(packets, drops) == 150);
    CHECK(drops[Drop::too_big] == 1);
    const auto is_ours = [](const Packet& packet) {
        return view<EthernetHeader>(packet.bytes())->type.value() == experimental;
    };
    for (std::uint8_t i = 0; i < 150; ++i) {
        const auto frame = test::read_one(*other_end, pool, drops, is_ours);
        REQUIRE(frame);
        CHECK(frame.data()[14] == i);
    }
    device->read(pool, 64, packets, drops);
    for (const auto& packet : packets) CHECK_FALSE(is_ours(packet));
    CHECK(drops.total() == 1);
}

TEST_CASE("an interface set down reads as down until it is up again, a deleted one as gone") {
    const NetworkNamespace site("weft-site");
    const Host a(site, "a", 1);
    const auto device = open_packet_socket(a.interface, site.name());
    PacketPool pool(64);
    DropCounters drops;
    std::vector<Packet> packets;
    const auto read = [&] {
        auto status = Device::Status::more;
        while (status == Device::Status::more) {
            packets.clear();
            status = device->read(pool, 8, packets, drops);
        }
        return status;
    };
    site.run("ip link set va down");
    CHECK(read() == Device::Status::down);
    CHECK(read() == Device::Status::down);
    site.run("ip link set va up");
    CHECK(read() == Device::Status::drained);
    site.run("ip link set va down");
    const std::array<std::uint8_t, 60> frame{};
    packets.clear();
    packets.push_back(pool.take(frame));
    CHECK(device->write(packets, drops) == 0);  // takes the kernel's only notice away from the reader
    CHECK(read() == Device::Status::down);
    site.run("ip link del va");
    CHECK(read() == Device::Status::gone);
    CHECK(drops.total() == 1);
    CHECK(drops[Drop::device_error] == 1);
}

TEST_CASE("an interface that cannot be a port says why") {
    const auto failure = [](const std::string& interface,
                            const std::optional<std::string>& netns) -> std::string {
        try {
            open_packet_socket(interface, netns);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "no failure";
    };
    const NetworkNamespace site("weft-site");
    CHECK(failure("nothing0", site.name()) ==
          "no interface nothing0 in namespace weft-site: create it first, or correct the name (ip link)");
    CHECK(failure("lo", std::nullopt).find("does not carry Ethernet frames") != std::string::npos);
    CHECK(failure("lo", "weft-nowhere").starts_with("no network namespace weft-nowhere"));
}

TEST_CASE("of several sockets on one interface, each frame is for one, and a flow's always for the same") {
    const NetworkNamespace site("weft-site");
    const Host a(site, "a", 1);
    const auto queues = open_packet_queues(a.interface, site.name(), 2);
    REQUIRE(queues.size() == 2);
    PacketPool pool(256);
    DropCounters drops;
    a.netns.run("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev eth0");
    std::array<std::size_t, 2> sizes{};
    a.netns.enter([&] {
        for (std::uint16_t flow = 0; flow < 32; ++flow) {
            const test::UdpSocket socket(
                {.address = *IpAddress::parse(a.address), .port = static_cast<std::uint16_t>(20000 + flow)});
            for (int i = 0; i < 2; ++i) socket.send(endpoint("10.1.0.2"), "a flow");
        }
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            std::vector<Packet> packets;
            queues[i]->read(pool, 128, packets, drops);
            sizes[i] = static_cast<std::size_t>(std::ranges::count_if(packets, test::is_udp(true, port)));
        }
    });
    CHECK(sizes[0] + sizes[1] == 64);
    CHECK(sizes[0] % 2 == 0);
    CHECK(sizes[0] > 4);
    CHECK(sizes[1] > 4);
    CHECK(drops.total() == 0);
}

}  // namespace
}  // namespace weft
