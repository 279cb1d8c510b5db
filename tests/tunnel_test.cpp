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

    TunnelPayload payload_of(std::span<const std::uint8_t> bytes, std::uint8_t next_header) {
        Packet packet = pool.take(bytes);
        return next_header == 17 ? frame_payload(std::move(packet), Vni{100}, 0x12345678)
                                 : datagram_payload(std::move(packet));
    }

    static std::optional<Bytes> sealed_by(OutboundSa& sa, const TunnelPayload& payload) {
        const auto segments = Segmenter::of(payload.packet, payload.network);
        REQUIRE(segments.has_value());
        Bytes sealed(sealed_size(payload, segments->size(0)));
        if (!seal(sa, payload, *segments, 0, sealed)) return std::nullopt;
        return sealed;
    }

    Bytes sealed(std::span<const std::uint8_t> datagram) {
        return *sealed_by(outbound, payload_of(datagram, 4));
    }

    // What UDP and VXLAN make of a frame inside ESP.
    Packet inside(std::span<const std::uint8_t> frame) {
        Packet packet = pool.take();
        CHECK(open(inbound, *sealed_by(outbound, payload_of(frame, 17)), packet).has_value());
        return packet;
    }

    std::expected<OpenedPayload, Drop> opened(std::span<const std::uint8_t> sealed) {
        Packet packet = pool.take();
        return open(inbound, sealed, packet);
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
        const TunnelPayload payload = ends.payload_of(bytes, next_header);
        CHECK(payload.next_header == next_header);
        const auto sealed = Ends::sealed_by(ends.outbound, payload);
        REQUIRE(sealed.has_value());
        CHECK(sealed->size() == Esp::sealed_size(bytes.size() + (next_header == 17 ? 16 : 0)));
        CHECK(Esp::spi_of(*sealed) == 300);

        Packet packet = ends.pool.take();
        const auto opened = open(ends.inbound, *sealed, packet);
        REQUIRE(opened.has_value());
        CHECK(opened->next_header == next_header);
        CHECK(opened->sequence == 1);
        CHECK(opened->newest);
        const auto inner = decapsulate(packet, opened->next_header);
        REQUIRE(inner.has_value());
        CHECK(inner->vni == (next_header == 17 ? std::optional{Vni{100}} : std::nullopt));
        CHECK(bytes_of(packet) == bytes);
    }
}

TEST_CASE("a plain frame stands behind its VXLAN header") {
    Ends ends;
    const TunnelPayload payload = ends.payload_of(ethernet, 17);
    const auto segments = Segmenter::of(payload.packet, payload.network);
    REQUIRE(segments.has_value());
    Bytes out(plain_size(ethernet.size()));
    encapsulate(payload, *segments, 0, out);
    CHECK(out == in_vxlan(Vni{100}, ethernet, false));
}

TEST_CASE("the largest packets have room for everything that is put around them") {
    Ends ends;
    Packet packet = ends.pool.take();
    packet.resize(Packet::max_size);
    const auto sealed = Ends::sealed_by(ends.outbound, frame_payload(std::move(packet), Vni{1}, 0));
    REQUIRE(sealed.has_value());
    CHECK(sealed->size() == Esp::sealed_size(Packet::max_size + 16));
    Packet opened = ends.pool.take();
    CHECK(open(ends.inbound, *sealed, opened).has_value());
}

TEST_CASE("a dummy is sealed like any packet and opens to nothing") {
    Ends ends;
    const auto dummy = Ends::sealed_by(ends.outbound, dummy_payload(ends.pool.take()));
    REQUIRE(dummy.has_value());
    Packet packet = ends.pool.take();
    const auto opened = open(ends.inbound, *dummy, packet);
    REQUIRE(opened.has_value());
    CHECK(packet.size() == 0);
    CHECK(opened->next_header == ip_protocol::none);
}

TEST_CASE("only a packet ahead of all others is the newest") {
    Ends ends;
    const Bytes first = ends.sealed(v4);
    const Bytes second = ends.sealed(v4);
    const Bytes third = ends.sealed(v4);
    CHECK(ends.opened(second)->newest);
    CHECK_FALSE(ends.opened(first)->newest);
    CHECK(ends.opened(third)->newest);
}

TEST_CASE("what ESP refuses has a name") {
    Ends ends;
    const Bytes good = ends.sealed(v4);
    CHECK(ends.opened(good).has_value());
    CHECK(ends.opened(good).error() == Drop::replayed);

    Bytes forged = ends.sealed(v4);
    forged[20] ^= 1U;
    CHECK(ends.opened(forged).error() == Drop::auth_failed);
    for (std::size_t size = 0; size < Esp::min_size; ++size)
        CHECK(ends.opened(std::span(good).first(size)).error() == Drop::truncated);

    InboundSa late{sa_keys(300), ReplayWindow::default_size, std::uint64_t{1} << 33U};
    const Bytes old = ends.sealed(v4);
    Packet packet = ends.pool.take();
    CHECK(open(late, old, packet).error() == Drop::auth_failed);  // its number might lie ahead as well

    OutboundSa used_up{sa_keys(300), 5, 5};
    CHECK(Ends::sealed_by(used_up, ends.payload_of(v4, 4)).has_value());
    CHECK_FALSE(Ends::sealed_by(used_up, ends.payload_of(v4, 4)).has_value());
}

TEST_CASE("every truncation of what ESP carried for a bridge is refused or the whole frame") {
    Ends ends;
    const Packet whole = ends.inside(ethernet);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        Packet cut = whole.clone();
        cut.resize(size);
        CHECK(decapsulate(cut, ip_protocol::udp).error() == Drop::truncated);
    }
}

TEST_CASE("a changed byte in what ESP carried never reaches beyond the packet") {
    Ends ends;
    const Packet whole = ends.inside(ethernet);
    for (std::size_t at = 0; at < 16; ++at) {
        for (unsigned value = 0; value < 256; ++value) {
            Packet changed = whole.clone();
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
