#include "crypto/secret_buffer.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using weft::SecretBuffer;

TEST_CASE("what is appended stands in the order of its coming, however much it grows") {
    SecretBuffer buffer;
    std::vector<std::uint8_t> expected;
    for (std::size_t size = 1; size < 3000; size = size * 3 + 1) {
        const std::vector<std::uint8_t> piece(size, static_cast<std::uint8_t>(size));
        buffer.append(piece);
        expected.insert(expected.end(), piece.begin(), piece.end());
    }
    CHECK(std::ranges::equal(buffer.bytes(), expected));
}

TEST_CASE("room that is asked for is zero") {
    SecretBuffer buffer(5000);
    CHECK(std::ranges::count(buffer.bytes(), 0) == 5000);
}

TEST_CASE("a buffer that was moved is empty, and may be used again") {
    SecretBuffer first(3);
    const SecretBuffer second = std::move(first);
    CHECK(second.bytes().size() == 3);
    CHECK(first.bytes().empty());  // NOLINT(bugprone-use-after-move)
    first.extend(1)[0] = 7;
    CHECK(first.bytes().front() == 7);
}
