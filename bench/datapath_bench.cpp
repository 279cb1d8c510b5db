// The whole way of a packet through a node, from door to outbox: everything of weft but the system calls.
// Also how it grows with peers and stations: `growth/` sends each packet of a batch to another peer and
// station in random order, the worst that caches can meet, and `trains/` sixteen in a row to the same, as
// flows do.
//
// A packet in `ns` is one that enters, and of super-frames bound for a peer one segment.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/support/cost.h"
#include "bench/support/node.h"
#include "bench/support/super_frame.h"

namespace weft::bench {
namespace {

using test::Bytes;
using test::ip;
using test::mac;
using test::PacketBuilder;

constexpr std::size_t batch_size = Datapath::max_batch;
constexpr std::size_t super_batch_size = 4;
constexpr std::uint8_t next_ipv4 = 4;
constexpr std::uint8_t next_udp = 17;

const MacAddress near_mac = mac("02:ff:00:00:00:01");
const IpAddress near_host = ip("10.1.0.2");

// Numbers below `limit` in random order, each `train` times in a row.
class Order {
  public:
    Order(std::uint32_t limit, std::size_t train) : limit_(limit), train_(train) {}

    std::uint32_t next() {
        if (used_++ % train_ == 0) number_ = static_cast<std::uint32_t>(random_() % limit_);
        return number_;
    }

  private:
    std::uint32_t limit_;
    std::size_t train_;
    std::size_t used_ = 0;
    std::uint32_t number_ = 0;
    std::mt19937 random_{1};
};

Bytes udp_frame(const MacAddress& to, const MacAddress& from, std::size_t size) {
    constexpr std::size_t headers = 14 + 20 + 8;
    return PacketBuilder()
        .ethernet(to, from)
        .ip(near_host, ip("10.1.0.3"))
        .udp(1000, 2000)
        .payload(size - headers)
        .build();
}

Bytes udp_datagram(const IpAddress& from, const IpAddress& to, std::size_t size) {
    constexpr std::size_t headers = 20 + 8;
    return PacketBuilder().ip(from, to).udp(1000, 2000).payload(size - headers).build();
}

Bytes in_vxlan(std::span<const std::uint8_t> frame) {
    const auto udp_size = static_cast<std::uint16_t>(frame.size() + 16);
    Bytes bytes{0xC0,
                0,
                0x12,
                0xB5,
                static_cast<std::uint8_t>(udp_size >> 8U),
                static_cast<std::uint8_t>(udp_size),
                0,
                0,
                8,
                0,
                0,
                0,
                0,
                0,
                static_cast<std::uint8_t>(Node::vni.value()),
                0};
    bytes.insert(bytes.end(), frame.begin(), frame.end());
    return bytes;
}

// ---- Batches: `make` puts packets into them off the clock, then they enter -------------------------

template <class Make>
void from_port(benchmark::State& state, Node& node, PortId in, Make&& make) {
    std::array<Packet, batch_size> batch;
    Cost cost(state);
    while (state.KeepRunning()) {
        for (Packet& packet : batch) packet = make();
        std::size_t sent = 0;
        cost.batch(batch_size, [&] { sent = node.from_port(in, batch); });
        if (sent != batch_size) return state.SkipWithError("packets were lost");
    }
}

struct Sealed {
    Packet packet;
    Endpoint from;
};

template <class Make>
void from_underlay(benchmark::State& state, Node& node, Make&& make) {
    std::array<Sealed, batch_size> sealed;
    std::array<ReceivedTrain, batch_size> batch;
    Cost cost(state);
    while (state.KeepRunning()) {
        for (std::size_t i = 0; i < batch_size; ++i) {
            sealed[i] = make();
            const auto bytes = std::as_const(sealed[i].packet).bytes();
            batch[i] = {.bytes = bytes, .datagram_size = bytes.size(), .from = sealed[i].from};
        }
        std::size_t sent = 0;
        cost.batch(batch_size, [&] { sent = node.from_underlay(batch); });
        if (sent != batch_size) return state.SkipWithError("packets were lost");
    }
}

void super_frames(benchmark::State& state, Node& node, PortId in, const SuperFrame& super,
                  std::size_t outputs) {
    const Packet original = super.build(node.pool, node.station(0), near_mac);
    std::array<Packet, super_batch_size> batch;
    Cost cost(state);
    while (state.KeepRunning()) {
        for (Packet& packet : batch) packet = super.with_metadata(original.clone());
        std::size_t sent = 0;
        cost.batch(super_batch_size * outputs, [&] { sent = node.from_port(in, batch); });
        if (sent != super_batch_size * outputs) return state.SkipWithError("packets were lost");
    }
}

// ---- One way through --------------------------------------------------------------------------------

void tap_to_tap(benchmark::State& state) {
    Node node({.peers = 0});
    const Bytes frame = udp_frame(node.station(0), near_mac, static_cast<std::size_t>(state.range(0)));
    from_port(state, node, Node::near_tap, [&] { return node.pool.take(frame); });
}

void tap_to_tap_super(benchmark::State& state) {
    Node node({.peers = 0});
    super_frames(state, node, Node::near_tap, {near_host, ip("10.1.0.3")}, 1);
}

void tap_to_esp(benchmark::State& state) {
    Node node({});
    const Bytes frame = udp_frame(node.station(0), near_mac, static_cast<std::size_t>(state.range(0)));
    from_port(state, node, Node::near_tap, [&] { return node.pool.take(frame); });
}

void tap_to_esp_super(benchmark::State& state) {
    Node node({});
    const SuperFrame super{near_host, ip("10.1.0.3")};
    super_frames(state, node, Node::near_tap, super, super.segments());
}

void tun_to_esp(benchmark::State& state) {
    Node node({});
    const Bytes datagram =
        udp_datagram(near_host, node.host_at_peer(0), static_cast<std::size_t>(state.range(0)));
    from_port(state, node, Node::tun, [&] { return node.pool.take(datagram); });
}

void tun_to_esp_super(benchmark::State& state) {
    Node node({});
    const SuperFrame super{.source = near_host, .destination = node.host_at_peer(0), .with_ethernet = false};
    super_frames(state, node, Node::tun, super, super.segments());
}

void esp_to_tap(benchmark::State& state) {
    Node node({});
    const Bytes hello = udp_frame(node.station(0), near_mac, 64);
    Packet known = node.pool.take(hello);
    node.from_port(Node::near_tap, {&known, 1});  // teaches the bridge where near_mac is
    const Bytes payload =
        in_vxlan(udp_frame(near_mac, node.station(0), static_cast<std::size_t>(state.range(0))));
    from_underlay(state, node, [&] {
        return Sealed{.packet = node.sealed_by(0, payload, next_udp), .from = node.endpoint(0)};
    });
}

void esp_to_tun(benchmark::State& state) {
    Node node({});
    const Bytes payload =
        udp_datagram(node.host_at_peer(0), near_host, static_cast<std::size_t>(state.range(0)));
    from_underlay(state, node, [&] {
        return Sealed{.packet = node.sealed_by(0, payload, next_ipv4), .from = node.endpoint(0)};
    });
}

// ---- Growth -------------------------------------------------------------------------------------------

constexpr std::size_t growth_size = 256;

// `train`: how many packets in a row go to the same place.
void grow_tap_to_tap(benchmark::State& state, std::size_t train) {
    const auto stations = static_cast<std::uint32_t>(state.range(0));
    Node node({.peers = 0, .stations = stations});
    Bytes frame = udp_frame(node.station(0), near_mac, 64);
    Order order(stations, train);
    from_port(state, node, Node::near_tap, [&] {
        std::ranges::copy(node.station(order.next()).octets, frame.begin());
        return node.pool.take(frame);
    });
}

void grow_tap_to_esp(benchmark::State& state, std::size_t train) {
    const auto peers = static_cast<std::uint32_t>(state.range(0));
    const auto stations = static_cast<std::uint32_t>(state.range(1));
    Node node({.peers = peers, .stations = stations});
    Bytes frame = udp_frame(node.station(0), near_mac, growth_size);
    Order order(stations, train);
    from_port(state, node, Node::near_tap, [&] {
        std::ranges::copy(node.station(order.next()).octets, frame.begin());
        return node.pool.take(frame);
    });
}

void grow_tun_to_esp(benchmark::State& state, std::size_t train) {
    const auto peers = static_cast<std::uint32_t>(state.range(0));
    Node node({.peers = peers});
    std::vector<Bytes> datagrams;
    datagrams.reserve(peers);
    for (std::uint32_t i = 0; i < peers; ++i) {
        datagrams.push_back(udp_datagram(near_host, node.host_at_peer(i), growth_size));
    }
    Order order(peers, train);
    from_port(state, node, Node::tun, [&] { return node.pool.take(datagrams[order.next()]); });
}

void grow_esp_to_tun(benchmark::State& state, std::size_t train) {
    const auto peers = static_cast<std::uint32_t>(state.range(0));
    Node node({.peers = peers});
    std::vector<Bytes> datagrams;
    datagrams.reserve(peers);
    for (std::uint32_t i = 0; i < peers; ++i) {
        datagrams.push_back(udp_datagram(node.host_at_peer(i), near_host, growth_size));
    }
    Order order(peers, train);
    from_underlay(state, node, [&] {
        const std::uint32_t peer = order.next();
        return Sealed{.packet = node.sealed_by(peer, datagrams[peer], next_ipv4),
                      .from = node.endpoint(peer)};
    });
}

void sizes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgName("bytes")->Arg(64)->Arg(1400)->UseManualTime();
}

BENCHMARK(tap_to_tap)->Name("datapath/tap_to_tap")->Apply(sizes);
BENCHMARK(tap_to_tap_super)->Name("datapath/tap_to_tap/super_frame")->UseManualTime();
BENCHMARK(tap_to_esp)->Name("datapath/tap_to_esp")->Apply(sizes);
BENCHMARK(tap_to_esp_super)->Name("datapath/tap_to_esp/super_frame")->UseManualTime();
BENCHMARK(tun_to_esp)->Name("datapath/tun_to_esp")->Apply(sizes);
BENCHMARK(tun_to_esp_super)->Name("datapath/tun_to_esp/super_frame")->UseManualTime();
BENCHMARK(esp_to_tap)->Name("datapath/esp_to_tap")->Apply(sizes);
BENCHMARK(esp_to_tun)->Name("datapath/esp_to_tun")->Apply(sizes);

constexpr std::size_t scattered = 1;
constexpr std::size_t train = 16;

void stations(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgName("stations")->Arg(1000)->Arg(1'000'000)->UseManualTime();
}

void peers(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgName("peers")->Arg(1)->Arg(100)->Arg(10'000)->UseManualTime();
}

void peers_and_stations(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"peers", "stations"})
        ->Args({1, 1000})
        ->Args({100, 1000})
        ->Args({10'000, 10'000})
        ->Args({1, 1'000'000})
        ->Args({10'000, 1'000'000})
        ->UseManualTime();
}

BENCHMARK_CAPTURE(grow_tap_to_tap, scattered, scattered)->Name("growth/tap_to_tap")->Apply(stations);
BENCHMARK_CAPTURE(grow_tap_to_esp, scattered, scattered)
    ->Name("growth/tap_to_esp")
    ->Apply(peers_and_stations);
BENCHMARK_CAPTURE(grow_tun_to_esp, scattered, scattered)->Name("growth/tun_to_esp")->Apply(peers);
BENCHMARK_CAPTURE(grow_esp_to_tun, scattered, scattered)->Name("growth/esp_to_tun")->Apply(peers);
BENCHMARK_CAPTURE(grow_tap_to_tap, trains, train)->Name("trains/tap_to_tap")->Apply(stations);
BENCHMARK_CAPTURE(grow_tap_to_esp, trains, train)->Name("trains/tap_to_esp")->Apply(peers_and_stations);
BENCHMARK_CAPTURE(grow_tun_to_esp, trains, train)->Name("trains/tun_to_esp")->Apply(peers);
BENCHMARK_CAPTURE(grow_esp_to_tun, trains, train)->Name("trains/esp_to_tun")->Apply(peers);

}  // namespace
}  // namespace weft::bench
