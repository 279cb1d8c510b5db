#include "vswitch/mss_clamp.h"

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using namespace weft::test;

namespace {

const Bytes mss_1460{2, 4, 0x05, 0xB4};

struct Opening {
    const char* source = "10.0.0.1";
    const char* destination = "10.0.0.2";
    std::uint8_t flags = TcpHeader::syn;
    Bytes options = mss_1460;
};

Bytes build(const Opening& opening, std::uint16_t mss) {
    Bytes options = opening.options;
    for (std::size_t i = 0; i + 3 < options.size(); ++i) {
        if (options[i] != 2 || options[i + 1] != 4) continue;
        options[i + 2] = static_cast<std::uint8_t>(mss >> 8U);
        options[i + 3] = static_cast<std::uint8_t>(mss);
        break;
    }
    return PacketBuilder()
        .ip(ip(opening.source), ip(opening.destination))
        .tcp(1000, 80, opening.flags)
        .tcp_options(options)
        .build();
}

// What the router makes of it on a path of this MTU.
Bytes clamped(const Bytes& bytes, std::uint16_t mtu) {
    PacketPool pool(2);
    Packet packet = pool.take(bytes);
    const auto what = classify_datagram(packet.bytes());
    REQUIRE(what);
    clamp_mss(packet, *what, mtu);
    return {packet.bytes().begin(), packet.bytes().end()};
}

}  // namespace

TEST_CASE("an opening that promises too much is corrected, checksum included") {
    // The builder computes the checksum anew, so equality proves the incremental one.
    const Opening v4{};
    const Opening v6{.source = "2001:db8::1", .destination = "2001:db8::2"};
    for (const std::uint16_t mtu : {std::uint16_t{1438}, std::uint16_t{1280}, std::uint16_t{576}}) {
        CHECK(clamped(build(v4, 1460), mtu) == build(v4, static_cast<std::uint16_t>(mtu - 40)));
        CHECK(clamped(build(v6, 1440), mtu) == build(v6, static_cast<std::uint16_t>(mtu - 60)));
    }
    const Opening answer{.flags = TcpHeader::syn | TcpHeader::ack};
    CHECK(clamped(build(answer, 1460), 1400) == build(answer, 1360));
}

TEST_CASE("the option is found behind others, also at an odd place") {
    const Opening odd{.options = {1, 2, 4, 5, 0xB4, 1, 1, 0}};
    CHECK(clamped(build(odd, 1460), 1400) == build(odd, 1360));
    const Opening behind{.options = {8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 2, 4, 5, 0xB4}};
    CHECK(clamped(build(behind, 1460), 1400) == build(behind, 1360));
}

TEST_CASE("what fits, what opens nothing, and what has no such option is left alone") {
    const Opening small{};
    CHECK(clamped(build(small, 1360), 1400) == build(small, 1360));
    CHECK(clamped(build(small, 536), 1400) == build(small, 536));
    const Opening data{.flags = TcpHeader::ack};
    CHECK(clamped(build(data, 1460), 1400) == build(data, 1460));
    const Opening without{.options = {1, 1, 1, 0}};
    CHECK(clamped(build(without, 0), 1400) == build(without, 0));
}

TEST_CASE("options that make no sense are left alone") {
    for (const Bytes& options :
         {Bytes{2, 4, 5, 0xB4, 3, 0, 0, 0}, Bytes{3, 0, 2, 4, 5, 0xB4, 0, 0}, Bytes{3, 99, 2, 4},
          Bytes{2, 3, 5, 1}, Bytes{1, 1, 1, 2}, Bytes{0, 2, 4, 5, 0xB4, 0, 0, 0}}) {
        const Bytes packet = PacketBuilder()
                                 .ip(ip("10.0.0.1"), ip("10.0.0.2"))
                                 .tcp(1, 2, TcpHeader::syn)
                                 .tcp_options(options)
                                 .build();
        const bool leads_with_mss = options[0] == 2 && options[1] == 4;
        CHECK((clamped(packet, 1400) == packet) != leads_with_mss);
    }
}

TEST_CASE("an unfinished checksum is not touched") {
    PacketPool pool(2);
    Packet packet = pool.take(build({}, 1460));
    packet.offload().needs_checksum = true;
    packet.data()[20 + 16] = 0x12;
    packet.data()[20 + 17] = 0x34;
    const auto what = classify_datagram(packet.bytes());
    REQUIRE(what);
    clamp_mss(packet, *what, 1400);
    CHECK(packet.data()[20 + 16] == 0x12);
    CHECK(packet.data()[20 + 17] == 0x34);
    CHECK(packet.data()[42] == 1360 >> 8);
}
