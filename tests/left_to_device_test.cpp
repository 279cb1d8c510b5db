#include "vswitch/left_to_device.h"

#include <random>

#include <doctest/doctest.h>

#include "tests/support/super_frame.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr std::uint16_t mtu = 1450;

Bytes link() {
    Bytes addresses;
    append(addresses, mac("02:00:00:00:00:0b").octets);
    append(addresses, mac("02:00:00:00:00:0a").octets);
    return addresses;
}

SuperFrame packet_of(bool is_v6, bool is_tcp, std::size_t payload) {
    return {.is_v6 = is_v6,
            .is_tcp = is_tcp,
            .link = link(),
            .source = is_v6 ? ip("2001:db8::1") : ip("10.0.0.1"),
            .destination = is_v6 ? ip("2001:db8::2") : ip("10.0.0.2"),
            .gso_size = 0xFFFF,
            .payload = pattern(payload)};
}

Bytes partial(const SuperFrame& spec) {
    return write_packet(spec, spec.payload, 0, spec.flags, true);
}

Bytes finished(const SuperFrame& spec) {
    return write_packet(spec, spec.payload, 0, spec.flags, false);
}

bool is_marked(const Packet& packet) {
    return packet.offload().needs_checksum || packet.offload().gso != Offload::Gso::none;
}

struct Marked {
    PacketPool pool{64};
    Packet packet;

    explicit Marked(const Bytes& frame) : packet(pool.take(frame)) { mark_left_to_device(packet, mtu); }
};

const std::array all_kinds{std::pair{false, false}, std::pair{false, true}, std::pair{true, false},
                           std::pair{true, true}};

}  // namespace

TEST_CASE("a checksum field with the pseudo-header's sum is marked, and completed to the right one") {
    for (const auto& [is_v6, is_tcp] : all_kinds) {
        for (const std::size_t payload : {0U, 1U, 2U, 100U, 1001U}) {
            CAPTURE(is_v6);
            CAPTURE(is_tcp);
            CAPTURE(payload);
            const SuperFrame spec = packet_of(is_v6, is_tcp, payload);
            Marked marked{partial(spec)};
            CHECK(marked.packet.offload().needs_checksum);
            CHECK(marked.packet.offload().gso == Offload::Gso::none);
            CHECK(marked.packet.checksum_start() == spec.transport());
            CHECK(bytes_of(marked.packet) == partial(spec));
            complete_checksum(marked.packet);
            CHECK(bytes_of(marked.packet) == finished(spec));
        }
    }
}

TEST_CASE("behind IPv4 options and IPv6 extension headers a left checksum is found as well") {
    for (const auto& [is_v6, is_tcp] : all_kinds) {
        SuperFrame spec = packet_of(is_v6, is_tcp, 100);
        spec.extension = 8;
        Marked marked{partial(spec)};
        CHECK(marked.packet.checksum_start() == spec.transport());
        complete_checksum(marked.packet);
        CHECK(bytes_of(marked.packet) == finished(spec));
    }
}

TEST_CASE("a finished checksum, a wrong one and none are left alone") {
    for (const auto& [is_v6, is_tcp] : all_kinds) {
        const SuperFrame spec = packet_of(is_v6, is_tcp, 100);
        const std::size_t field = spec.transport() + (is_tcp ? 16 : 6);
        CHECK_FALSE(is_marked(Marked{finished(spec)}.packet));
        Bytes wrong = partial(spec);
        ++wrong[field + 1];
        CHECK_FALSE(is_marked(Marked{wrong}.packet));
        put16(wrong, field, 0);
        CHECK_FALSE(is_marked(Marked{wrong}.packet));
    }
}

TEST_CASE("a finished checksum that is the pseudo-header's sum by chance stays the right one") {
    for (const auto& [is_v6, is_tcp] : all_kinds) {
        SuperFrame spec = packet_of(is_v6, is_tcp, 100);
        const auto field = static_cast<std::ptrdiff_t>(spec.transport() + (is_tcp ? 16 : 6));
        // The last word makes up for the difference.
        put16(spec.payload, 98, 0);
        const unsigned wanted = get16(partial(spec), static_cast<std::size_t>(field));
        const unsigned others = ~get16(finished(spec), static_cast<std::size_t>(field)) & 0xFFFFU;
        put16(spec.payload, 98, ((~wanted & 0xFFFFU) + 0xFFFFU - others) % 0xFFFFU);
        REQUIRE(finished(spec) == partial(spec));
        Marked marked{finished(spec)};
        CHECK(is_marked(marked.packet));
        complete_checksum(marked.packet);
        CHECK(bytes_of(marked.packet) == finished(spec));
    }
}

TEST_CASE("TCP that is larger than the MTU is a super-frame, whose segments fit and are right") {
    for (const bool is_v6 : {false, true}) {
        for (const std::size_t options : {0U, 12U}) {
            for (const std::size_t size : {std::size_t{mtu} + 1, std::size_t{30'000}, std::size_t{65'480}}) {
                CAPTURE(is_v6);
                CAPTURE(size);
                const std::size_t headers = (is_v6 ? 60 : 40) + options;
                SuperFrame spec = packet_of(is_v6, true, size - headers);
                spec.tcp_options = Bytes(options, 1);
                spec.flags = TcpHeader::ack | TcpHeader::psh | TcpHeader::cwr;
                spec.gso_size = mtu - headers;
                Marked marked{partial(spec)};
                CHECK(marked.packet.offload().ecn);
                CHECK(marked.packet.offload().needs_checksum);
                CHECK(marked.packet.offload().gso_size == mtu - headers);
                CHECK(wire_size(marked.packet) == mtu + sizeof(EthernetHeader));
                std::vector<Packet> segments;
                REQUIRE(segment(std::move(marked.packet), 14, segments));
                std::vector<Bytes> cut;
                for (const Packet& one : segments) cut.push_back(bytes_of(one));
                CHECK(cut == reference_segments(spec));
            }
        }
    }
}

TEST_CASE("what is as large as the MTU is one packet, and UDP of any size") {
    for (const bool is_v6 : {false, true}) {
        Marked fits{partial(packet_of(is_v6, true, mtu - (is_v6 ? 60 : 40)))};
        CHECK(fits.packet.offload().needs_checksum);
        CHECK(fits.packet.offload().gso == Offload::Gso::none);
        Marked udp{partial(packet_of(is_v6, false, 4000))};
        CHECK(udp.packet.offload().needs_checksum);
        CHECK(udp.packet.offload().gso == Offload::Gso::none);
    }
}

TEST_CASE("an MTU without room for a payload makes no super-frames") {
    PacketPool pool{4};
    for (const std::uint16_t small : {std::uint16_t{0}, std::uint16_t{20}, std::uint16_t{40}}) {
        Packet packet = pool.take(partial(packet_of(false, true, 100)));
        mark_left_to_device(packet, small);
        CHECK(packet.offload().needs_checksum);
        CHECK(packet.offload().gso == Offload::Gso::none);
    }
}

TEST_CASE("fragments, ICMP, tags and other protocols are left alone") {
    SuperFrame fragment = packet_of(false, false, 100);
    fragment.fragment_flags = 0x2000;
    CHECK_FALSE(is_marked(Marked{partial(fragment)}.packet));
    fragment.fragment_flags = 4;
    CHECK_FALSE(is_marked(Marked{partial(fragment)}.packet));
    const auto frame = [](PacketBuilder builder) { return builder.build(); };
    const auto with_ip = PacketBuilder()
                             .ethernet(mac("02:00:00:00:00:0b"), mac("02:00:00:00:00:0a"))
                             .ip(ip("10.0.0.1"), ip("10.0.0.2"));
    CHECK_FALSE(is_marked(Marked{frame(PacketBuilder{with_ip}.echo_request(1, 1))}.packet));
    CHECK_FALSE(is_marked(Marked{frame(PacketBuilder{with_ip}.protocol(132).payload(64))}.packet));
    SuperFrame tagged = packet_of(false, false, 100);
    append16(tagged.link, 0x8100);
    append16(tagged.link, 10);
    CHECK_FALSE(is_marked(Marked{partial(tagged)}.packet));
}

TEST_CASE("what has bytes behind its IP length is left alone: they are in no checksum and in no segment") {
    for (const auto& [is_v6, is_tcp] : all_kinds) {
        for (const std::size_t payload : {std::size_t{100}, std::size_t{4000}}) {
            Bytes frame = partial(packet_of(is_v6, is_tcp, payload));
            frame.push_back(1);
            frame.push_back(2);
            CHECK_FALSE(is_marked(Marked{frame}.packet));
        }
    }
}

TEST_CASE("of no truncated or mutated frame a byte behind its end is read, or one before it changed") {
    std::mt19937 random{11};
    // The pool's buffers are larger than any frame: what is read of them shows in the outcome.
    const auto outcome = [](const Bytes& frame, std::uint8_t behind) {
        PacketPool pool{64};
        Bytes longer = frame;
        longer.resize(frame.size() + 64, behind);
        Packet packet = pool.take(longer);
        packet.resize(frame.size());
        mark_left_to_device(packet, mtu);
        CHECK(bytes_of(packet) == frame);
        std::vector<Packet> segments;
        std::vector<Bytes> result;
        if (packet.offload().gso == Offload::Gso::none) {
            complete_checksum(packet);
            segments.push_back(std::move(packet));
        } else if (!segment(std::move(packet), sizeof(EthernetHeader), segments)) {
            segments.clear();
        }
        for (const Packet& one : segments) result.push_back(bytes_of(one));
        return result;
    };
    const auto survives = [&](const Bytes& frame) {
        const auto zeros = outcome(frame, 0);
        CHECK(zeros == outcome(frame, 0xA5));
        for (const Bytes& one : zeros)
            CHECK(one.size() <= (zeros.size() == 1 ? frame.size() : mtu + sizeof(EthernetHeader)));
    };
    for (const auto& [is_v6, is_tcp] : all_kinds) {
        for (const unsigned extension : {0U, 8U}) {
            SuperFrame spec = packet_of(is_v6, is_tcp, 1600);
            spec.extension = extension;
            const Bytes whole = partial(spec);
            for (std::size_t size = 0; size < 160; ++size)
                survives({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
            for (int i = 0; i < 1000; ++i) {
                Bytes mutated = whole;
                if (random() % 2 == 0) mutated.resize(14 + random() % 200);
                for (auto changes = 1 + random() % 3; changes > 0; --changes)
                    mutated[12 + random() % std::min<std::size_t>(88, mutated.size() - 12)] =
                        static_cast<std::uint8_t>(random());
                survives(mutated);
            }
        }
    }
}

TEST_CASE("only the IP length that is the frame's is believed, even if the sum agrees with another") {
    for (const bool is_tcp : {false, true}) {
        const SuperFrame spec = packet_of(false, is_tcp, 1600);
        const Bytes whole = partial(spec);
        const auto right = static_cast<unsigned>(whole.size() - spec.network());
        const std::size_t field = spec.transport() + (is_tcp ? 16 : 6);
        for (unsigned length = right % 7; length <= 0xFFFF; length += 7) {
            Bytes frame = whole;
            put16(frame, spec.network() + 2, length);
            put16(frame, field, (get16(whole, field) + length + 0xFFFF - right) % 0xFFFF);
            CHECK(is_marked(Marked{frame}.packet) == (length == right));
        }
    }
}
