#include "crypto/key.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/hex.h"

using weft::PublicKey;
using weft::Secret;
using weft::testing::Bytes;
using weft::testing::from_hex;
using weft::testing::to_hex;

namespace {

struct KeyText {
    std::string_view hex;
    std::string_view base64;
};

// The third and fourth have each of the 64 digits between them.
constexpr KeyText key_texts[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "//////////////////////////////////////////8="},
    {"00108310518720928b30d38f41149351559761969b71d79f8218a39259a7a29a",
     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopo="},
    {"aabb2dbafc31cb3d35db7e39ebbf3dfbf00108310518720928b30d38f4114935",
     "qrstuvwxyz0123456789+/ABCDEFGHIJKLMNOPQRSTU="},
};

Secret<32> secret_from_hex(std::string_view hex) {
    const Bytes bytes = from_hex(hex);
    return Secret<32>{std::span<const std::uint8_t, 32>{bytes}};
}

// The value, or a failed test.
template <typename Value>
Value must(std::optional<Value> value) {
    if (!value) throw std::runtime_error("there is no value");
    return std::move(*value);
}

bool all_zero(std::span<const std::uint8_t> bytes) {
    return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

TEST_CASE("a key and its base64 text convert into each other") {
    for (const KeyText& text : key_texts) {
        CAPTURE(text.base64);
        const Secret<32> secret = must(weft::parse_secret(text.base64));
        CHECK(to_hex(secret.bytes()) == text.hex);
        CHECK(weft::to_base64(secret) == text.base64);

        const PublicKey public_key = must(PublicKey::parse(text.base64));
        CHECK(to_hex(public_key.bytes) == text.hex);
        CHECK(public_key.to_string() == text.base64);
    }
}

TEST_CASE("white space around a key is ignored") {
    const std::string key{key_texts[2].base64};
    for (const std::string& text : {key + "\n", "  " + key, "\t" + key + " \r\n"}) {
        CAPTURE(text);
        CHECK(to_hex(must(weft::parse_secret(text)).bytes()) == key_texts[2].hex);
    }
}

TEST_CASE("what is not the one base64 form of 32 bytes is no key") {
    const std::string key{key_texts[2].base64};
    const std::string digits = key.substr(0, 43);
    const std::string cases[] = {
        "",
        " \n",
        "=",
        digits,                       // no '='
        digits + "==",                // too much of it
        digits + "A",                 // 33 bytes' worth of digits
        digits.substr(0, 42) + "==",  // 31 bytes
        "A" + key,                    // one digit too many
        key.substr(1),                // one too few
        key.substr(0, 20) + "\n" + key.substr(20),
        key.substr(0, 20) + " " + key.substr(21),
        key + key,
        key.substr(0, 10) + "=" + key.substr(11),
        std::string(44, '='),
        key + std::string(1, '\0'),
    };
    for (const std::string& text : cases) {
        CAPTURE(text);
        CHECK_FALSE(weft::parse_secret(text).has_value());
        CHECK_FALSE(PublicKey::parse(text).has_value());
    }
}

TEST_CASE("at every place exactly the 64 digits are taken, and at the last one those with two zero bits") {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t place = 0; place < 43; ++place) {
        for (int code = 0; code < 256; ++code) {
            std::string text{key_texts[3].base64};
            text[place] = static_cast<char>(code);
            const std::size_t value = alphabet.find(static_cast<char>(code));
            // White space at the front is trimmed, which leaves too few digits: no key either.
            const bool valid = value != std::string_view::npos && (place < 42 || value % 4 == 0);
            CAPTURE(place);
            CAPTURE(code);
            const auto secret = weft::parse_secret(text);
            REQUIRE(secret.has_value() == valid);
            if (secret) REQUIRE(weft::to_base64(*secret) == text);
        }
    }
}

TEST_CASE("a secret is moved, not copied, and its old place is wiped") {
    static_assert(!std::is_copy_constructible_v<Secret<32>> && !std::is_copy_assignable_v<Secret<32>>);
    static_assert(std::is_nothrow_move_constructible_v<Secret<32>> &&
                  std::is_nothrow_move_assignable_v<Secret<32>>);
    const std::string hex{key_texts[3].hex};
    Secret<32> first = secret_from_hex(hex);

    Secret<32> second = std::move(first);
    CHECK(to_hex(second.bytes()) == hex);
    CHECK(all_zero(
        first.bytes()));  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move): that is tested

    Secret<32> third;
    third = std::move(second);
    CHECK(to_hex(third.bytes()) == hex);
    CHECK(all_zero(second.bytes()));  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move)

    const Secret<32> copy = third.clone();
    CHECK(to_hex(copy.bytes()) == hex);
    CHECK(to_hex(third.bytes()) == hex);
}

TEST_CASE("a secret's memory is zero when the secret is gone") {
    const std::uint8_t* place = nullptr;
    {
        const auto secret = secret_from_hex(key_texts[1].hex);
        place = secret.bytes().data();
        CHECK_FALSE(all_zero(secret.bytes()));
    }
    // Its first bytes lead to the next free block.
    CHECK(all_zero({place + sizeof(void*), Secret<32>::size - sizeof(void*)}));
}

TEST_CASE("a secret that was never written is all zero, and becomes one's own when it is") {
    Secret<32> first;
    const Secret<32> second;
    CHECK(all_zero(first.bytes()));
    first.writable()[31] = 7;
    CHECK(first.bytes()[31] == 7);
    CHECK(all_zero(second.bytes()));
}

TEST_CASE("wiping sets every byte to zero") {
    Bytes bytes(100, 0xa5);
    weft::wipe(bytes);
    CHECK(all_zero(bytes));
    weft::wipe({});
}

TEST_CASE("comparison in constant time tells equal from different, at every bit and size") {
    const Bytes bytes = from_hex(key_texts[3].hex);
    CHECK(weft::equal_in_constant_time(bytes, bytes));
    CHECK(weft::equal_in_constant_time({}, {}));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        Bytes other = bytes;
        other[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        REQUIRE_FALSE(weft::equal_in_constant_time(bytes, other));
    }
    CHECK_FALSE(weft::equal_in_constant_time(bytes, std::span{bytes}.first(31)));
    CHECK_FALSE(weft::equal_in_constant_time(bytes, {}));
}

TEST_CASE("random bytes fill any size, differ each time and leave no neighbour touched") {
    for (const std::size_t size : {0U, 1U, 32U, 257U, 100'000U}) {
        Bytes bytes(size + 2, 0x77);
        weft::fill_random(std::span{bytes}.subspan(1, size));
        CHECK(bytes.front() == 0x77);
        CHECK(bytes.back() == 0x77);
    }
    Bytes first(32);
    Bytes second(32);
    weft::fill_random(first);
    weft::fill_random(second);
    CHECK(first != second);
    CHECK_FALSE(all_zero(first));
}
