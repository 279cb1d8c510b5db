#include "overlay/underlay.h"

#include <set>

#include <doctest/doctest.h>

#include "tests/support/test_socket.h"

namespace weft {
namespace {

Endpoint at(const std::string& text) {
    return *Endpoint::parse(text);
}

struct Traffic {
    PacketPool pool{512};
    DropCounters drops;
    std::vector<UnderlayDatagram> datagrams;
    std::vector<RefusedDatagram> refused;

    void queue(const Endpoint& remote, std::string_view payload, Channel channel = Channel::esp,
               std::uint32_t flow = 0) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(payload.data());
        datagrams.push_back({.packet = pool.take(std::span{bytes, payload.size()}),
                             .remote = remote,
                             .channel = channel,
                             .flow_hash = flow,
                             .tunnel = PortId{7}});
    }

    bool read(Underlay& underlay, std::size_t limit = 64, Channel channel = Channel::esp) {
        REQUIRE(test::wait_readable(underlay.descriptor(channel)));
        return underlay.read(channel, pool, limit, datagrams, drops);
    }
};

std::string text(const Packet& packet) {
    return {packet.bytes().begin(), packet.bytes().end()};
}

UnderlayOptions on(const std::string& esp, const std::optional<std::string>& vxlan = std::nullopt) {
    UnderlayOptions options{.device = std::nullopt, .esp = at(esp), .vxlan = std::nullopt};
    if (vxlan) options.vxlan = at(*vxlan);
    return options;
}

std::string failure(const UnderlayOptions& options) {
    try {
        const Underlay underlay(options);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "no failure";
}

TEST_CASE("a datagram is echoed over IPv4, IPv6 and both on one socket") {
    struct Case {
        const char* local;
        const char* host;
        const char* remote;
    };

    for (const auto& [local, host, remote] :
         {Case{"127.0.0.1:0", "127.0.0.1", "127.0.0.1:6000"},
          Case{"0.0.0.0:0", "127.0.0.1", "127.0.0.1:6000"}, Case{"[::1]:0", "::1", "[::1]:6000"},
          Case{"[::]:0", "::1", "[::1]:6000"}, Case{"[::]:0", "127.0.0.1", "127.0.0.1:6000"}}) {
        CAPTURE(std::string{local});
        CAPTURE(std::string{remote});
        Underlay underlay(on(local));
        const test::UdpSocket peer(at(remote));
        Traffic traffic;
        const Endpoint ours{.address = *IpAddress::parse(host), .port = underlay.local_port(Channel::esp)};
        peer.send(ours, "ping");
        CHECK_FALSE(traffic.read(underlay));
        REQUIRE(traffic.datagrams.size() == 1);
        CHECK(traffic.datagrams[0].remote == at(remote));
        CHECK(text(traffic.datagrams[0].packet) == "ping");
        CHECK(traffic.datagrams[0].packet.headroom() == Packet::headroom_reserve);
        underlay.write(traffic.datagrams, traffic.refused);
        Endpoint from;
        CHECK(peer.receive(&from) == "ping");
        CHECK(from == ours);
        CHECK(traffic.refused.empty());
        CHECK(traffic.datagrams.empty());
    }
}

TEST_CASE("a batch arrives whole and in order, in reads of limited size") {
    Underlay sender(on("127.0.0.1:0"));
    Underlay receiver(on("127.0.0.1:0"));
    Traffic traffic;
    const Endpoint to{.address = *IpAddress::parse("127.0.0.1"), .port = receiver.local_port(Channel::esp)};
    for (int i = 0; i < 200; ++i) traffic.queue(to, std::to_string(i));
    sender.write(traffic.datagrams, traffic.refused);
    CHECK(traffic.refused.empty());
    CHECK(traffic.read(receiver, 10));
    CHECK(traffic.datagrams.size() == 10);
    CHECK(traffic.read(receiver, 100));
    CHECK(traffic.datagrams.size() == 110);
    CHECK_FALSE(traffic.read(receiver, 100));
    REQUIRE(traffic.datagrams.size() == 200);
    for (std::size_t i = 0; i < 200; ++i) CHECK(text(traffic.datagrams[i].packet) == std::to_string(i));
}

TEST_CASE("a refused datagram is counted and those behind it go on") {
    Underlay underlay(on("127.0.0.1:0"));
    const test::UdpSocket peer(at("127.0.0.1:6000"));
    Traffic traffic;
    const std::string too_big(65508, 'x');
    traffic.queue(at("127.0.0.1:6000"), "first");
    traffic.queue(at("127.0.0.1:6000"), too_big);
    traffic.queue(at("[::1]:6000"), "wrong family");
    traffic.queue(at("192.0.2.1:6000"), "no route");
    traffic.queue(at("127.0.0.1:6000"), "no such channel", Channel::vxlan);
    traffic.queue(at("127.0.0.1:6000"), "last");
    underlay.write(traffic.datagrams, traffic.refused);
    CHECK(peer.receive() == "first");
    CHECK(peer.receive() == "last");
    DropCounters counted;
    for (const auto& [tunnel, drop] : traffic.refused) {
        CHECK(tunnel == PortId{7});
        counted.add(drop);
    }
    CHECK(traffic.refused.size() == 4);
    CHECK(counted[Drop::too_big] == 1);
    CHECK(counted[Drop::no_endpoint] == 2);
    CHECK(counted[Drop::device_error] == 1);
}

TEST_CASE("VXLAN is sent from ports that stand for the flow and received on its own socket") {
    Underlay underlay(on("127.0.0.1:0", "127.0.0.1:0"));
    const test::UdpSocket peer(at("127.0.0.1:6000"));
    Traffic traffic;
    std::set<std::uint16_t> ports;
    for (std::uint32_t flow = 0; flow < 64; ++flow) {
        Endpoint first;
        Endpoint second;
        traffic.queue(at("127.0.0.1:6000"), "a", Channel::vxlan, flow);
        traffic.queue(at("127.0.0.1:6000"), "b", Channel::vxlan, flow);
        underlay.write(traffic.datagrams, traffic.refused);
        CHECK(peer.receive(&first) == "a");
        CHECK(peer.receive(&second) == "b");
        CHECK(first == second);
        CHECK(first.port >= 49152);
        ports.insert(first.port);
    }
    CHECK(ports.size() == 16);
    CHECK(traffic.refused.empty());
    peer.send({.address = *IpAddress::parse("127.0.0.1"), .port = underlay.local_port(Channel::vxlan)}, "in");
    traffic.read(underlay, 64, Channel::vxlan);
    REQUIRE(traffic.datagrams.size() == 1);
    CHECK(traffic.datagrams[0].channel == Channel::vxlan);
}

TEST_CASE("without plain peers there is no VXLAN socket") {
    Underlay underlay(on("127.0.0.1:0"));
    Traffic traffic;
    CHECK(underlay.descriptor(Channel::vxlan) == -1);
    CHECK(underlay.local_port(Channel::vxlan) == 0);
    CHECK_FALSE(underlay.read(Channel::vxlan, traffic.pool, 64, traffic.datagrams, traffic.drops));
}

TEST_CASE("with an empty pool what arrives is counted and thrown away") {
    Underlay underlay(on("127.0.0.1:0"));
    const test::UdpSocket peer(at("127.0.0.1:6000"));
    const Endpoint to{.address = *IpAddress::parse("127.0.0.1"), .port = underlay.local_port(Channel::esp)};
    for (int i = 0; i < 10; ++i) peer.send(to, "x");
    PacketPool pool(4);
    DropCounters drops;
    std::vector<UnderlayDatagram> datagrams;
    CHECK_FALSE(underlay.read(Channel::esp, pool, 64, datagrams, drops));
    CHECK(datagrams.size() == 4);
    CHECK(drops[Drop::no_buffer] == 6);
    CHECK_FALSE(test::wait_readable(underlay.descriptor(Channel::esp), 0));
}

TEST_CASE("an address that cannot be bound says why and names the cure") {
    const test::UdpSocket other(at("127.0.0.1:6000"));
    CHECK(
        failure(on("127.0.0.1:6000")) ==
        "cannot bind the esp socket to 127.0.0.1:6000: Address already in use: stop the program that has it "
        "(ss -ulpn 'sport = :6000' shows it), or choose another port");
    CHECK(failure(on("127.0.0.1:0", "127.0.0.1:6000"))
              .starts_with("cannot bind the vxlan socket to 127.0.0.1:6000: Address already in use: "));
    CHECK(failure(on("192.0.2.1:4500")).find("no interface of this host has 192.0.2.1") != std::string::npos);
    auto options = on("127.0.0.1:0");
    options.device = "nothing0";
    CHECK(failure(options).starts_with("cannot bind the underlay to device nothing0: No such device"));
    options.device = "lo";
    CHECK(failure(options) == "no failure");
}

}  // namespace
}  // namespace weft
