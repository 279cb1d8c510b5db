#include "vswitch/vlan.h"

#include <optional>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"
#include "vswitch/headers.h"

using namespace weft;
using test::Bytes;
using test::ip;
using test::mac;
using test::PacketBuilder;

namespace {

const MacAddress station_a = mac("02:00:00:00:00:0a");
const MacAddress station_b = mac("02:00:00:00:00:0b");

PacketBuilder ethernet() {
    return PacketBuilder().ethernet(station_b, station_a);
}

PacketBuilder datagram_in(PacketBuilder builder) {
    return builder.ip(ip("192.0.2.1"), ip("198.51.100.2")).udp(1000, 53).payload(32);
}

Bytes untagged_frame() {
    return datagram_in(ethernet()).build();
}

Bytes tagged_frame(std::uint16_t vlan, unsigned priority = 0) {
    return datagram_in(ethernet().vlan(VlanId{vlan}, priority)).build();
}

Bytes copy_of(const Packet& packet) {
    return {packet.bytes().begin(), packet.bytes().end()};
}

}  // namespace

TEST_CASE("a tag is popped into the metadata and pushed back as it was") {
    PacketPool pool(1);
    Packet frame = pool.take(tagged_frame(100, 5));
    REQUIRE(pop_vlan_tag(frame));
    CHECK(copy_of(frame) == untagged_frame());
    CHECK(frame.vlan() == VlanId{100});
    CHECK(frame.vlan_tci() == (5U << 13U | 100U));

    push_vlan_tag(frame);
    CHECK(copy_of(frame) == tagged_frame(100, 5));
    CHECK(frame.vlan_tci() == 0);
}

TEST_CASE("an untagged frame is left alone") {
    PacketPool pool(1);
    Packet frame = pool.take(untagged_frame());
    REQUIRE(pop_vlan_tag(frame));
    push_vlan_tag(frame);
    CHECK(copy_of(frame) == untagged_frame());
    CHECK(frame.vlan() == untagged);
}

TEST_CASE("a frame with a priority but no VLAN gets no tag") {
    PacketPool pool(1);
    Packet frame = pool.take(tagged_frame(0, 3));
    REQUIRE(pop_vlan_tag(frame));
    CHECK(frame.vlan_tci() == 3U << 13U);
    push_vlan_tag(frame);
    CHECK(copy_of(frame) == untagged_frame());
}

TEST_CASE("only the outermost 802.1Q tag is popped") {
    PacketPool pool(1);
    Packet frame = pool.take(datagram_in(ethernet().vlan(VlanId{10}).vlan(VlanId{20})).build());
    REQUIRE(pop_vlan_tag(frame));
    CHECK(frame.vlan() == VlanId{10});
    CHECK(copy_of(frame) == tagged_frame(20));

    // Popped or stripped by the device: there was an outer tag, the other is payload.
    REQUIRE(pop_vlan_tag(frame));
    CHECK(frame.vlan() == VlanId{10});
    CHECK(copy_of(frame) == tagged_frame(20));
}

TEST_CASE("a service tag is an ether type like any other") {
    PacketPool pool(1);
    const Bytes bytes = PacketBuilder().ethernet(station_b, station_a, 0x88A8).payload(50).build();
    Packet frame = pool.take(bytes);
    REQUIRE(pop_vlan_tag(frame));
    CHECK(copy_of(frame) == bytes);
    CHECK(frame.vlan() == untagged);
}

TEST_CASE("a truncated tag is refused, at every length") {
    PacketPool pool(1);
    const Bytes whole = tagged_frame(100);
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        Packet frame = pool.take(std::span(whole).first(size));
        const bool popped = pop_vlan_tag(frame);
        REQUIRE(popped == (size < 14 || size >= 18));
        REQUIRE(frame.size() == (size >= 18 ? size - 4 : size));
    }
}

TEST_CASE("the transport header stays where the offload says, in the buffer and in the frame") {
    PacketPool pool(1);
    Packet frame = pool.take(tagged_frame(100));
    frame.set_checksum_start(14 + 4 + 20);
    frame.offload().needs_checksum = true;
    const std::uint8_t* transport = frame.data() + frame.checksum_start();

    REQUIRE(pop_vlan_tag(frame));
    CHECK(frame.checksum_start() == 14 + 20);
    CHECK(frame.data() + frame.checksum_start() == transport);
    CHECK(view<UdpHeader>(frame.bytes(), frame.checksum_start())->destination_port == 53);

    push_vlan_tag(frame);
    CHECK(frame.checksum_start() == 14 + 4 + 20);
    CHECK(frame.data() + frame.checksum_start() == transport);
    CHECK(frame.offload().needs_checksum);
}

TEST_CASE("what each kind of port admits and carries") {
    struct Row {
        std::string_view name;
        VlanFilter filter;
        std::uint16_t tag;  // as read
        std::optional<std::uint16_t> admitted;
    };

    const VlanFilter access = VlanFilter::access(VlanId{10});
    const VlanFilter trunk =
        VlanFilter::trunk({VlanId{10}, VlanId{20}, VlanId{4094}, VlanId{4095}, untagged});
    const Row rows[] = {
        {"all, untagged", VlanFilter::all(), 0, 0},
        {"all, tagged", VlanFilter::all(), 4094, 4094},
        {"all, the reserved VLAN", VlanFilter::all(), 4095, std::nullopt},
        {"access, untagged", access, 0, 10},
        {"access, tagged with its own", access, 10, std::nullopt},
        {"access, tagged with another", access, 20, std::nullopt},
        {"trunk, untagged", trunk, 0, std::nullopt},
        {"trunk, of the set", trunk, 20, 20},
        {"trunk, the last VLAN", trunk, 4094, 4094},
        {"trunk, not of the set", trunk, 30, std::nullopt},
        {"trunk, the reserved VLAN", trunk, 4095, std::nullopt},
    };
    PacketPool pool(1);
    for (const Row& row : rows) {
        CAPTURE(row.name);
        Packet frame = pool.take(untagged_frame());
        frame.vlan_tci() = row.tag;
        const auto vlan = row.filter.admit(frame);
        CHECK(vlan.has_value() == row.admitted.has_value());
        if (!vlan) {
            CHECK(vlan.error() == Drop::vlan_not_allowed);
            continue;
        }
        CHECK(vlan->value() == row.admitted);
        CHECK(frame.vlan() == *vlan);
        CHECK(row.filter.carries(*vlan));
    }
    CHECK_FALSE(access.carries(untagged));
    CHECK_FALSE(access.carries(VlanId{20}));
    CHECK_FALSE(trunk.carries(untagged));
    CHECK_FALSE(VlanFilter::all().carries(VlanId{4095}));
}

TEST_CASE("an access port keeps the priority of a priority-tagged frame") {
    PacketPool pool(1);
    Packet frame = pool.take(tagged_frame(0, 6));
    REQUIRE(pop_vlan_tag(frame));
    REQUIRE(VlanFilter::access(VlanId{10}).admit(frame));
    CHECK(frame.vlan_tci() == (6U << 13U | 10U));
}

TEST_CASE("what each kind of port writes") {
    PacketPool pool(1);

    struct Row {
        std::string_view name;
        VlanFilter filter;
        std::uint16_t tci;
        Bytes written;
    };

    const Row rows[] = {
        {"access: untagged", VlanFilter::access(VlanId{10}), 10, untagged_frame()},
        {"trunk: tagged", VlanFilter::trunk({VlanId{10}}), 10, tagged_frame(10)},
        {"all: tagged", VlanFilter::all(), 10, tagged_frame(10)},
        {"all: untagged as VLAN 0", VlanFilter::all(), 0, untagged_frame()},
        {"all: a priority alone is lost", VlanFilter::all(), 3U << 13U, untagged_frame()},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        Packet frame = pool.take(untagged_frame());
        frame.vlan_tci() = row.tci;
        row.filter.emit(frame);
        CHECK(copy_of(frame) == row.written);
        CHECK(frame.vlan_tci() == 0);
    }
}
