#include "vswitch/checksum.h"

#include <random>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using test::Bytes;
using test::ip;

namespace {

// RFC 1071 to the letter: 16 bits at a time, the carry added back each time.
std::uint16_t naive_checksum(std::span<const std::uint8_t> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        const unsigned low = i + 1 < bytes.size() ? bytes[i + 1] : 0U;
        sum += std::uint32_t{bytes[i]} << 8U | low;
        if (sum > 0xFFFF) sum -= 0xFFFF;
    }
    return static_cast<std::uint16_t>(~sum);
}

std::uint16_t checksum(std::span<const std::uint8_t> bytes) {
    ChecksumSum sum;
    sum.add(bytes);
    return sum.finish();
}

Bytes random_bytes(std::size_t size, std::mt19937& random) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

}  // namespace

TEST_CASE("the sum equals that of a loop over 16-bit words, at every length and alignment") {
    std::mt19937 random(1071);
    const Bytes bytes = random_bytes(400, random);
    for (std::size_t start = 0; start < 16; ++start) {
        for (std::size_t size = 0; size + start <= 300; ++size) {
            const auto part = std::span(bytes).subspan(start, size);
            REQUIRE(checksum(part) == naive_checksum(part));
        }
    }
}

TEST_CASE("what is added up while it is copied arrives unchanged, and nothing else is written") {
    std::mt19937 random(1072);
    const Bytes bytes = random_bytes(400, random);
    for (std::size_t start = 0; start < 9; ++start) {
        for (std::size_t size = 0; size + start <= 300; ++size) {
            const auto part = std::span(bytes).subspan(start, size);
            const std::size_t offset = (start * 5 + size) % 17;
            Bytes copy(350, 0xA5);
            Bytes expected = copy;
            std::copy(part.begin(), part.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset));
            ChecksumSum sum;
            sum.add_copied(part, copy.data() + offset);
            REQUIRE(sum.finish() == naive_checksum(part));
            REQUIRE(copy == expected);
        }
    }
}

TEST_CASE("carries are added back, over sums as large as a super-frame's") {
    for (const std::size_t size : {1U, 2U, 3U, 20U, 1500U, 65535U, 65536U}) {
        CAPTURE(size);
        const Bytes ones(size, 0xFF);
        CHECK(checksum(ones) == naive_checksum(ones));
        std::mt19937 random(7);
        const Bytes noise = random_bytes(size, random);
        CHECK(checksum(noise) == naive_checksum(noise));
    }
}

TEST_CASE("a sum may be taken in chunks of even length") {
    std::mt19937 random(3);
    const Bytes bytes = random_bytes(101, random);
    for (std::size_t cut = 0; cut <= 100; cut += 2) {
        ChecksumSum sum;
        sum.add(std::span(bytes).first(cut));
        sum.add(std::span(bytes).subspan(cut));
        REQUIRE(sum.finish() == naive_checksum(bytes));
        REQUIRE(sum.partial() == static_cast<std::uint16_t>(~naive_checksum(bytes)));
    }
}

TEST_CASE("an IPv4 header's checksum is the example of the textbooks") {
    Bytes header = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                    0x00, 0x00, 0xC0, 0xA8, 0x00, 0x01, 0xC0, 0xA8, 0x00, 0xC7};
    CHECK(ipv4_header_checksum(header) == 0xB861);
    header[10] = 0xB8;
    header[11] = 0x61;
    CHECK(ipv4_header_checksum(header) == 0);
}

TEST_CASE("the pseudo-header is addresses, protocol and length") {
    const Bytes v4 = {192, 0, 2, 1, 198, 51, 100, 2, 0, 17, 0x01, 0x02};
    CHECK(pseudo_header_sum(ip("192.0.2.1"), ip("198.51.100.2"), 17, 0x102).finish() == naive_checksum(v4));

    Bytes v6;
    for (const auto& address : {ip("2001:db8::1"), ip("2001:db8:ffff::2")}) {
        v6.insert(v6.end(), address.bytes().begin(), address.bytes().end());
    }
    v6.insert(v6.end(), {0x00, 0x01, 0x02, 0x03, 0, 0, 0, 58});
    CHECK(pseudo_header_sum(ip("2001:db8::1"), ip("2001:db8:ffff::2"), 58, 0x10203).finish() ==
          naive_checksum(v6));
}

TEST_CASE("an update of one word gives the checksum of the changed bytes") {
    std::mt19937 random(1624);
    for (int round = 0; round < 2000; ++round) {
        Bytes bytes = random_bytes(40, random);
        const std::uint16_t before_sum = naive_checksum(bytes);
        const std::size_t at = random() % 20 * 2;
        const auto before = static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
        const auto after = static_cast<std::uint16_t>(round % 3 == 0 ? 0xFFFF : random());
        bytes[at] = static_cast<std::uint8_t>(after >> 8U);
        bytes[at + 1] = static_cast<std::uint8_t>(after);
        REQUIRE(update_checksum(before_sum, before, after) == naive_checksum(bytes));
    }
}
