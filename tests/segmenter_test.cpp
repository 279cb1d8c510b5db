// Ten thousand random super-frames against the reference: there (Segmenter) and back (Coalescer).
#include "vswitch/segmenter.h"

#include <doctest/doctest.h>

#include "tests/support/super_frame.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr int rounds = 10'000;

class Generator {
  public:
    explicit Generator(std::uint32_t seed) : random_(seed) {}

    std::size_t below(std::size_t bound) { return random_() % bound; }

    bool one_in(unsigned times) { return below(times) == 0; }

    Bytes bytes(std::size_t size) {
        Bytes result(size);
        for (auto& byte : result) byte = static_cast<std::uint8_t>(random_());
        return result;
    }

    SuperFrame super_frame();

  private:
    IpAddress address(bool is_v6) {
        const Bytes octets = bytes(16);
        std::array<std::uint8_t, 16> v6{};
        std::array<std::uint8_t, 4> v4{};
        std::copy_n(octets.begin(), 16, v6.begin());
        std::copy_n(octets.begin(), 4, v4.begin());
        return is_v6 ? IpAddress::v6(v6) : IpAddress::v4(v4);
    }

    Bytes link() {
        Bytes result;
        if (one_in(3)) return result;
        result = bytes(12);
        if (one_in(3)) {
            append16(result, 0x8100);
            append16(result, static_cast<unsigned>(below(0x10000)));
        }
        return result;
    }

    std::size_t payload_size(std::size_t gso_size, std::size_t limit) {
        const std::size_t whole = gso_size * below(gso_size < 50 ? 200 : 40);  // more than a run has, too
        switch (below(4)) {
            case 0:
                return std::min(limit, whole);
            case 1:
                return std::min(limit, whole + 1);
            case 2:
                return below(gso_size);  // zero-length UDP, too
            default:
                return std::min(limit, whole + below(gso_size));
        }
    }

    std::mt19937 random_;
};

SuperFrame Generator::super_frame() {
    SuperFrame spec{.is_v6 = one_in(2), .is_tcp = !one_in(3), .link = link()};
    spec.tos = static_cast<unsigned>(below(256));
    spec.flow_label = static_cast<unsigned>(below(1U << 20U));
    spec.ttl = static_cast<unsigned>(1 + below(255));
    spec.identification = one_in(3) ? 0xFFF0 : static_cast<unsigned>(below(0x10000));
    spec.fragment_flags = one_in(3) ? 0 : 0x4000;
    spec.extension = one_in(8) ? 8 : 0;
    spec.source = address(spec.is_v6);
    spec.destination = address(spec.is_v6);
    spec.source_port = static_cast<unsigned>(below(0x10000));
    spec.destination_port = static_cast<unsigned>(below(0x10000));
    spec.sequence = one_in(3) ? 0xFFFFF000 : static_cast<std::uint32_t>(below(1ULL << 32U));
    spec.acknowledgment = static_cast<std::uint32_t>(below(1ULL << 32U));
    spec.window = static_cast<unsigned>(below(0x10000));
    spec.tcp_options = bytes(below(11) * 4);
    if (one_in(3)) spec.flags |= TcpHeader::psh;
    if (one_in(4)) spec.flags |= TcpHeader::fin;
    if (one_in(4)) spec.flags |= TcpHeader::ece;
    if (one_in(6)) spec.flags |= TcpHeader::cwr;
    spec.gso_size = one_in(4) ? 1 + below(50) : 500 + below(1000);
    spec.payload = bytes(payload_size(spec.gso_size, 65535 - 120));
    if (one_in(50)) std::fill(spec.payload.begin(), spec.payload.end(), std::uint8_t{0});
    return spec;
}

// What the Coalescer may join again.
std::size_t expected_runs(const SuperFrame& spec) {
    if (spec.extension > 0) return spec.count();
    const bool first_is_alone = spec.is_tcp && (spec.flags & TcpHeader::cwr) != 0 && spec.count() > 1;
    const std::size_t joined = spec.count() - (first_is_alone ? 1 : 0);
    return (joined + Coalescer::max_packets - 1) / Coalescer::max_packets + (first_is_alone ? 1 : 0);
}

}  // namespace

TEST_CASE(
    "random super-frames are cut as the reference cuts them, joined, and cut into the same bytes again") {
    Generator generator(20'2611);
    PacketPool pool(300);
    Coalescer coalescer;
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(round);
        const SuperFrame spec = generator.super_frame();
        const std::vector<Bytes> expected = reference_segments(spec);
        std::vector<Packet> segments;
        const auto network = static_cast<std::uint16_t>(spec.network());
        {
            const Packet packet = make_super_frame(pool, spec);
            const auto segmenter = Segmenter::of(packet, network);
            REQUIRE(segmenter.has_value());
            REQUIRE(segmenter->count() == expected.size());
            for (std::size_t i = 0; i < expected.size(); ++i) {
                REQUIRE(segmenter->size(i) == expected[i].size());
                Bytes written(expected[i].size() + 1, 0xA5);
                segmenter->write(i, written.data());
                REQUIRE(written.back() == 0xA5);
                written.pop_back();
                REQUIRE(written == expected[i]);
                segments.push_back(pool.take(written));
            }
        }
        const LinkLayer link = spec.link.empty() ? LinkLayer::none : LinkLayer::ethernet;
        const auto runs = coalescer.arrange(segments, link, true);
        REQUIRE(runs.size() == expected_runs(spec));
        std::size_t next = 0;
        for (const auto& run : runs) {
            const Packet joined = join(pool, coalescer, run, segments);
            const auto again = Segmenter::of(joined, network);
            REQUIRE(again.has_value());
            REQUIRE(again->count() == run.count);
            for (std::size_t i = 0; i < run.count; ++i) {
                Bytes written(again->size(i));
                again->write(i, written.data());
                REQUIRE(written == expected[next++]);
            }
        }
        REQUIRE(next == expected.size());
    }
}

TEST_CASE("the first segment may be written over the packet when the others have been") {
    Generator generator(5);
    PacketPool pool(1);
    for (int round = 0; round < 200; ++round) {
        const SuperFrame spec = generator.super_frame();
        const std::vector<Bytes> expected = reference_segments(spec);
        Packet packet = make_super_frame(pool, spec);
        const auto segmenter = Segmenter::of(packet, static_cast<std::uint16_t>(spec.network()));
        REQUIRE(segmenter.has_value());
        segmenter->write(0, packet.data());
        packet.resize(segmenter->size(0));
        REQUIRE(bytes_of(packet) == expected.front());
    }
}

TEST_CASE(
    "a packet that is no super-frame is its only segment, its checksum completed if that was left to us") {
    PacketPool pool(1);
    for (const bool is_tcp : {true, false}) {
        for (const bool partial : {true, false}) {
            SuperFrame spec{.is_tcp = is_tcp, .source = ip("10.0.0.1"), .destination = ip("10.0.0.2")};
            spec.payload = Bytes(333, 7);
            Packet packet = pool.take(write_packet(spec, spec.payload, 0, spec.flags, partial));
            packet.offload() = {.needs_checksum = partial,
                                .checksum_offset = static_cast<std::uint16_t>(is_tcp ? 16 : 6)};
            packet.set_checksum_start(spec.transport());
            const auto segmenter = Segmenter::of(packet, 0);
            REQUIRE(segmenter.has_value());
            REQUIRE(segmenter->count() == 1);
            REQUIRE(segmenter->size(0) == packet.size());
            Bytes written(packet.size());
            segmenter->write(0, written.data());
            CHECK(written == write_packet(spec, spec.payload, 0, spec.flags, false));
        }
    }
}
