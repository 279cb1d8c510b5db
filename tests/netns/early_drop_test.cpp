#include "vswitch/early_drop.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/cable.h"
#include "tests/support/namespace_fixture.h"
#include "tests/support/packet_builder.h"
#include "vswitch/device/packet_socket.h"
#include "vswitch/device/tuntap.h"
#include "vswitch/headers.h"

namespace weft {
namespace {

using test::Bytes;
using test::PacketBuilder;
using Attach = EarlyDrop::Attach;
using Mode = EarlyDrop::Mode;

constexpr std::uint16_t client_port = 40000;
constexpr std::uint16_t esp_port = 4500;
constexpr std::uint16_t vxlan_port = 4789;

EarlyDrop open_early_drop(const EarlyDrop::Options& options) {
    auto opened = EarlyDrop::open(options);
    if (!opened) throw std::runtime_error(opened.error());
    return std::move(*opened);
}

void require(const std::expected<void, EarlyDrop::Failure>& done) {
    if (!done) throw std::runtime_error(done.error());
}

void wait_until(const std::function<bool()>& done) {
    for (int i = 0; i < 500 && !done(); ++i) ::poll(nullptr, 0, 10);
    REQUIRE(done());
}

// A cable, whose end here is the uplink; what arrives there is seen by a packet socket.
struct Uplink {
    explicit Uplink(std::vector<Endpoint> endpoints = {*Endpoint::parse("0.0.0.0:4500"),
                                                       *Endpoint::parse("[::]:4789")},
                    std::uint32_t max_prefixes = 8)
        : early_drop(open_early_drop({.endpoints = std::move(endpoints), .max_prefixes = max_prefixes})) {
        test::run("ip link add up0 type veth peer name eth0 netns weft-far && ip link set up0 up");
        far.run("ip link set eth0 up");
        // A veth drops what is sent before the kernel has noticed, in a work queue, that the other end is up.
        const std::string ready = " | grep -q 'qdisc noqueue .*state UP'; do :; done\"";
        test::run("timeout 5 sh -c \"until ip link show up0" + ready);
        far.run("timeout 5 sh -c \"until ip link show eth0" + ready);
        device = ::if_nametoindex("up0");
        sender = open_packet_socket("eth0", far.name());
        receiver = open_packet_socket("up0", std::nullopt);
        require(early_drop.add(device));
    }

    ~Uplink() { test::run("ip link show up0 >/dev/null 2>&1 && ip link del up0 || true"); }

    Uplink(const Uplink&) = delete;
    Uplink& operator=(const Uplink&) = delete;

    void attach(Attach how) {
        const auto attached = early_drop.attach(device, how);
        if (!attached) throw std::runtime_error(attached.error());
    }

    static PacketBuilder from(const char* source, const char* destination) {
        PacketBuilder builder;
        builder.ethernet(there, here).ip(test::ip(source), test::ip(destination));
        return builder;
    }

    static Bytes udp(const char* source, const char* destination = "10.0.0.2", std::uint16_t port = esp_port,
                     std::size_t size = 64) {
        return from(source, destination).udp(client_port, port).payload(size).build();
    }

    // A marker that nothing keeps comes after the frame; when it is there, so is the frame, or never.
    bool passes(const Bytes& frame) {
        const auto marker = PacketBuilder().ethernet(there, here, 0x88B5).payload(++markers).build();
        send(frame);
        send(marker);
        bool passed = false;
        const auto arrived = test::read_one(*receiver, pool, drops, [&](const Packet& packet) {
            passed |= std::ranges::equal(packet.bytes(), frame);
            return std::ranges::equal(packet.bytes(), marker);
        });
        REQUIRE(arrived);
        return passed;
    }

    void send(const Bytes& frame) {
        std::vector<Packet> packets;
        packets.push_back(pool.take(frame));
        REQUIRE(sender->write(packets, drops) == 1);
    }

    std::uint64_t packets(const char* prefix) const {
        const auto counts = early_drop.counts(test::prefix(prefix));
        REQUIRE(counts);
        return counts->packets;
    }

    std::uint64_t bytes(const char* prefix) const { return early_drop.counts(test::prefix(prefix))->bytes; }

    static constexpr MacAddress here{{2, 0, 0, 0, 0, 1}};
    static constexpr MacAddress there{{2, 0, 0, 0, 0, 2}};

    PacketPool pool{512};
    DropCounters drops;
    test::NetworkNamespace far{"weft-far"};
    EarlyDrop early_drop;
    unsigned device = 0;
    std::size_t markers = 60;
    std::unique_ptr<Device> sender;
    std::unique_ptr<Device> receiver;
};

TEST_CASE("what a denied source sends to weft is dropped and counted exactly, until it is allowed again") {
    for (const auto how : {Attach::native, Attach::generic}) {
        Uplink uplink;
        uplink.attach(how);
        CHECK(uplink.early_drop.mode(uplink.device) ==
              (how == Attach::native ? Mode::native : Mode::generic));
        CHECK(uplink.passes(Uplink::udp("10.1.2.3")));
        REQUIRE(uplink.early_drop.deny(test::prefix("10.1.0.0/16")));
        std::uint64_t bytes = 0;
        for (const std::size_t size : {0U, 1U, 17U, 18U, 64U, 1400U, 1472U}) {
            CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3", "10.0.0.2", esp_port, size)));
            bytes += size;
        }
        CHECK_FALSE(uplink.passes(Uplink::udp("10.1.255.255", "10.0.0.2", vxlan_port)));
        CHECK(uplink.passes(Uplink::udp("10.2.0.0")));
        CHECK(uplink.packets("10.1.0.0/16") == 8);
        CHECK(uplink.bytes("10.1.0.0/16") == bytes + 64);
        uplink.early_drop.allow(test::prefix("10.1.0.0/16"));
        CHECK_FALSE(uplink.early_drop.counts(test::prefix("10.1.0.0/16")));
        CHECK(uplink.passes(Uplink::udp("10.1.2.3")));
        CHECK(uplink.early_drop.total().packets == 8);
    }
}

TEST_CASE("the longest prefix counts, and one that is taken away leaves its sources to the one around it") {
    Uplink uplink;
    uplink.attach(Attach::best);
    for (const char* prefix : {"0.0.0.0/0", "10.1.0.0/16", "10.1.2.3/32"})
        REQUIRE(uplink.early_drop.deny(test::prefix(prefix)));
    CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3")));
    CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.4")));
    CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.5")));
    CHECK_FALSE(uplink.passes(Uplink::udp("192.0.2.1")));
    CHECK(uplink.packets("10.1.2.3/32") == 1);
    CHECK(uplink.packets("10.1.0.0/16") == 2);
    CHECK(uplink.packets("0.0.0.0/0") == 1);
    uplink.early_drop.allow(test::prefix("10.1.2.3/32"));
    CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3")));
    CHECK(uplink.packets("10.1.0.0/16") == 3);
    // The slot of another one; it counts from its own beginning.
    REQUIRE(uplink.early_drop.deny(test::prefix("10.1.2.0/24")));
    CHECK(uplink.packets("10.1.2.0/24") == 0);
    CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3")));
    CHECK(uplink.packets("10.1.2.0/24") == 1);
    CHECK(uplink.early_drop.total().packets == 6);
    CHECK(uplink.passes(Uplink::udp("2001:db8::1", "2001:db8::2", vxlan_port)));
}

TEST_CASE("IPv6 sources are denied by prefixes of any length") {
    Uplink uplink;
    uplink.attach(Attach::best);
    const auto udp = [](const char* source) { return Uplink::udp(source, "2001:db8::2", vxlan_port); };
    for (const char* prefix : {"2001:db8:7::/47", "2001:db8:7:1::1/128"})
        REQUIRE(uplink.early_drop.deny(test::prefix(prefix)));
    CHECK_FALSE(uplink.passes(udp("2001:db8:6:ffff::1")));
    CHECK_FALSE(uplink.passes(udp("2001:db8:7:1::1")));
    CHECK(uplink.passes(udp("2001:db8:8::1")));
    CHECK(uplink.packets("2001:db8:6::/47") == 1);
    CHECK(uplink.packets("2001:db8:7:1::1/128") == 1);
    REQUIRE(uplink.early_drop.deny(test::prefix("::/0")));
    CHECK_FALSE(uplink.passes(udp("2001:db8:8::1")));
    CHECK(uplink.passes(Uplink::udp("10.1.2.3")));
}

TEST_CASE("one or two tags hide nothing; a third one does") {
    for (const auto how : {Attach::native, Attach::generic}) {
        Uplink uplink;
        uplink.attach(how);
        REQUIRE(uplink.early_drop.deny(test::prefix("10.1.0.0/16")));
        PacketBuilder builder;
        builder.ethernet(Uplink::there, Uplink::here);
        for (unsigned tags = 1; tags <= 3; ++tags) {
            builder.vlan(VlanId{10});
            auto whole = builder;
            const auto frame = whole.ip(test::ip("10.1.2.3"), test::ip("10.0.0.2"))
                                   .udp(client_port, esp_port)
                                   .payload(64)
                                   .build();
            CAPTURE(tags);
            CHECK(uplink.passes(frame) == (tags == 3));
        }
        CHECK(uplink.packets("10.1.0.0/16") == 2);
        CHECK(uplink.bytes("10.1.0.0/16") == 128);
    }
}

TEST_CASE("whatever is not UDP to weft's ports in one piece passes from a denied source") {
    const std::array<std::uint8_t, 4> options{1, 1, 1, 0};
    for (const auto how : {Attach::native, Attach::generic}) {
        Uplink uplink;
        uplink.attach(how);
        for (const char* prefix : {"10.1.0.0/16", "2001:db8::/32"})
            REQUIRE(uplink.early_drop.deny(test::prefix(prefix)));
        const auto v4 = [] { return Uplink::from("10.1.2.3", "10.0.0.2"); };
        const auto v6 = [] { return Uplink::from("2001:db8::1", "2001:db8::2"); };
        const auto to_weft = [](PacketBuilder builder) {
            return builder.udp(client_port, vxlan_port).payload(64).build();
        };
        auto version = to_weft(v4());
        version[sizeof(EthernetHeader)] = 0x55;
        auto header = to_weft(v4());
        header[sizeof(EthernetHeader)] = 0x44;
        const std::vector<std::pair<const char*, Bytes>> frames{
            {"another UDP port", Uplink::udp("10.1.2.3", "10.0.0.2", 53)},
            {"weft's port as the source's", v4().udp(esp_port, client_port).payload(64).build()},
            {"TCP", v4().tcp(client_port, esp_port).payload(64).build()},
            {"ssh", v6().tcp(client_port, 22, TcpHeader::syn).build()},
            {"echo", v4().echo_request(1, 1).payload(56).build()},
            {"first fragment", to_weft(v4().fragment(0, true))},
            {"later fragment", v4().protocol(17).fragment(64, true).payload(64).build()},
            {"last fragment", v4().protocol(17).fragment(128, false).payload(64).build()},
            {"IPv6 fragment", to_weft(v6().fragment(0, true))},
            {"extension header", to_weft(v6().extension(ip_protocol::hop_by_hop))},
            {"IPv6 to a port that is served by IPv4 only",
             Uplink::udp("2001:db8::1", "2001:db8::2", esp_port)},
            {"another version", version},
            {"a header shorter than one", header},
            {"ARP", PacketBuilder()
                        .ethernet(broadcast_mac, Uplink::here)
                        .arp_request(Uplink::here, test::ip("10.1.2.3"), test::ip("10.0.0.2"))
                        .build()},
        };
        for (const auto& [what, frame] : frames) {
            CAPTURE(std::string{what});
            CHECK(uplink.passes(frame));
        }
        CHECK(uplink.early_drop.total().packets == 0);
        CHECK_FALSE(uplink.passes(to_weft(v4().ip_options(options))));
        CHECK_FALSE(uplink.passes(to_weft(v6())));
        CHECK(uplink.bytes("10.1.0.0/16") == 64);
    }
}

TEST_CASE(
    "truncations pass until the ports are there, and no length that is claimed counts beyond the frame") {
    Uplink uplink;
    uplink.attach(Attach::best);
    REQUIRE(uplink.early_drop.deny(test::prefix("10.1.0.0/16")));
    auto frame = Uplink::udp("10.1.2.3");
    constexpr std::size_t headers = sizeof(EthernetHeader) + sizeof(Ipv4Header) + sizeof(UdpHeader);
    for (std::size_t size = sizeof(EthernetHeader); size < headers + 2; ++size) {
        CAPTURE(size);
        CHECK(uplink.passes({frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)}) ==
              (size < headers));
    }
    CHECK(uplink.bytes("10.1.0.0/16") == 1);
    frame[headers - 4] = 0xFF;
    CHECK_FALSE(uplink.passes(frame));
    CHECK(uplink.bytes("10.1.0.0/16") == 1 + 64);
    frame[headers - 4] = 0;
    frame[headers - 3] = 7;
    CHECK_FALSE(uplink.passes(frame));
    CHECK(uplink.bytes("10.1.0.0/16") == 1 + 64);
}

TEST_CASE("an endpoint with an address is that address only") {
    Uplink uplink({*Endpoint::parse("10.0.0.2:4500"), *Endpoint::parse("[2001:db8::2]:4789")});
    uplink.attach(Attach::best);
    for (const char* prefix : {"10.1.0.0/16", "2001:db8::/32"})
        REQUIRE(uplink.early_drop.deny(test::prefix(prefix)));
    CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3")));
    CHECK(uplink.passes(Uplink::udp("10.1.2.3", "10.0.0.3")));
    CHECK(uplink.passes(Uplink::udp("10.1.2.3", "10.0.0.2", vxlan_port)));
    CHECK_FALSE(uplink.passes(Uplink::udp("2001:db8::1", "2001:db8::2", vxlan_port)));
    CHECK(uplink.passes(Uplink::udp("2001:db8::1", "2001:db8::3", vxlan_port)));
    CHECK(uplink.passes(Uplink::udp("2001:db8::1", "2001:db8::2", esp_port)));
}

TEST_CASE("more prefixes than there is room for are refused, until one is allowed") {
    Uplink uplink({*Endpoint::parse("0.0.0.0:4500")}, 2);
    auto& early_drop = uplink.early_drop;
    REQUIRE(early_drop.deny(test::prefix("10.1.0.0/16")));
    REQUIRE(early_drop.deny(test::prefix("10.2.0.0/16")));
    CHECK(early_drop.deny(test::prefix("10.2.0.0/16")));
    CHECK_FALSE(early_drop.deny(test::prefix("10.3.0.0/16")));
    CHECK_FALSE(early_drop.counts(test::prefix("10.3.0.0/16")));
    early_drop.allow(test::prefix("10.3.0.0/16"));
    early_drop.allow(test::prefix("10.1.0.0/16"));
    CHECK(early_drop.deny(test::prefix("10.3.0.0/16")));
}

TEST_CASE("it is there from attach to detach, and can be attached again") {
    for (const auto how : {Attach::native, Attach::generic}) {
        Uplink uplink;
        REQUIRE(uplink.early_drop.deny(test::prefix("10.1.0.0/16")));
        for (int i = 0; i < 2; ++i) {
            CHECK_FALSE(uplink.early_drop.mode(uplink.device));
            CHECK(uplink.passes(Uplink::udp("10.1.2.3")));
            uplink.attach(how);
            uplink.attach(how);
            CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3")));
            uplink.early_drop.detach(uplink.device);
        }
        test::run("! ip link show up0 | grep -q xdp");
        uplink.attach(how);
        test::run("ip link show up0 | grep -q xdp");
        {
            const EarlyDrop gone = std::move(uplink.early_drop);
        }
        wait_until([&] { return uplink.passes(Uplink::udp("10.1.2.3")); });
    }
}

TEST_CASE("a device that goes away is not attached to any more, and says so") {
    Uplink uplink;
    uplink.attach(Attach::best);
    test::run("ip link del up0");
    CHECK_FALSE(uplink.early_drop.mode(uplink.device));
    const auto again = uplink.early_drop.attach(uplink.device);
    REQUIRE_FALSE(again);
    CHECK(again.error().starts_with("cannot attach the early drop to up0: "));
}

TEST_CASE("beside another program there is none, and what to do is said") {
    for (const auto how : {Attach::native, Attach::generic}) {
        Uplink uplink;
        uplink.attach(how);
        EarlyDrop second = open_early_drop({.endpoints = {*Endpoint::parse("0.0.0.0:4500")}});
        require(second.add(uplink.device));
        const auto attached = second.attach(uplink.device);
        REQUIRE_FALSE(attached);
        CHECK(
            attached.error() ==
            "cannot attach the early drop to up0: another XDP program is there: take it off (ip link set dev "
            "up0 xdp off)");
        REQUIRE(uplink.early_drop.deny(test::prefix("10.1.0.0/16")));
        CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3")));
    }
}

TEST_CASE("a large MTU is no obstacle, and large frames are counted whole") {
    Uplink uplink;
    test::run("ip link set up0 mtu 9000");
    uplink.far.run("ip link set eth0 mtu 9000");
    for (const auto how : {Attach::native, Attach::generic}) {
        uplink.attach(how);
        CHECK(uplink.passes(Uplink::udp("10.1.2.3", "10.0.0.2", esp_port, 8900)));
        REQUIRE(uplink.early_drop.deny(test::prefix("10.1.0.0/16")));
        CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3", "10.0.0.2", esp_port, 8900)));
        CHECK(uplink.bytes("10.1.0.0/16") == 8900);
        uplink.early_drop.allow(test::prefix("10.1.0.0/16"));
        uplink.early_drop.detach(uplink.device);
    }
}

TEST_CASE("what is no Ethernet device, or none at all, is refused with the reason") {
    EarlyDrop early_drop = open_early_drop({.endpoints = {*Endpoint::parse("0.0.0.0:4500")}});
    const auto tun = open_tuntap({.layer = TunTapOptions::Layer::tun,
                                  .name = "u0",
                                  .netns = std::nullopt,
                                  .mac = std::nullopt,
                                  .addresses = {}});
    CHECK(early_drop.add(::if_nametoindex("u0")).error() == "u0 has no Ethernet headers, which XDP is for");
    CHECK(early_drop.add(9999).error() == "no interface 9999 in this network namespace");
    CHECK(early_drop.attach(9999).error() == "interface 9999 is not one that was added");
    CHECK_FALSE(early_drop.mode(9999));
}

TEST_CASE("a device that knows no native mode has the generic one") {
    Uplink uplink;
    if (std::system("ip link add name br0 type bridge && ip link set br0 up") != 0) {  // NOLINT(cert-env33-c)
        MESSAGE("this kernel has no bridges");
        return;
    }
    test::run("ip link set up0 master br0 && ip link set up0 promisc on");
    const unsigned device = ::if_nametoindex("br0");
    require(uplink.early_drop.add(device));
    CHECK(uplink.early_drop.attach(device) == Mode::generic);
    REQUIRE(uplink.early_drop.deny(test::prefix("10.1.0.0/16")));
    auto to_all = PacketBuilder();
    to_all.ethernet(broadcast_mac, Uplink::here).ip(test::ip("10.1.2.3"), test::ip("10.0.0.2"));
    const auto frame = to_all.udp(client_port, esp_port).build();
    wait_until([&] {
        uplink.send(frame);
        return uplink.packets("10.1.0.0/16") > 0;
    });
    test::run("ip link del br0");
}

TEST_CASE("after it was opened it is attached, fed and detached without any privilege") {
    Uplink uplink;
    bool worked = false;
    std::thread([&] {
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
        if (::syscall(SYS_capset, &header, none.data()) != 0) return;
        for (const auto how : {Attach::generic, Attach::native}) {
            uplink.early_drop.detach(uplink.device);
            const auto attached = uplink.early_drop.attach(uplink.device, how);
            if (!attached) MESSAGE(attached.error());
            worked = bool{attached};
        }
        worked = worked && uplink.early_drop.deny(test::prefix("10.1.0.0/16")) &&
                 uplink.early_drop.deny(test::prefix("10.2.0.0/16"));
        uplink.early_drop.allow(test::prefix("10.2.0.0/16"));
    }).join();
    CHECK(worked);
    CHECK_FALSE(uplink.passes(Uplink::udp("10.1.2.3")));
    CHECK(uplink.passes(Uplink::udp("10.2.2.3")));
}

}  // namespace

// Any other failure is one of ours.
std::optional<std::string> test::further_obstacle() {
    const auto opened = EarlyDrop::open({});
    if (opened || (opened.error().find("not permitted") == std::string::npos &&
                   opened.error().find("without libbpf") == std::string::npos)) {
        return std::nullopt;
    }
    return opened.error();
}

}  // namespace weft
