// One snapshot made of several workers' parts.
#include "overlay/snapshot.h"

#include <chrono>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

constexpr PortId tap{0};
constexpr PortId tunnel{1};
constexpr PeerId peer{0};
constexpr BridgeId lan{0};

TrafficCounters traffic(std::uint64_t n) {
    return {.rx_packets = n, .rx_bytes = 10 * n, .tx_packets = 2 * n, .tx_bytes = 20 * n};
}

PortSnapshot port(PortId id, std::uint64_t n) {
    PortSnapshot made{id, traffic(n), {}};
    made.drops.add(Drop::truncated, n);
    return made;
}

PeerSnapshot peer_part(std::uint64_t n, std::optional<Duration> heard, std::optional<Duration> age) {
    PeerSnapshot made;
    made.peer = peer;
    made.port = tunnel;
    made.last_heard = heard;
    made.session_age = age;
    if (age) made.cipher = Cipher::aes_128_gcm;
    made.sealed_packets = n;
    made.workers = {traffic(n)};
    return made;
}

StationSnapshot station(std::uint8_t number, PortId behind, Duration age) {
    return {lan, {MacAddress{{2, 0, 0, 0, 0, number}}, untagged, behind, Instant{}}, age};
}

std::vector<std::unique_ptr<Snapshot>> two_parts() {
    std::vector<std::unique_ptr<Snapshot>> parts;
    for (const std::uint64_t n : {1U, 2U}) {
        auto part = std::make_unique<Snapshot>();
        part->ports = {port(tap, n), port(tunnel, 10 * n)};
        part->underlay_drops.add(Drop::unknown_spi, n);
        part->denied = {{{IpAddress::v4({203, 0, 113, 0}), 24}, n, 100 * n},
                        {{IpAddress::v4({203, 0, 113, 7}), 32}, 0, 0}};
        part->workers = {traffic(11 * n)};
        part->offload = {static_cast<std::uint32_t>(n), 10 * n, 100 * n, 1000 * n, 10'000 * n, 100'000 * n};
        part->pool_available = 100;
        part->pool_size = 200;
        parts.push_back(std::move(part));
    }
    parts[0]->peers = {peer_part(3, std::nullopt, std::nullopt)};
    parts[1]->peers = {peer_part(4, 2s, 60s)};
    return parts;
}

}  // namespace

TEST_CASE("counters are summed, and each worker's stay to be seen") {
    auto parts = two_parts();
    const Snapshot all = merge(parts);
    REQUIRE(all.ports.size() == 2);
    CHECK(all.ports[0].traffic.rx_packets == 3);
    CHECK(all.ports[0].traffic.tx_bytes == 60);
    CHECK(all.ports[1].traffic.rx_bytes == 300);
    CHECK(all.ports[1].drops[Drop::truncated] == 30);
    CHECK(all.underlay_drops[Drop::unknown_spi] == 3);
    REQUIRE(all.denied.size() == 2);
    CHECK(all.denied[0].packets == 3);
    CHECK(all.denied[0].bytes == 300);
    CHECK(all.denied[1].packets == 0);
    CHECK(all.offload.flows == 3);
    CHECK(all.offload.inserted == 30);
    CHECK(all.offload.withdrawn == 300);
    CHECK(all.offload.put_off == 3000);
    CHECK(all.offload.checked == 30'000);
    CHECK(all.offload.differed == 300'000);
    CHECK(all.pool_available == 200);
    CHECK(all.pool_size == 400);
    REQUIRE(all.workers.size() == 2);
    CHECK(all.workers[0].rx_packets == 11);
    CHECK(all.workers[1].rx_packets == 22);
}

TEST_CASE("a peer that one worker hears is heard") {
    auto parts = two_parts();
    const Snapshot all = merge(parts);
    REQUIRE(all.peers.size() == 1);
    CHECK(all.peers[0].last_heard == 2s);
    CHECK(all.peers[0].session_age == 60s);
    CHECK(all.peers[0].cipher == Cipher::aes_128_gcm);
    CHECK(all.peers[0].sealed_packets == 7);
    REQUIRE(all.peers[0].workers.size() == 2);
    CHECK(all.peers[0].workers[0].rx_packets == 3);
    CHECK(all.peers[0].workers[1].rx_packets == 4);
}

TEST_CASE("a station that several workers know is shown once, where it was seen last") {
    auto parts = two_parts();
    parts[0]->stations = {station(1, tap, 5s), station(2, tap, 1s)};
    parts[1]->stations = {station(3, tunnel, 0s), station(1, tunnel, 2s), station(2, tap, 9s)};
    const Snapshot all = merge(parts);
    REQUIRE(all.stations.size() == 3);
    CHECK(all.stations[0].entry.port == tunnel);
    CHECK(all.stations[0].age == 2s);
    CHECK(all.stations[1].age == 1s);
    CHECK(all.stations[2].entry.port == tunnel);
}

TEST_CASE("a neighbor that one worker has reached is reachable") {
    const IpAddress address = IpAddress::v4({10, 0, 0, 1});
    const MacAddress mac{{2, 0, 0, 0, 0, 1}};
    auto parts = two_parts();
    parts[0]->neighbors = {{tap, address, {}, false}};
    parts[1]->neighbors = {{tap, address, mac, true}, {tunnel, address, mac, false}};
    const Snapshot all = merge(parts);
    REQUIRE(all.neighbors.size() == 2);
    CHECK(all.neighbors[0].reachable);
    CHECK(all.neighbors[0].mac == mac);
    CHECK(all.neighbors[1].leg == tunnel);
}

TEST_CASE("what only some workers have yet is shown as the first one has it") {
    auto parts = two_parts();
    parts[0]->ports.erase(parts[0]->ports.begin());
    const Snapshot all = merge(parts);
    REQUIRE(all.ports.size() == 1);
    CHECK(all.ports[0].port == tunnel);
    CHECK(all.ports[0].traffic.rx_packets == 30);
}

TEST_CASE("the only worker's part is the whole") {
    auto parts = two_parts();
    parts.pop_back();
    parts[0]->stations = {station(2, tap, 5s), station(1, tap, 1s)};
    const Snapshot all = merge(parts);
    CHECK(all.ports[1].traffic.rx_packets == 10);
    CHECK(all.stations[0].age == 5s);
    CHECK(all.workers.size() == 1);
}
