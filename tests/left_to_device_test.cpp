#include "vswitch/left_to_device.h"

#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"
#include "vswitch/checksum.h"
#include "vswitch/flow.h"
#include "vswitch/gso.h"
#include "vswitch/headers.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr std::uint16_t mtu = 1450;

struct Made {
    bool is_v6;
    bool is_tcp;
    std::size_t payload;
};

Bytes whole(const Made& made) {
    PacketBuilder builder;
    builder.ethernet(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"))
        .ip(ip(made.is_v6 ? "fd00::1" : "10.0.0.1"), ip(made.is_v6 ? "fd00::2" : "10.0.0.2"));
    made.is_tcp ? builder.tcp(1000, 2000) : builder.udp(1000, 2000);
    return builder.payload(made.payload).build();
}

std::size_t field_of(const Bytes& frame) {
    const auto what = classify_frame(frame, untagged).value();
    return what.transport + (what.flow.protocol == ip_protocol::tcp ? offsetof(TcpHeader, checksum)
                                                                    : offsetof(UdpHeader, checksum));
}

// As a kernel leaves it.
Bytes unfinished(const Made& made) {
    Bytes frame = whole(made);
    const auto what = classify_frame(frame, untagged).value();
    const auto sum = pseudo_header_sum(what.flow.source, what.flow.destination, what.flow.protocol,
                                       static_cast<std::uint32_t>(frame.size() - what.transport));
    *writable_view<be16>(frame, field_of(frame)) = sum.partial();
    return frame;
}

}  // namespace

TEST_CASE("an unfinished checksum is marked, and completed to what it should have been") {
    PacketPool pool(8);
    for (const Made& made :
         {Made{false, false, 100}, Made{false, true, 100}, Made{true, false, 33}, Made{true, true, 1}}) {
        Packet packet = pool.take(unfinished(made));
        mark_left_to_device(packet, mtu);
        REQUIRE(packet.offload().needs_checksum);
        CHECK(packet.offload().gso == Offload::Gso::none);
        complete_checksum(packet);
        CHECK(std::ranges::equal(packet.bytes(), whole(made)));
    }
}

TEST_CASE("a finished checksum is left alone, and so are fragments, pings and what is no IP") {
    PacketPool pool(8);
    const auto is_left = [&](const Bytes& frame) {
        Packet packet = pool.take(frame);
        mark_left_to_device(packet, mtu);
        return !packet.offload().needs_checksum && packet.offload().gso == Offload::Gso::none;
    };
    CHECK(is_left(whole({false, false, 100})));
    CHECK(is_left(whole({true, true, 100})));
    const auto a = mac("02:00:00:00:00:01");
    CHECK(is_left(PacketBuilder()
                      .ethernet(a, a)
                      .ip(ip("10.0.0.1"), ip("10.0.0.2"))
                      .fragment(0, true)
                      .udp(1, 2)
                      .payload(64)
                      .build()));
    CHECK(is_left(
        PacketBuilder().ethernet(a, a).ip(ip("10.0.0.1"), ip("10.0.0.2")).icmp(8, 0).payload(64).build()));
    CHECK(is_left(PacketBuilder().ethernet(a, a, 0x88B5).payload(64).build()));
}

TEST_CASE(
    "TCP larger than the MTU is a super-frame, whose segments are as large as that and have right "
    "checksums") {
    PacketPool pool(16);
    for (const bool is_v6 : {false, true}) {
        Packet packet = pool.take(unfinished({is_v6, true, 4000}));
        mark_left_to_device(packet, mtu);
        REQUIRE(packet.offload().gso == (is_v6 ? Offload::Gso::tcp6 : Offload::Gso::tcp4));
        std::vector<Packet> segments;
        REQUIRE(segment(std::move(packet), sizeof(EthernetHeader), segments));
        CHECK(segments.size() == 3);
        for (const Packet& one : segments) {
            CHECK(one.size() <= sizeof(EthernetHeader) + mtu);
            const auto what = classify_frame(one.bytes(), untagged).value();
            auto sum = pseudo_header_sum(what.flow.source, what.flow.destination, what.flow.protocol,
                                         static_cast<std::uint32_t>(one.size() - what.transport));
            sum.add(one.bytes().subspan(what.transport));
            CHECK(sum.finish() == 0);
        }
    }
}

TEST_CASE("UDP larger than the MTU is a datagram still") {
    PacketPool pool(4);
    Packet packet = pool.take(unfinished({false, false, 4000}));
    mark_left_to_device(packet, mtu);
    CHECK(packet.offload().needs_checksum);
    CHECK(packet.offload().gso == Offload::Gso::none);
}

TEST_CASE("no truncated or altered frame harms it, nor whoever segments what it has marked") {
    PacketPool pool(64);
    std::mt19937 random(1);
    for (int i = 0; i < 20000; ++i) {
        Bytes frame = unfinished({(i & 1) != 0, (i & 2) != 0, (i & 4) != 0 ? 3000U : 50U});
        for (auto changes = random() % 3; changes > 0; --changes)
            frame[random() % 60] = static_cast<std::uint8_t>(random());
        if (i % 3 == 0) frame.resize(random() % frame.size() + 1);
        Packet packet = pool.take(frame);
        mark_left_to_device(packet, i % 5 == 0 ? static_cast<std::uint16_t>(random()) : mtu);
        std::vector<Packet> segments;
        (void)segment(std::move(packet), sizeof(EthernetHeader), segments);
    }
    CHECK(pool.available() == pool.size());
}
