#include "overlay/tunnel.h"

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;

namespace {

const Bytes v4 = udp_datagram(ip("10.0.0.1"), ip("10.0.0.2"), 33);
const Bytes v6 = udp_datagram(ip("2001:db8::1"), ip("2001:db8::2"), 34);
const Bytes ethernet = ip_frame(broadcast_mac, {{2, 0, 0, 0, 0, 1}}, v4);

Bytes bytes_of(const Packet& packet) {
    return {packet.bytes().begin(), packet.bytes().end()};
}

struct Ends {
    PacketPool pool{8};
    OutboundSa outbound{sa_keys(300)};
    InboundSa inbound{sa_keys(300)};

    PlainPayload sealed(std::span<const std::uint8_t> datagram) {
        PlainPayload payload = encapsulate_datagram(pool.take(datagram));
        CHECK(seal(outbound, payload).has_value());
        return payload;
    }
};

}  // namespace

TEST_CASE("what is sealed and opened again is the frame or datagram it was") {
    struct Case {
        Bytes bytes;
        std::uint8_t next_header;
    };

    for (const auto& [bytes, next_header] : {Case{v4, 4}, Case{v6, 41}, Case{ethernet, 17}}) {
        CAPTURE(next_header);
        Ends ends;
        Packet packet = ends.pool.take(bytes);
        PlainPayload payload = next_header == 17 ? encapsulate_frame(std::move(packet), Vni{100}, 0x12345678)
                                                 : encapsulate_datagram(std::move(packet));
        CHECK(payload.next_header == next_header);
        const std::size_t inside = payload.packet.size();
        REQUIRE(seal(ends.outbound, payload).has_value());
        CHECK(payload.packet.size() == Esp::sealed_size(inside));
        CHECK(Esp::spi_of(payload.packet.bytes()) == 300);

        const auto opened = open(ends.inbound, payload.packet);
        REQUIRE(opened.has_value());
        CHECK(opened->next_header == next_header);
        CHECK(opened->newest);
        const auto inner = decapsulate(payload.packet, opened->next_header);
        REQUIRE(inner.has_value());
        CHECK(inner->vni == (next_header == 17 ? std::optional{Vni{100}} : std::nullopt));
        CHECK(bytes_of(payload.packet) == bytes);
    }
}

TEST_CASE("the largest packets have room for everything that is put around them") {
    Ends ends;
    Packet packet = ends.pool.take();
    packet.resize(Packet::max_size);
    PlainPayload payload = encapsulate_frame(std::move(packet), Vni{1}, 0);
    CHECK(seal(ends.outbound, payload).has_value());
    CHECK(payload.packet.size() == Esp::sealed_size(Packet::max_size + 16));
}

TEST_CASE("a dummy is sealed like any packet and opens to nothing") {
    Ends ends;
    PlainPayload dummy = dummy_payload(ends.pool.take());
    REQUIRE(seal(ends.outbound, dummy).has_value());
    const auto opened = open(ends.inbound, dummy.packet);
    REQUIRE(opened.has_value());
    CHECK(dummy.packet.size() == 0);
    CHECK(opened->next_header == ip_protocol::none);
}

TEST_CASE("only a packet ahead of all others is the newest") {
    Ends ends;
    PlainPayload first = ends.sealed(v4);
    PlainPayload second = ends.sealed(v4);
    PlainPayload third = ends.sealed(v4);
    CHECK(open(ends.inbound, second.packet)->newest);
    CHECK_FALSE(open(ends.inbound, first.packet)->newest);
    CHECK(open(ends.inbound, third.packet)->newest);
}

TEST_CASE("what ESP refuses has a name") {
    Ends ends;
    PlainPayload good = ends.sealed(v4);
    const Bytes wire = bytes_of(good.packet);
    CHECK(open(ends.inbound, good.packet).has_value());
    Packet again = ends.pool.take(wire);
    CHECK(open(ends.inbound, again).error() == Drop::replayed);

    PlainPayload forged = ends.sealed(v4);
    forged.packet.data()[20] ^= 1U;
    CHECK(open(ends.inbound, forged.packet).error() == Drop::auth_failed);

    Packet stub = ends.pool.take(std::span(wire).first(20));
    CHECK(open(ends.inbound, stub).error() == Drop::truncated);

    InboundSa late{sa_keys(300), ReplayWindow::default_size, std::uint64_t{1} << 33U};
    PlainPayload old = ends.sealed(v4);
    CHECK(open(late, old.packet).error() == Drop::auth_failed);  // its number might lie ahead as well

    OutboundSa used_up{sa_keys(300), 5, 5};
    PlainPayload last = encapsulate_datagram(ends.pool.take(v4));
    CHECK(seal(used_up, last).has_value());
    PlainPayload one_more = encapsulate_datagram(ends.pool.take(v4));
    CHECK(seal(used_up, one_more).error() == Drop::sa_exhausted);
}

TEST_CASE("every truncation of what ESP carried for a bridge is refused or the whole frame") {
    PacketPool pool(2);
    const PlainPayload whole = encapsulate_frame(pool.take(ethernet), Vni{100}, 0);
    for (std::size_t size = 0; size < whole.packet.size(); ++size) {
        Packet cut = whole.packet.clone();
        cut.resize(size);
        CHECK(decapsulate(cut, ip_protocol::udp).error() == Drop::truncated);
    }
}

TEST_CASE("a changed byte in what ESP carried never reaches beyond the packet") {
    PacketPool pool(2);
    const PlainPayload whole = encapsulate_frame(pool.take(ethernet), Vni{100}, 0);
    for (std::size_t at = 0; at < 16; ++at) {
        for (unsigned value = 0; value < 256; ++value) {
            Packet changed = whole.packet.clone();
            changed.data()[at] = static_cast<std::uint8_t>(value);
            if (decapsulate(changed, ip_protocol::udp)) {
                CHECK_UNARY(changed.size() >= 14 && changed.size() <= ethernet.size());
            }
        }
    }
}

TEST_CASE("other next headers are not spoken") {
    PacketPool pool(1);
    for (unsigned next_header = 0; next_header < 256; ++next_header) {
        if (next_header == 4 || next_header == 41 || next_header == 17 || next_header == 59) continue;
        Packet packet = pool.take(v4);
        CHECK(decapsulate(packet, static_cast<std::uint8_t>(next_header)).error() ==
              Drop::unknown_next_header);
    }
}
