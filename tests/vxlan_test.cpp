#include "overlay/vxlan.h"

#include <set>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using test::Bytes;
using test::PacketBuilder;

namespace {

const Bytes inner = PacketBuilder().ethernet(broadcast_mac, {{2, 0, 0, 0, 0, 1}}).payload(50).build();

Bytes bytes_of(const Packet& packet) {
    return {packet.bytes().begin(), packet.bytes().end()};
}

void push_vxlan(Packet& frame, Vni vni) {
    frame.push(vxlan_header_size);
    write_vxlan(frame.bytes().first<vxlan_header_size>(), vni);
}

void push_vxlan_udp(Packet& packet, std::uint16_t source_port) {
    const std::size_t payload = packet.size();
    packet.push(vxlan_udp_header_size);
    write_vxlan_udp(packet.bytes().first<vxlan_udp_header_size>(), source_port, payload);
}

}  // namespace

TEST_CASE("a VXLAN header stands as RFC 7348 section 5 draws it") {
    PacketPool pool(1);
    Packet packet = pool.take(inner);
    push_vxlan(packet, Vni{0x123456});
    Bytes expected{8, 0, 0, 0, 0x12, 0x34, 0x56, 0};
    expected.insert(expected.end(), inner.begin(), inner.end());
    CHECK(bytes_of(packet) == expected);
    CHECK(pull_vxlan(packet) == Vni{0x123456});
    CHECK(bytes_of(packet) == inner);
}

TEST_CASE("every VNI survives the way") {
    PacketPool pool(1);
    for (const std::uint32_t number : {0U, 1U, 0xFFU, 0x100U, 0xFFFFU, 0x10000U, max_vni}) {
        Packet packet = pool.take(inner);
        push_vxlan(packet, Vni{number});
        CHECK(pull_vxlan(packet) == Vni{number});
    }
}

TEST_CASE("reserved bits of a VXLAN header are ignored, a missing VNI flag is not") {
    PacketPool pool(1);
    for (unsigned bit = 0; bit < 64; ++bit) {
        CAPTURE(bit);
        Packet packet = pool.take(inner);
        push_vxlan(packet, Vni{77});
        packet.data()[bit / 8] ^= static_cast<std::uint8_t>(0x80U >> bit % 8);
        const auto vni = pull_vxlan(packet);
        if (bit == 4) {
            CHECK(vni == std::unexpected(Drop::bad_vxlan));
        } else if (bit >= 32 && bit < 56) {
            CHECK(vni == Vni{77 ^ (1U << (55 - bit))});
        } else {
            CHECK(vni == Vni{77});
        }
    }
}

TEST_CASE("a VXLAN packet that is cut off before the end of the inner Ethernet header is truncated") {
    PacketPool pool(1);
    for (std::size_t size = 0; size <= inner.size() + 8; ++size) {
        CAPTURE(size);
        Packet packet = pool.take(inner);
        push_vxlan(packet, Vni{77});
        packet.resize(size);
        CHECK(pull_vxlan(packet).has_value() == (size >= 8 + 14));
    }
}

TEST_CASE("the UDP header around VXLAN has the right length, no checksum, and comes off again") {
    PacketPool pool(1);
    Packet packet = pool.take(inner);
    push_vxlan_udp(packet, 0xC123);
    const std::size_t size = inner.size() + 8;
    CHECK(Bytes(packet.data(), packet.data() + 8) == Bytes{0xC1, 0x23, 0x12, 0xB5,
                                                           static_cast<std::uint8_t>(size >> 8U),
                                                           static_cast<std::uint8_t>(size), 0, 0});
    CHECK(pull_vxlan_udp(packet).has_value());
    CHECK(bytes_of(packet) == inner);
}

TEST_CASE("what is behind the UDP length is cut off, and less than that is truncated") {
    PacketPool pool(1);
    for (std::size_t size = 0; size <= inner.size() + 8 + 4; ++size) {
        CAPTURE(size);
        Packet packet = pool.take(inner);
        push_vxlan_udp(packet, 50000);
        packet.resize(size);
        const auto pulled = pull_vxlan_udp(packet);
        CHECK(pulled.has_value() == (size >= inner.size() + 8));
        if (pulled) {
            CHECK(bytes_of(packet) == inner);
        } else {
            CHECK(pulled.error() == Drop::truncated);
        }
    }
}

TEST_CASE("a UDP length below its own header, and another destination port, are refused") {
    PacketPool pool(1);
    for (std::uint8_t length = 0; length < 8; ++length) {
        Packet packet = pool.take(inner);
        push_vxlan_udp(packet, 50000);
        packet.data()[4] = 0;
        packet.data()[5] = length;
        CHECK(pull_vxlan_udp(packet) == std::unexpected(Drop::truncated));
    }
    Packet packet = pool.take(inner);
    push_vxlan_udp(packet, 50000);
    packet.data()[3] ^= 1U;
    CHECK(pull_vxlan_udp(packet) == std::unexpected(Drop::bad_vxlan));
}

TEST_CASE("source ports are dynamic ones, and flows spread over all of them") {
    std::set<std::uint16_t> ports;
    for (std::uint32_t hash = 0; hash < 0x8000; ++hash) {
        const std::uint16_t port = vxlan_source_port(hash * 0x10001U);
        CHECK_UNARY(port >= 49152);
        ports.insert(port);
    }
    CHECK(ports.size() == 0x4000);
}
