#include "overlay/underlay.h"

#include <memory>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

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
    std::vector<DatagramTrain> trains;
    std::vector<ReceivedTrain> received;
    std::vector<RefusedDatagrams> refused;

    // `datagram_size`: of a train; 0: it is one datagram.
    void queue(const Endpoint& remote, std::string_view payload, Channel channel = Channel::esp,
               std::uint32_t flow = 0, std::size_t datagram_size = 0) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(payload.data());
        trains.push_back(
            {.packet = pool.take(std::span{bytes, payload.size()}),
             .datagram_size = datagram_size == 0 ? payload.size() : datagram_size,
             .to = {.remote = remote, .channel = channel, .flow_hash = flow, .tunnel = PortId{7}}});
    }

    void write(Underlay& underlay) {
        underlay.write(trains, refused);
        trains.clear();
    }

    bool read(Underlay& underlay, Channel channel = Channel::esp) {
        REQUIRE(test::wait_readable(underlay.descriptor(channel)));
        return underlay.read(channel, received, drops);
    }

    // Every datagram that arrives until nothing more does.
    std::vector<std::string> read_all(Underlay& underlay) {
        std::vector<std::string> all;
        while (test::wait_readable(underlay.descriptor(Channel::esp), 100)) {
            underlay.read(Channel::esp, received, drops);
            for (const auto& train : received) {
                each_datagram(train.bytes, train.datagram_size, [&](std::span<const std::uint8_t> bytes) {
                    all.emplace_back(bytes.begin(), bytes.end());
                });
            }
        }
        return all;
    }
};

std::string text(const ReceivedTrain& train) {
    return {train.bytes.begin(), train.bytes.end()};
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

// As another process gets them.
using Parts = std::vector<std::pair<UnderlayPart, Descriptor>>;

Parts copies(const Underlay& underlay) {
    Parts parts;
    for (const UnderlayPart& part : underlay.parts()) parts.emplace_back(part, Descriptor{::dup(part.fd)});
    return parts;
}

TEST_CASE("sockets that another process hands over have what waits in them") {
    const auto options = on("127.0.0.1:0", "127.0.0.1:0");
    auto first = std::make_unique<Underlay>(options);
    const auto esp = first->local_port(Channel::esp);
    const test::UdpSocket peer(at("127.0.0.1:6000"));
    peer.send({.address = *IpAddress::parse("127.0.0.1"), .port = esp}, "waiting");
    auto parts = copies(*first);
    CHECK(parts.size() == 3 + Outbox::vxlan_sources);
    first.reset();
    Underlay next(options, parts);
    CHECK(next.local_port(Channel::esp) == esp);
    Traffic traffic;
    traffic.read(next);
    REQUIRE(traffic.received.size() == 1);
    CHECK(text(traffic.received[0]) == "waiting");
}

TEST_CASE("sockets of another address, or too few, are not taken over") {
    const Underlay underlay(on("127.0.0.1:0"));
    auto parts = copies(underlay);
    CHECK_THROWS_AS(Underlay(on("127.0.0.2:0"), parts), std::runtime_error);
    parts = copies(underlay);
    CHECK_THROWS_AS(Underlay(on("127.0.0.1:0", "127.0.0.1:4789"), parts), std::runtime_error);
    parts = copies(underlay);
    for (auto& [part, fd] : parts) fd = Descriptor{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    CHECK_THROWS_AS(Underlay(on("127.0.0.1:0"), parts), std::runtime_error);
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
        REQUIRE(traffic.received.size() == 1);
        CHECK(traffic.received[0].from == at(remote));
        CHECK(text(traffic.received[0]) == "ping");
        traffic.queue(traffic.received[0].from, text(traffic.received[0]));
        traffic.write(underlay);
        Endpoint from;
        CHECK(peer.receive(&from) == "ping");
        CHECK(from == ours);
        CHECK(traffic.refused.empty());
    }
}

TEST_CASE("a batch arrives whole and in order, in reads of limited size") {
    Underlay sender(on("127.0.0.1:0"));
    Underlay receiver(on("127.0.0.1:0"));
    Traffic traffic;
    const Endpoint to{.address = *IpAddress::parse("127.0.0.1"), .port = receiver.local_port(Channel::esp)};
    for (int i = 0; i < 200; ++i) traffic.queue(to, std::to_string(i));
    traffic.write(sender);
    CHECK(traffic.refused.empty());
    CHECK(traffic.read(receiver));
    const std::size_t first = traffic.received.size();
    CHECK(first == 4);
    const auto rest = traffic.read_all(receiver);
    REQUIRE(first + rest.size() == 200);
    for (std::size_t i = 0; i < rest.size(); ++i) CHECK(rest[i] == std::to_string(first + i));
}

TEST_CASE("a train arrives datagram by datagram, whichever offloads are on") {
    for (const bool gso : {true, false}) {
        for (const bool gro : {true, false}) {
            CAPTURE(gso);
            CAPTURE(gro);
            Underlay sender(on("127.0.0.1:0"));
            Underlay receiver(on("127.0.0.1:0"));
            CHECK(sender.use_offload({.gso = gso, .gro = true}).gso == gso);
            CHECK(receiver.use_offload({.gso = true, .gro = gro}).gro == gro);
            Traffic traffic;
            const Endpoint to{.address = *IpAddress::parse("127.0.0.1"),
                              .port = receiver.local_port(Channel::esp)};
            traffic.queue(to, std::string(1000, 'a') + std::string(1000, 'b') + std::string(300, 'c'),
                          Channel::esp, 0, 1000);
            traffic.queue(to, "behind");
            traffic.write(sender);
            CHECK(traffic.refused.empty());
            const std::vector<std::string> expected = {std::string(1000, 'a'), std::string(1000, 'b'),
                                                       std::string(300, 'c'), "behind"};
            CHECK(traffic.read_all(receiver) == expected);
        }
    }
}

TEST_CASE("UDP_GRO hands over as one what UDP_SEGMENT sent as one") {
    Underlay sender(on("127.0.0.1:0"));
    Underlay receiver(on("127.0.0.1:0"));
    Traffic traffic;
    const Endpoint to{.address = *IpAddress::parse("127.0.0.1"), .port = receiver.local_port(Channel::esp)};
    traffic.queue(to, std::string(44 * 1472, 'x'), Channel::esp, 0, 1472);
    traffic.write(sender);
    traffic.read(receiver);
    REQUIRE(traffic.received.size() == 1);
    CHECK(traffic.received[0].datagrams() == 44);
    CHECK(traffic.received[0].datagram_size == 1472);
}

// The loopback device's MTU of 65536 is the only one at hand here; a train cannot be larger than that, but
// its datagrams can be too many.
TEST_CASE("a train that the kernel refuses is sent datagram by datagram") {
    Underlay sender(on("127.0.0.1:0"));
    Underlay receiver(on("127.0.0.1:0"));
    Traffic traffic;
    const Endpoint to{.address = *IpAddress::parse("127.0.0.1"), .port = receiver.local_port(Channel::esp)};
    traffic.queue(to, std::string(1000, 'x'), Channel::esp, 0, 1);
    traffic.write(sender);
    CHECK(traffic.refused.empty());
    CHECK(traffic.read_all(receiver).size() == 1000);
    traffic.queue(at("192.0.2.1:6000"), std::string(1000, 'x'), Channel::esp, 0, 100);
    traffic.write(sender);
    REQUIRE(traffic.refused.size() == 1);
    CHECK(traffic.refused[0].count == 10);
    CHECK(traffic.refused[0].drop == Drop::device_error);
}

TEST_CASE("what a full receive buffer cost is counted") {
    Underlay receiver(on("127.0.0.1:0"));
    constexpr int tiny = 1;
    REQUIRE(::setsockopt(receiver.descriptor(Channel::esp), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)) == 0);
    const test::UdpSocket peer(at("127.0.0.1:6000"));
    const Endpoint to{.address = *IpAddress::parse("127.0.0.1"), .port = receiver.local_port(Channel::esp)};
    Traffic traffic;
    for (int i = 0; i < 100; ++i) peer.send(to, "x");
    const auto before = traffic.read_all(receiver).size();
    peer.send(to, "x");  // tells what was lost before it
    const auto after = traffic.read_all(receiver).size();
    CHECK(after == 1);
    CHECK(traffic.drops[Drop::receive_overflow] == 100 - before);
    CHECK(before < 100);
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
    traffic.write(underlay);
    CHECK(peer.receive() == "first");
    CHECK(peer.receive() == "last");
    DropCounters counted;
    for (const auto& [tunnel, drop, count] : traffic.refused) {
        CHECK(tunnel == PortId{7});
        CHECK(count == 1);
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
        traffic.write(underlay);
        CHECK(peer.receive(&first) == "a");
        CHECK(peer.receive(&second) == "b");
        CHECK(first == second);
        CHECK(first.port >= 49152);
        ports.insert(first.port);
    }
    CHECK(ports.size() == 16);
    CHECK(traffic.refused.empty());
    peer.send({.address = *IpAddress::parse("127.0.0.1"), .port = underlay.local_port(Channel::vxlan)}, "in");
    traffic.read(underlay, Channel::vxlan);
    REQUIRE(traffic.received.size() == 1);
    CHECK(traffic.received[0].channel == Channel::vxlan);
}

TEST_CASE("without plain peers there is no VXLAN socket") {
    Underlay underlay(on("127.0.0.1:0"));
    Traffic traffic;
    CHECK(underlay.descriptor(Channel::vxlan) == -1);
    CHECK(underlay.local_port(Channel::vxlan) == 0);
    CHECK_FALSE(underlay.read(Channel::vxlan, traffic.received, traffic.drops));
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

// As many as there are workers, on one port.
std::vector<std::unique_ptr<Underlay>> shared(UnderlayOptions options, unsigned workers) {
    std::vector<std::unique_ptr<Underlay>> made;
    options.workers = workers;
    for (options.worker = 0; options.worker < workers; ++options.worker)
        made.push_back(std::make_unique<Underlay>(options, made.empty() ? nullptr : made[0].get()));
    return made;
}

TEST_CASE("a datagram goes to the worker that its SPI names, a handshake's to a socket of the last one") {
    struct Case {
        std::string payload;
        unsigned worker;
        Channel channel = Channel::esp;
    };

    using std::string_literals::operator""s;
    for (const char* local : {"127.0.0.1:0", "[::]:0"}) {
        CAPTURE(local);
        const auto workers = shared(on(local), 3);
        const Endpoint to{.address = *IpAddress::parse("127.0.0.1"),
                          .port = workers[0]->local_port(Channel::esp)};
        const test::UdpSocket peer(at("127.0.0.1:6001"));
        for (const auto& [payload, worker, channel] :
             {Case{"\0\0\1\0rest"s, 256 % 3}, Case{"\0\0\1\1rest"s, 257 % 3}, Case{"\0\0\1\2rest"s, 258 % 3},
              Case{"\xFF\xFF\xFF\xFE"s, 0xFFFFFFFE % 3}, Case{"\0\0\0\0\1\1handshake"s, 2, Channel::control},
              Case{"\xFF"s, 0}, Case{"\0\0\1"s, 0}}) {
            CHECK(workers[worker]->local_port(Channel::esp) == to.port);
            peer.send(to, payload);
            Traffic traffic;
            traffic.read(*workers[worker], channel);
            REQUIRE(traffic.received.size() == 1);
            CHECK(text(traffic.received[0]) == payload);
        }
    }
}

TEST_CASE("a plain flow leaves every worker from the same port") {
    const auto workers = shared(on("127.0.0.1:0", "127.0.0.1:0"), 2);
    const test::UdpSocket vtep(at("127.0.0.1:6001"));
    for (const std::uint32_t flow : {1U, 2U, 77U}) {
        std::set<std::uint16_t> ports;
        for (const auto& worker : workers) {
            Traffic traffic;
            traffic.queue(at("127.0.0.1:6001"), "frame", Channel::vxlan, flow);
            traffic.write(*worker);
            CHECK(traffic.refused.empty());
            Endpoint from;
            CHECK(vtep.receive(&from) == "frame");
            ports.insert(from.port);
        }
        CHECK(ports.size() == 1);
    }
}

TEST_CASE("workers share a port with one another, but with no other program") {
    const auto first = shared(on("127.0.0.1:6002"), 2);
    CHECK_THROWS_WITH_AS((void)shared(on("127.0.0.1:6002"), 2), doctest::Contains("Address already in use: "),
                         std::runtime_error);
    CHECK(failure(on("127.0.0.1:6002")).find("Address already in use") != std::string::npos);
}

}  // namespace
}  // namespace weft
