// Longest-prefix match with few and many routes. Prefixes have lengths as on the internet, most of them /24;
// what is asked for lies within one of them.
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/support/cost.h"
#include "vswitch/route_table.h"

namespace weft::bench {
namespace {

struct Routes {
    RouteTable table;
    std::vector<IpAddress> asked;  // a power of two
};

IpAddress v4(std::uint32_t bits) {
    return IpAddress::v4({static_cast<std::uint8_t>(bits >> 24U), static_cast<std::uint8_t>(bits >> 16U),
                          static_cast<std::uint8_t>(bits >> 8U), static_cast<std::uint8_t>(bits)});
}

IpAddress v6(std::uint32_t high, std::uint32_t low) {
    std::array<std::uint8_t, 16> octets{0x20, 0x01};
    for (std::size_t i = 0; i < 4; ++i) {
        octets[2 + i] = static_cast<std::uint8_t>(high >> (24 - 8 * i));
        octets[12 + i] = static_cast<std::uint8_t>(low >> (24 - 8 * i));
    }
    return IpAddress::v6(octets);
}

Routes make(std::size_t count, bool is_v6) {
    std::mt19937 random(1);
    Routes routes;
    std::vector<std::uint32_t> networks;
    while (routes.table.size() < count) {
        const auto bits = static_cast<std::uint32_t>(random());
        const std::uint8_t length = random() % 3 != 0 ? 24 : static_cast<std::uint8_t>(12 + random() % 12);
        const Prefix to =
            is_v6 ? Prefix{v6(bits, 0), static_cast<std::uint8_t>(length + 16)} : Prefix{v4(bits), length};
        if (routes.table.insert(to, {.to = to, .out = PortId{1}})) networks.push_back(bits);
    }
    for (std::size_t i = 0; i < (1U << 16U); ++i) {
        const std::uint32_t network = networks[random() % networks.size()];
        const auto host = static_cast<std::uint32_t>(random() & 0xFFU);
        routes.asked.push_back(is_v6 ? v6(network, host) : v4((network & ~0xFFU) | host));
    }
    return routes;
}

void lookup(benchmark::State& state, bool is_v6) {
    const Routes routes = make(static_cast<std::size_t>(state.range(0)), is_v6);
    std::size_t at = 0;
    const Cost cost(state, 1);
    while (state.KeepRunning()) {
        benchmark::DoNotOptimize(routes.table.lookup(routes.asked[at++ % routes.asked.size()]));
    }
}

BENCHMARK_CAPTURE(lookup, v4, false)
    ->Name("route_table/v4")
    ->ArgName("routes")
    ->Arg(10)
    ->Arg(1000)
    ->Arg(100'000);
BENCHMARK_CAPTURE(lookup, v6, true)
    ->Name("route_table/v6")
    ->ArgName("routes")
    ->Arg(10)
    ->Arg(1000)
    ->Arg(100'000);

}  // namespace
}  // namespace weft::bench
