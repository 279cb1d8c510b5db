#include "vswitch/binding_table.h"

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr PortId port_1{1};
constexpr PortId port_2{2};
constexpr PortId attacker{3};
constexpr VlanId vlan{10};
const MacAddress mac_a = mac("02:00:00:00:00:0a");
const MacAddress mac_b = mac("02:00:00:00:00:0b");
const IpAddress address = ip("10.0.0.10");

Instant at(Duration since_start) {
    return Instant{} + since_start;
}

BindingTable table_of(std::uint32_t entries, std::uint32_t per_port) {
    BindingTable table({.entries = entries, .entries_per_port = per_port});
    for (const PortId port : {port_1, port_2, attacker}) table.add_port(port);
    return table;
}

IpAddress numbered(std::uint32_t number) {
    return IpAddress::v4({10, static_cast<std::uint8_t>(number >> 16U),
                          static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)});
}

}  // namespace

TEST_CASE("a binding is known in its VLAN until it is too old") {
    BindingTable table = table_of(64, 64);
    const BindingTable::Binding binding{.mac = mac_a, .port = port_1, .is_router = true};
    table.learn(vlan, address, binding, at(0s));
    CHECK(table.lookup(vlan, address, at(300s)) == binding);
    CHECK_FALSE(table.lookup(untagged, address, at(0s)));
    CHECK_FALSE(table.lookup(vlan, ip("10.0.0.11"), at(0s)));
    CHECK_FALSE(table.lookup(vlan, ip("a00:a::"), at(0s)));
    CHECK_FALSE(table.lookup(vlan, address, at(301s)));
    CHECK(table.size(port_1) == 1);
    table.expire(at(301s));
    CHECK(table.size(port_1) == 0);
}

TEST_CASE("the last to have an address has it") {
    BindingTable table = table_of(64, 64);
    table.learn(vlan, address, {.mac = mac_a, .port = port_1}, at(0s));
    table.learn(vlan, address, {.mac = mac_b, .port = port_2}, at(1s));
    CHECK(table.lookup(vlan, address, at(1s)) == BindingTable::Binding{.mac = mac_b, .port = port_2});
    CHECK(table.size(port_1) == 0);
    CHECK(table.size(port_2) == 1);
}

TEST_CASE("a fixed binding neither ages nor changes, and goes with its port") {
    BindingTable table = table_of(64, 64);
    table.learn(vlan, address, {.mac = mac_b, .port = port_2}, at(0s));
    table.fix(vlan, std::array{address}, mac_a, port_1);
    table.fix(vlan, std::array{address}, mac_b, attacker);
    table.learn(vlan, address, {.mac = mac_b, .port = port_2}, at(1s));
    const auto known = table.lookup(vlan, address, at(10'000s));
    REQUIRE(known);
    CHECK(known->mac == mac_a);
    CHECK(known->is_fixed);
    table.forget_port(port_1);
    CHECK_FALSE(table.lookup(vlan, address, at(10'000s)));
}

TEST_CASE("what was learned at a port goes with it, and nothing is learned at an unknown one") {
    BindingTable table = table_of(64, 64);
    table.learn(vlan, numbered(1), {.mac = mac_a, .port = port_1}, at(0s));
    table.learn(vlan, numbered(2), {.mac = mac_b, .port = port_2}, at(0s));
    table.learn(vlan, numbered(3), {.mac = mac_b, .port = PortId{99}}, at(0s));
    table.forget_port(port_1);
    CHECK_FALSE(table.lookup(vlan, numbered(1), at(0s)));
    CHECK(table.lookup(vlan, numbered(2), at(0s)));
    CHECK_FALSE(table.lookup(vlan, numbered(3), at(0s)));
    CHECK(table.size(port_1) == 0);
}

TEST_CASE("a flood of bindings from one port leaves those of others where they are") {
    BindingTable table = table_of(1024, 512);
    for (std::uint32_t i = 0; i < 100; ++i)
        table.learn(untagged, numbered(i), {.mac = mac_a, .port = port_1}, at(0s));
    const std::uint32_t before = table.size(port_1);
    for (std::uint32_t i = 0; i < 100'000; ++i)
        table.learn(untagged, numbered(1'000'000 + i), {.mac = mac_b, .port = attacker}, at(1s));
    CHECK(table.size(attacker) <= 512);
    CHECK(table.size(port_1) == before);
    CHECK(before >= 95);  // 8 in a set, of 128 sets
    // Nor does it keep others from learning.
    for (std::uint32_t i = 200; i < 300; ++i)
        table.learn(untagged, numbered(i), {.mac = mac_a, .port = port_2}, at(2s));
    CHECK(table.size(port_2) >= 95);
}

TEST_CASE("a port that has all that it may have replaces its own, and takes over nobody's") {
    BindingTable table = table_of(8, 2);
    table.learn(untagged, numbered(1), {.mac = mac_a, .port = attacker}, at(0s));
    table.learn(untagged, numbered(2), {.mac = mac_a, .port = attacker}, at(1s));
    table.learn(untagged, numbered(3), {.mac = mac_a, .port = attacker}, at(2s));
    CHECK_FALSE(table.lookup(untagged, numbered(1), at(2s)));
    CHECK(table.lookup(untagged, numbered(2), at(2s)));
    CHECK(table.lookup(untagged, numbered(3), at(2s)));
    table.learn(untagged, address, {.mac = mac_b, .port = port_1}, at(3s));
    table.learn(untagged, address, {.mac = mac_a, .port = attacker}, at(4s));
    CHECK_FALSE(table.lookup(untagged, address, at(4s)));  // it is flooded again
    CHECK(table.size(attacker) == 2);
    CHECK(table.size(port_1) == 0);
}

TEST_CASE("an aged binding makes room") {
    BindingTable table = table_of(8, 8);
    for (std::uint32_t i = 0; i < 8; ++i)
        table.learn(untagged, numbered(i), {.mac = mac_a, .port = port_1}, at(0s));
    table.learn(untagged, address, {.mac = mac_b, .port = port_1}, at(301s));
    CHECK(table.lookup(untagged, address, at(301s)));
    CHECK(table.size(port_1) == 8);
}
