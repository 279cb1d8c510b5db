#include "vswitch/device/tuntap.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <doctest/doctest.h>

#include "tests/support/cable.h"
#include "tests/support/namespace_fixture.h"
#include "tests/support/packet_builder.h"
#include "tests/support/test_socket.h"
#include "vswitch/device/packet_socket.h"
#include "vswitch/headers.h"
#include "vswitch/netlink.h"
#include "vswitch/segmenter.h"

namespace weft {
namespace {

using test::NetworkNamespace;

constexpr std::uint16_t port = 5000;

TunTapOptions options(TunTapOptions::Layer layer, const NetworkNamespace& netns, const std::string& name,
                      const std::vector<std::string>& addresses) {
    TunTapOptions result{
        .layer = layer, .name = name, .netns = netns.name(), .mac = std::nullopt, .addresses = {}};
    for (const auto& address : addresses) result.addresses.push_back(*Prefix::parse(address));
    return result;
}

Endpoint endpoint(const std::string& address, std::uint16_t at = port) {
    return {.address = *IpAddress::parse(address), .port = at};
}

std::string random_text(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 1;
    for (auto& c : text) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24U);
    return text;
}

// The kernel completes an IPv6 address in a work queue, even one without duplicate address detection.
void wait_until_local(const NetworkNamespace& host, const std::string& address) {
    host.run("timeout 5 sh -c 'until ip route get " + address + " | grep -q \"^local\"; do :; done'");
}

std::string failure(const TunTapOptions& wrong) {
    try {
        open_tuntap(wrong);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "no failure";
}

TEST_CASE("a TAP or TUN in another namespace carries packets both ways") {
    struct Case {
        TunTapOptions::Layer layer;
        const char* local;
        const char* remote;
    };

    const auto layers = {Case{TunTapOptions::Layer::tap, "10.1.0.1", "10.1.0.2"},
                         Case{TunTapOptions::Layer::tap, "2001:db8::1", "2001:db8::2"},
                         Case{TunTapOptions::Layer::tun, "10.1.0.1", "10.1.0.2"},
                         Case{TunTapOptions::Layer::tun, "2001:db8::1", "2001:db8::2"}};
    for (const auto& [layer, local, remote] : layers) {
        CAPTURE(std::string{local});
        const bool is_tap = layer == TunTapOptions::Layer::tap;
        const NetworkNamespace host("weft-a");
        const auto device =
            open_tuntap(options(layer, host, "a1", {std::string{local} + (local[0] == '1' ? "/24" : "/64")}));
        wait_until_local(host, local);
        if (is_tap) host.run(std::string{"ip neigh add "} + remote + " lladdr 02:00:00:00:00:02 dev a1");
        PacketPool pool(8);
        DropCounters drops;
        host.enter([&] {
            const test::UdpSocket socket(endpoint(local));  // fails on an address that is still tentative
            socket.send(endpoint(remote), "there and back");
            std::vector<Packet> packets;
            packets.push_back(test::read_one(*device, pool, drops, test::is_udp(is_tap, port)));
            REQUIRE(packets.front());
            test::reflect(packets.front(), is_tap);
            CHECK(device->write(packets, drops) == 1);
            CHECK(packets.empty());
            Endpoint from;
            CHECK(socket.receive(&from) == "there and back");
            CHECK(from == endpoint(remote));
        });
        CHECK(drops.total() == 0);
    }
}

TEST_CASE("TCP's super-frames pass between two devices whole, unless offloading is off") {
    struct Case {
        TunTapOptions::Layer layer;
        bool offload;
        const char* client;
        const char* server;
        const char* length;
    };

    for (const auto& [layer, offload, client, server, length] :
         {Case{TunTapOptions::Layer::tap, true, "10.1.0.1", "10.1.0.2", "/24"},
          Case{TunTapOptions::Layer::tap, true, "2001:db8::1", "2001:db8::2", "/64"},
          Case{TunTapOptions::Layer::tun, true, "10.1.0.1", "10.1.0.2", "/24"},
          Case{TunTapOptions::Layer::tun, true, "2001:db8::1", "2001:db8::2", "/64"},
          Case{TunTapOptions::Layer::tap, false, "10.1.0.1", "10.1.0.2", "/24"}}) {
        CAPTURE(std::string{client});
        CAPTURE(offload);
        const NetworkNamespace a("weft-a");
        const NetworkNamespace b("weft-b");
        auto options_a = options(layer, a, "a1", {std::string{client} + length});
        auto options_b = options(layer, b, "b1", {std::string{server} + length});
        options_a.offload = options_b.offload = {.gso = offload, .gro = offload};
        const auto device_a = open_tuntap(options_a);
        const auto device_b = open_tuntap(options_b);
        PacketPool pool(256);
        DropCounters drops;
        test::CableTraffic traffic;
        const std::string payload = random_text(1 << 20);
        std::optional<test::TcpListener> listener;
        b.enter([&] { listener.emplace(endpoint(server)); });
        Descriptor connection;
        a.enter([&] { connection = test::connect_tcp(endpoint(server)); });
        CHECK(test::transfer_over_cable(*device_a, *device_b, pool, drops, connection, *listener, payload,
                                        traffic) == payload);
        CHECK(drops.total() == 0);
        CHECK((traffic.super_frames > 0) == offload);
        CHECK((traffic.unfinished_checksums > 0) == offload);
        CHECK((traffic.largest > 1518) == offload);
    }
}

TEST_CASE("UDP segments of one send arrive as so many datagrams") {
    const NetworkNamespace a("weft-a");
    const NetworkNamespace b("weft-b");
    const auto device_a = open_tuntap(options(TunTapOptions::Layer::tun, a, "a1", {"10.1.0.1/24"}));
    const auto device_b = open_tuntap(options(TunTapOptions::Layer::tun, b, "b1", {"10.1.0.2/24"}));
    PacketPool pool(64);
    DropCounters drops;
    test::CableTraffic traffic;
    std::optional<test::UdpSocket> receiver;
    b.enter([&] { receiver.emplace(endpoint("10.1.0.2")); });
    const std::string payload = random_text(8000);
    a.enter(
        [&] { test::UdpSocket(endpoint("10.1.0.1")).send_segmented(endpoint("10.1.0.2"), payload, 1000); });
    std::string received;
    for (int datagrams = 0; datagrams < 8; ++datagrams) {
        test::carry(*device_a, *device_b, pool, drops, traffic);
        received += receiver->receive();
    }
    CHECK(received == payload);
    CHECK(drops.total() == 0);
}

constexpr int datagrams = 40;

// Packets to `port` at `local` as they come out of a tunnel: each by itself, with a checksum.
std::vector<Packet> datagrams_to(PacketPool& pool, const TunTapOptions& device, const char* local,
                                 const char* remote, bool tagged) {
    std::vector<Packet> packets;
    for (std::uint16_t i = 0; i < datagrams; ++i) {
        test::PacketBuilder builder;
        if (device.layer == TunTapOptions::Layer::tap) {
            builder.ethernet(*device.mac, test::mac("02:00:00:00:00:02"));
        }
        if (tagged) builder.vlan(VlanId{10});
        builder.ip(test::ip(remote), test::ip(local));
        if (!test::ip(local).is_v6()) builder.identification(i);
        const auto text = random_text(100);
        test::Bytes payload(text.begin(), text.end());
        payload.front() = static_cast<std::uint8_t>(i);
        packets.push_back(builder.udp(port, port).payload(payload).build(pool));
    }
    return packets;
}

// Of what the kernel received from the device.
void check_received(const NetworkNamespace& host, const std::string& condition) {
    host.run("awk '$1 == \"a1:\" {bytes = $2; packets = $3} END {exit !(" + condition +
             ")}' /proc/self/net/dev");
}

TEST_CASE("datagrams of a batch enter the kernel as one super-frame and reach the socket one by one") {
    struct Case {
        TunTapOptions::Layer layer;
        const char* local;
        const char* remote;
        bool gro;
    };

    const auto tap = TunTapOptions::Layer::tap;
    const auto tun = TunTapOptions::Layer::tun;
    for (const auto& [layer, local, remote, gro] :
         {Case{tap, "10.1.0.1", "10.1.0.2", true}, Case{tap, "2001:db8::1", "2001:db8::2", true},
          Case{tun, "10.1.0.1", "10.1.0.2", true}, Case{tun, "2001:db8::1", "2001:db8::2", true},
          Case{tap, "10.1.0.1", "10.1.0.2", false}}) {
        CAPTURE(std::string{local});
        CAPTURE(gro);
        const NetworkNamespace host("weft-a");
        auto wanted = options(layer, host, "a1", {std::string{local} + (local[0] == '1' ? "/24" : "/64")});
        if (layer == tap) wanted.mac = test::mac("02:00:00:00:00:01");
        const auto device = open_tuntap(wanted);
        wait_until_local(host, local);
        device->set_offload({.gso = true, .gro = gro});
        PacketPool pool(64);
        DropCounters drops;
        host.enter([&] {
            const test::UdpSocket socket(endpoint(local));
            auto packets = datagrams_to(pool, wanted, local, remote, false);
            CHECK(device->write(packets, drops) == datagrams);
            for (int i = 0; i < datagrams; ++i) {
                const std::string received = socket.receive();
                REQUIRE(received.size() == 100);
                CHECK(received.front() == static_cast<char>(i));
            }
        });
        check_received(host, gro ? "packets == 1" : "packets == 40");
        CHECK(drops.total() == 0);
    }
}

TEST_CASE("tagged frames, too, enter the kernel as one super-frame") {
    const NetworkNamespace host("weft-a");
    auto wanted = options(TunTapOptions::Layer::tap, host, "a1", {});
    wanted.mac = test::mac("02:00:00:00:00:01");
    const auto device = open_tuntap(wanted);
    const auto observer = open_packet_socket("a1", host.name());
    PacketPool pool(100);
    DropCounters drops;
    auto packets = datagrams_to(pool, wanted, "10.1.0.1", "10.1.0.2", true);
    auto expected = datagrams_to(pool, wanted, "10.1.0.1", "10.1.0.2", true);
    CHECK(device->write(packets, drops) == datagrams);
    const Packet seen = test::read_one(*observer, pool, drops, test::is_udp(true, port));
    REQUIRE(seen);
    const auto segmenter = Segmenter::of(seen, sizeof(EthernetHeader) + sizeof(VlanTagHeader));
    REQUIRE(segmenter.has_value());
    REQUIRE(segmenter->count() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        test::Bytes written(segmenter->size(i));
        segmenter->write(i, written.data());
        CHECK(written == test::Bytes(expected[i].bytes().begin(), expected[i].bytes().end()));
    }
}

TEST_CASE("TCP's segments are joined on their way into a device, also when offloads change under way") {
    const NetworkNamespace b("weft-b");
    const NetworkNamespace a("weft-a");
    const auto device_b = open_tuntap(options(TunTapOptions::Layer::tap, b, "b1", {"10.1.0.2/24"}));
    const auto device_a = open_tuntap(options(TunTapOptions::Layer::tap, a, "a1", {"10.1.0.1/24"}));
    PacketPool pool(256);
    DropCounters drops;
    const std::string payload = random_text(1 << 20);
    const auto transfer = [&](std::uint16_t at, bool gso) {
        device_a->set_offload({.gso = gso, .gro = true});
        device_b->set_offload({.gso = gso, .gro = true});
        test::CableTraffic traffic;
        std::optional<test::TcpListener> listener;
        a.enter([&] { listener.emplace(endpoint("10.1.0.1", at)); });
        Descriptor connection;
        b.enter([&] { connection = test::connect_tcp(endpoint("10.1.0.1", at)); });
        CHECK(test::transfer_over_cable(*device_b, *device_a, pool, drops, connection, *listener, payload,
                                        traffic) == payload);
        CHECK((traffic.super_frames > 0) == gso);
    };
    transfer(6000, false);
    check_received(a, "bytes / packets > 4000");
    transfer(6001, true);
    transfer(6002, false);
    CHECK(drops.total() == 0);
}

TEST_CASE("what finds the ring full is counted") {
    const NetworkNamespace host("weft-a");
    auto wanted = options(TunTapOptions::Layer::tun, host, "a1", {"10.1.0.1/24"});
    wanted.txqueuelen = 4;
    const auto device = open_tuntap(wanted);
    const std::uint64_t before = device->ring_drops().value();
    host.enter([] {
        const test::UdpSocket socket(endpoint("10.1.0.1"));
        for (int i = 0; i < 10; ++i) socket.send(endpoint("10.1.0.2"), "x");
    });
    CHECK(device->ring_drops().value() - before >= 6);
    host.run("ip link del a1");
    CHECK_FALSE(device->ring_drops().has_value());
}

TEST_CASE("a device has the settings that were asked for and goes away with its object") {
    const NetworkNamespace host("weft-a");
    auto wanted = options(TunTapOptions::Layer::tap, host, "a1", {"10.1.0.1/24", "2001:db8::1/64"});
    wanted.mac = MacAddress::parse("02:12:34:56:78:9a");
    wanted.mtu = 1412;
    wanted.txqueuelen = 77;
    auto device = open_tuntap(wanted);
    CHECK(device->name() == "a1");
    host.enter([&] {
        Netlink netlink;
        const auto link = netlink.link("a1");
        REQUIRE(link);
        CHECK(link->mtu == 1412);
        CHECK(link->up);
        CHECK(link->mac == *wanted.mac);
        test::run("test $(cat /proc/self/net/dev | grep -c a1:) = 1 && ip link show a1 | grep -q 'qlen 77'");
        device.reset();
        CHECK_FALSE(netlink.link("a1"));
    });
}

TEST_CASE("a device that is set down refuses writes, recovers, and when deleted is gone") {
    const NetworkNamespace host("weft-a");
    const auto device = open_tuntap(options(TunTapOptions::Layer::tun, host, "a1", {"10.1.0.1/24"}));
    PacketPool pool(8);
    DropCounters drops;
    std::vector<Packet> packets;
    const auto write_one = [&] {
        packets.clear();
        const std::array<std::uint8_t, 20> datagram{0x45};
        packets.push_back(pool.take(datagram));
        return device->write(packets, drops);
    };
    CHECK(write_one() == 1);
    host.run("ip link set a1 down");
    CHECK(write_one() == 0);
    CHECK(drops[Drop::device_error] == 1);
    const auto status = device->read(pool, 64, packets, drops);
    CHECK((status == Device::Status::drained || status == Device::Status::down));
    host.run("ip link set a1 up");
    CHECK(write_one() == 1);
    host.run("ip link del a1");
    CHECK(test::wait_readable(device->descriptor()));
    CHECK(device->read(pool, 64, packets, drops) == Device::Status::gone);
    CHECK(write_one() == 0);
    CHECK(drops[Drop::device_error] == 2);
    CHECK(drops.total() == 2);
}

TEST_CASE("reading stops at the limit, and an empty pool costs packets but no wakeups") {
    const NetworkNamespace host("weft-a");
    const auto device = open_tuntap(options(TunTapOptions::Layer::tun, host, "a1", {"10.1.0.1/24"}));
    host.enter([] {
        const test::UdpSocket socket(endpoint("10.1.0.1"));
        for (int i = 0; i < 10; ++i) socket.send(endpoint("10.1.0.2"), "x");
    });
    PacketPool pool(3);
    DropCounters drops;
    std::vector<Packet> packets;
    CHECK(device->read(pool, 2, packets, drops) == Device::Status::more);
    CHECK(packets.size() == 2);
    CHECK(device->read(pool, 64, packets, drops) == Device::Status::drained);
    CHECK(packets.size() == 3);
    CHECK(drops[Drop::no_buffer] >= 7);
    CHECK_FALSE(test::wait_readable(device->descriptor(), 0));
}

TEST_CASE("what cannot be opened says why, names the cure and leaves nothing behind") {
    const NetworkNamespace host("weft-a");
    host.run("ip link add a1 type veth peer name a9 && ip addr add 10.1.0.1/24 dev a1 && ip link set a1 up");
    const auto tap = TunTapOptions::Layer::tap;

    CHECK(failure(options(tap, host, "a1", {})) ==
          "device a1 exists already in namespace weft-a: choose another name or delete it (ip -n weft-a link "
          "del a1)");
    CHECK(failure(options(tap, host, "a2", {"10.1.0.1/16"})) ==
          "cannot give 10.1.0.1/16 to device a2: the address is already in use by a1 in namespace weft-a: "
          "choose another "
          "address or remove it there (ip -n weft-a addr show dev a1)");
    CHECK(failure(options(tap, host, "name-of-16-chars", {})).find("1 to 15 characters") !=
          std::string::npos);

    auto small = options(tap, host, "a2", {"2001:db8::1/64"});
    small.mtu = 1000;
    CHECK(failure(small).find("IPv6 needs 1280") != std::string::npos);
    auto tiny = options(tap, host, "a2", {});
    tiny.mtu = 10;
    CHECK(failure(tiny).starts_with("cannot set the MTU 10 of a2: "));
    auto lost = options(tap, host, "a2", {});
    lost.netns = "weft-nowhere";
    CHECK(failure(lost) ==
          "no network namespace weft-nowhere (/run/netns/weft-nowhere): make it (ip netns add weft-nowhere)");
    lost.netns = "/proc/version";
    CHECK(failure(lost).find("this is not a network namespace") != std::string::npos);

    host.enter([] { CHECK_FALSE(Netlink().link("a2")); });
    CHECK_FALSE(Netlink().link("a2"));
}

TEST_CASE(
    "of several queues, one flow's packets come out of one, and its answers into another move it there") {
    const NetworkNamespace host("weft-a");
    constexpr unsigned count = 3;
    const auto queues =
        open_tuntap_queues(options(TunTapOptions::Layer::tun, host, "q1", {"10.1.0.1/24"}), count);
    REQUIRE(queues.size() == count);
    PacketPool pool(256);
    DropCounters drops;
    const auto read = [&](std::vector<std::size_t>& sizes, std::vector<Packet>& packets) {
        sizes.clear();
        packets.clear();
        for (const auto& queue : queues) {
            const auto before = packets.size();
            queue->read(pool, 64, packets, drops);
            std::erase_if(packets, [](const Packet& packet) { return !test::is_udp(false, port)(packet); });
            sizes.push_back(packets.size() - before);
        }
    };
    std::vector<std::size_t> sizes;
    std::vector<Packet> packets;
    host.enter([&] {
        const test::UdpSocket socket(endpoint("10.1.0.1"));
        for (int i = 0; i < 20; ++i) socket.send(endpoint("10.1.0.2"), "one flow");
        read(sizes, packets);
        CHECK(std::ranges::count(sizes, 20U) == 1);
        CHECK(std::ranges::count(sizes, 0U) == count - 1);

        for (unsigned queue = 0; queue < count; ++queue) {
            std::vector<Packet> answer;
            answer.push_back(std::move(packets.at(0)));
            test::reflect(answer[0], false);
            CHECK(queues[queue]->write(answer, drops) == 1);
            CHECK(socket.receive() == "one flow");
            socket.send(endpoint("10.1.0.2"), "one flow");
            read(sizes, packets);
            for (unsigned other = 0; other < count; ++other) CHECK(sizes[other] == (other == queue ? 1 : 0));
        }
    });
    CHECK(drops.total() == 0);
}

TEST_CASE("many flows are spread over the queues") {
    const NetworkNamespace host("weft-a");
    auto wanted = options(TunTapOptions::Layer::tap, host, "q1", {"10.1.0.1/24"});
    const auto queues = open_tuntap_queues(wanted, 2);
    PacketPool pool(256);
    DropCounters drops;
    std::array<std::size_t, 2> sizes{};
    host.run("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev q1");
    host.enter([&] {
        for (std::uint16_t flow = 0; flow < 64; ++flow) {
            const test::UdpSocket socket(
                {.address = *IpAddress::parse("10.1.0.1"), .port = static_cast<std::uint16_t>(20000 + flow)});
            socket.send(endpoint("10.1.0.2"), "a flow");
        }
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            std::vector<Packet> packets;
            queues[i]->read(pool, 128, packets, drops);
            sizes[i] = static_cast<std::size_t>(std::ranges::count_if(packets, test::is_udp(true, port)));
        }
    });
    CHECK(sizes[0] + sizes[1] == 64);
    CHECK(sizes[0] > 8);
    CHECK(sizes[1] > 8);
    CHECK_THROWS_AS((void)open_tuntap_queues(wanted, 2), std::runtime_error);
}

}  // namespace
}  // namespace weft
