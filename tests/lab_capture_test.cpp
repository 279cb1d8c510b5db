// Captures: pcapng as it is written, and pcap and pcapng as they are read.
#include <algorithm>
#include <stdexcept>

#include <doctest/doctest.h>

#include "lab/pcapng.h"
#include "lab/simulation/capture_file.h"
#include "tests/support/packet_builder.h"

using namespace weft;
using namespace weft::test;
using lab::PcapngWriter;

namespace {

void append(Bytes& to, std::initializer_list<std::uint32_t> words, bool swapped = false) {
    for (const std::uint32_t word : words) {
        for (unsigned i = 0; i < 4; ++i)
            to.push_back(static_cast<std::uint8_t>(word >> (8 * (swapped ? 3 - i : i))));
    }
}

struct Written {
    Bytes bytes;
    PcapngWriter writer{[this](std::span<const std::uint8_t> piece) {
        bytes.insert(bytes.end(), piece.begin(), piece.end());
    }};
};

Bytes pcap(std::uint32_t magic, bool swapped, std::uint32_t link = 1) {
    Bytes file;
    append(file, {magic, 0x0004'0002, 0, 0, 65535, link}, swapped);
    append(file, {100, 5, 4, 4}, swapped);
    file.insert(file.end(), {1, 2, 3, 4});
    append(file, {101, 7, 2, 6}, swapped);
    file.insert(file.end(), {5, 6});
    return file;
}

Bytes pcapng() {
    Written written;
    written.writer.add_interface("a:eth0", "link x");
    written.writer.add_interface("b:eth0");
    written.writer.write({.interface = 1, .nanoseconds = 5'000'000'001, .bytes = Bytes{1, 2, 3}});
    written.writer.write({.interface = 0,
                          .nanoseconds = 5'000'000'009,
                          .way = PcapngWriter::Way::outbound,
                          .bytes = Bytes{4, 5, 6, 7, 8},
                          .original_size = 9});
    written.writer.flush();
    return written.bytes;
}

}  // namespace

TEST_CASE("a pcapng is, byte for byte, what its specification draws") {
    Written written;
    CHECK(written.writer.add_interface("eth0") == 0);
    written.writer.write({.interface = 0,
                          .nanoseconds = 0x1'0000'0002,
                          .way = PcapngWriter::Way::inbound,
                          .bytes = Bytes{0xAA, 0xBB, 0xCC},
                          .original_size = 1500});
    written.writer.flush();

    Bytes expected;
    append(expected, {0x0A0D0D0A, 44, 0x1A2B3C4D, 0x0000'0001, 0xFFFF'FFFF, 0xFFFF'FFFF});
    append(expected, {0x0008'0004});  // opt 4, 8 bytes
    for (const char letter : std::string_view{"weft lab"})
        expected.push_back(static_cast<std::uint8_t>(letter));
    append(expected, {0, 44});
    append(expected, {1, 40, 1, 0, 0x0004'0002});
    for (const char letter : std::string_view{"eth0"}) expected.push_back(static_cast<std::uint8_t>(letter));
    append(expected, {0x0001'0009, 9, 0, 40});
    append(expected, {6, 48, 0, 1, 2, 3, 1500, 0x00CC'BBAA, 0x0004'0002, 1, 0, 48});
    CHECK(written.bytes == expected);
}

TEST_CASE("a pcapng keeps the first bytes of a frame if it is told to") {
    Bytes bytes;
    {
        PcapngWriter writer([&](auto piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); }, 4);
        writer.add_interface("eth0");
        writer.write({.bytes = Bytes{1, 2, 3, 4, 5, 6}});
    }
    const auto frames = lab::parse_capture(bytes);
    REQUIRE(frames);
    REQUIRE(frames->size() == 1);
    CHECK((*frames)[0].bytes == Bytes{1, 2, 3, 4, 0, 0});
}

TEST_CASE("a sink that fails is heard of once, and is not asked again") {
    int asked = 0;
    {
        PcapngWriter writer([&](auto) {
            ++asked;
            throw std::runtime_error("disk full");
        });
        writer.add_interface("eth0");
        CHECK_THROWS_WITH_AS(writer.flush(), "disk full", std::runtime_error);
    }
    CHECK(asked == 1);
}

TEST_CASE("what is written as pcapng can be read") {
    const auto frames = lab::parse_capture(pcapng());
    REQUIRE(frames);
    REQUIRE(frames->size() == 2);
    CHECK((*frames)[0].bytes == Bytes{1, 2, 3});
    CHECK((*frames)[1].bytes == Bytes{4, 5, 6, 7, 8, 0, 0, 0, 0});
    CHECK((*frames)[1].at == Duration{8});
}

TEST_CASE("a pcap is read in both byte orders and both resolutions") {
    for (const bool swapped : {false, true}) {
        for (const auto& [magic, fraction] : {std::pair{0xA1B2C3D4U, 1000}, {0xA1B23C4DU, 1}}) {
            const auto frames = lab::parse_capture(pcap(magic, swapped));
            REQUIRE(frames);
            REQUIRE(frames->size() == 2);
            CHECK((*frames)[0].bytes == Bytes{1, 2, 3, 4});
            CHECK((*frames)[1].bytes == Bytes{5, 6, 0, 0, 0, 0});
            CHECK((*frames)[1].at == Duration{1'000'000'000 + 2 * fraction});
        }
    }
}

TEST_CASE("a capture of anything but Ethernet is refused") {
    CHECK(lab::parse_capture(pcap(0xA1B2C3D4, false, 101)).error() ==
          lab::CaptureMistake{20, "link type 101, not Ethernet"});
    CHECK(lab::parse_capture(Bytes{1, 2, 3, 4, 5}).error().what == "neither pcap nor pcapng");
    CHECK(!lab::parse_capture({}));
}

TEST_CASE("times of a capture never go back, and no time is too large") {
    Bytes file;
    append(file, {0xA1B2C3D4, 0x0004'0002, 0, 0, 65535, 1});
    for (const std::uint32_t second : {5U, 3U, 0xFFFF'FFFFU}) {
        append(file, {second, 0xFFFF'FFFF, 1, 1});
        file.push_back(9);
    }
    const auto frames = lab::parse_capture(file);
    REQUIRE(frames);
    CHECK((*frames)[1].at == Duration{0});
    CHECK((*frames)[2].at > (*frames)[1].at);
}

TEST_CASE("no truncation and no mutation of a capture is read beyond its end") {
    for (const Bytes& whole : {pcap(0xA1B2C3D4, false), pcap(0xA1B23C4D, true), pcapng()}) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            // NOLINTNEXTLINE(bugprone-unused-return-value): that it returns is all
            (void)lab::parse_capture(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
        }
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (const int value : {0, 1, 3, 0x7F, 0x80, 0xFF}) {
                Bytes changed = whole;
                changed[at] = static_cast<std::uint8_t>(value);
                const auto frames = lab::parse_capture(changed);
                if (!frames) CHECK(frames.error().offset <= changed.size());
            }
        }
    }
    const auto cut = pcapng();
    CHECK(!lab::parse_capture(Bytes(cut.begin(), cut.end() - 1)));
}
