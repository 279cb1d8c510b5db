#include "crypto/esp.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/esp_vectors.h"
#include "tests/support/hex.h"

using weft::Aead;
using weft::Cipher;
using weft::Esp;
using weft::EspError;
using weft::InboundSa;
using weft::OutboundSa;
using weft::SaKeys;
using weft::testing::Bytes;
using weft::testing::ExtendedVector;
using weft::testing::from_hex;
using weft::testing::ShortVector;
using weft::testing::to_hex;

namespace {

constexpr Cipher ciphers[] = {Cipher::aes_128_gcm, Cipher::aes_256_gcm, Cipher::chacha20_poly1305};
constexpr std::uint64_t two_32 = std::uint64_t{1} << 32U;

SaKeys make_keys(Cipher cipher, std::uint32_t spi, const Bytes& key, const Bytes& salt) {
    SaKeys keys;
    keys.spi = spi;
    keys.cipher = cipher;
    std::ranges::copy(key, keys.key.writable().begin());
    std::ranges::copy(salt, keys.salt.begin());
    return keys;
}

SaKeys some_keys(Cipher cipher = Cipher::aes_128_gcm, std::uint8_t first = 0x40) {
    Bytes key(32);
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(first + i);
    return make_keys(cipher, 0xc0ffee01, key, {9, 8, 7, 6});
}

Bytes payload_of(std::size_t size) {
    Bytes payload(size);
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::uint8_t>(i * 7 + size);
    return payload;
}

Bytes sealed(OutboundSa& sa, const Bytes& payload, std::uint8_t next_header = 17) {
    Bytes packet(Esp::sealed_size(payload.size()));
    std::ranges::copy(payload, packet.begin() + Esp::header_size);
    REQUIRE(Esp::seal(sa, packet, payload.size(), next_header) == packet.size());
    return packet;
}

void append_be(Bytes& bytes, std::uint64_t value, unsigned size) {
    for (unsigned i = size; i > 0; --i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * (i - 1))));
}

// An ESP packet put together from the RFCs alone: `text` is payload, padding and trailer, whatever they are.
Bytes assembled(const SaKeys& keys, std::uint64_t sequence, std::uint64_t iv, Bytes text) {
    Bytes associated;
    append_be(associated, keys.spi, 4);
    append_be(associated, sequence, 8);
    Bytes nonce{keys.salt.begin(), keys.salt.end()};
    append_be(nonce, iv, 8);
    std::array<std::uint8_t, 16> tag{};
    Aead{keys.cipher, std::span{keys.key.bytes()}.first(weft::key_size(keys.cipher)), Aead::Direction::seal}
        .seal(std::span<const std::uint8_t, 12>{nonce}, associated, text, tag);

    Bytes packet;
    append_be(packet, keys.spi, 4);
    append_be(packet, sequence, 4);
    append_be(packet, iv, 8);
    packet.insert(packet.end(), text.begin(), text.end());
    packet.insert(packet.end(), tag.begin(), tag.end());
    return packet;
}

// What open() says about a copy of the packet.
EspError error_of(InboundSa& sa, Bytes packet) {
    const auto opened = Esp::open_in_place(sa, packet);
    REQUIRE_FALSE(opened.has_value());
    return opened.error();
}

std::vector<Bytes> sealed_row(OutboundSa& sa, std::size_t count, const Bytes& payload) {
    std::vector<Bytes> packets(count);
    for (Bytes& packet : packets) packet = sealed(sa, payload);
    return packets;
}

Bytes opened_payload(InboundSa& sa, Bytes packet) {
    const auto opened = Esp::open_in_place(sa, packet);
    REQUIRE(opened.has_value());
    REQUIRE(opened->payload_size <= packet.size() - Esp::header_size);
    const auto payload = packet.begin() + Esp::header_size;
    return {payload, payload + static_cast<std::ptrdiff_t>(opened->payload_size)};
}

}  // namespace

TEST_CASE("the published packets with extended sequence numbers open") {
    for (const ExtendedVector& vector : weft::testing::extended_vectors) {
        CAPTURE(vector.source);
        Bytes packet = from_hex(vector.packet);
        const SaKeys keys =
            make_keys(vector.cipher, Esp::spi_of(packet), from_hex(vector.key), from_hex(vector.salt));
        InboundSa sa{keys, 64, vector.sequence - 1};
        const auto opened = Esp::open_in_place(sa, packet);
        REQUIRE(opened.has_value());
        CHECK(opened->sequence == vector.sequence);
        CHECK(opened->next_header == vector.next_header);
        CHECK(to_hex(std::span{packet}.subspan(Esp::header_size, opened->payload_size)) == vector.payload);
        CHECK(sa.window().highest() == vector.sequence);
        CHECK(error_of(sa, from_hex(vector.packet)) == EspError::replayed);
    }
}

TEST_CASE("the published packets with short sequence numbers have weft's nonce, ciphertext and ICV") {
    for (const ShortVector& vector : weft::testing::short_vectors) {
        CAPTURE(vector.source);
        const Bytes packet = from_hex(vector.packet);
        const std::span all{packet};
        Bytes nonce = from_hex(vector.salt);
        nonce.insert(nonce.end(), packet.begin() + 8, packet.begin() + 16);
        Bytes text = from_hex(vector.text);
        std::array<std::uint8_t, 16> tag{};
        Aead{vector.cipher, from_hex(vector.key), Aead::Direction::seal}.seal(
            std::span<const std::uint8_t, 12>{nonce}, all.first(8), text, tag);
        CHECK(to_hex(text) == to_hex(all.subspan(16, packet.size() - 32)));
        CHECK(to_hex(tag) == to_hex(all.last(16)));
    }
}

TEST_CASE("seal writes the packet of RFC 4303 byte by byte") {
    struct Case {
        std::size_t payload_size;
        const char* trailer;  // padding, pad length, next header
    };

    constexpr Case cases[] = {{0, "01020211"},   {1, "010111"},   {2, "0011"},
                              {3, "0102030311"}, {4, "01020211"}, {1402, "0011"}};
    for (const Cipher cipher : ciphers) {
        for (const std::uint64_t sequence : {std::uint64_t{1}, 5 * two_32 + 0xfedcba98}) {
            const SaKeys keys = some_keys(cipher);
            for (const Case& c : cases) {
                CAPTURE(c.payload_size);
                OutboundSa sa{keys, sequence};
                const Bytes payload = payload_of(c.payload_size);
                Bytes text = payload;
                for (const std::uint8_t byte : from_hex(c.trailer)) text.push_back(byte);
                CHECK(to_hex(sealed(sa, payload)) == to_hex(assembled(keys, sequence, sequence, text)));
                CHECK(sa.next_sequence() == sequence + 1);
            }
        }
    }
}

TEST_CASE("every payload size comes back as it went, with every cipher") {
    for (const Cipher cipher : ciphers) {
        CAPTURE(weft::to_string(cipher));
        OutboundSa outbound{some_keys(cipher)};
        InboundSa inbound{some_keys(cipher)};
        for (std::size_t size = 0; size <= 2000; ++size) {
            CAPTURE(size);
            const Bytes payload = payload_of(size);
            Bytes packet = sealed(outbound, payload, static_cast<std::uint8_t>(size));
            REQUIRE(packet.size() % 4 == 0);
            REQUIRE(packet.size() <= Esp::header_size + size + Esp::max_trailer_size);
            const auto opened = Esp::open_in_place(inbound, packet);
            REQUIRE(opened.has_value());
            REQUIRE(opened->payload_size == size);
            REQUIRE(opened->next_header == static_cast<std::uint8_t>(size));
            REQUIRE(opened->sequence == size + 1);
            REQUIRE(std::ranges::equal(std::span{packet}.subspan(Esp::header_size, size), payload));
        }
        const Bytes largest = payload_of(65'535);
        CHECK(opened_payload(inbound, sealed(outbound, largest)) == largest);
    }
}

TEST_CASE("a buffer may be larger than the packet, and what lies behind stays as it was") {
    OutboundSa sa{some_keys()};
    Bytes buffer(200, 0xee);
    const auto size = Esp::seal(sa, buffer, 30, 4);
    REQUIRE(size == Esp::sealed_size(30));
    CHECK(std::ranges::all_of(std::span{buffer}.subspan(*size),
                              [](std::uint8_t byte) { return byte == 0xee; }));
    InboundSa inbound{some_keys()};
    CHECK(opened_payload(inbound, {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*size)}) ==
          Bytes(30, 0xee));
}

TEST_CASE("a buffer too small is refused and costs no sequence number") {
    OutboundSa sa{some_keys()};
    for (const std::size_t payload_size :
         {std::size_t{0}, std::size_t{1}, std::size_t{100}, SIZE_MAX - 8, SIZE_MAX}) {
        const std::size_t room = payload_size <= 100 ? Esp::sealed_size(payload_size) - 1 : 100;
        for (std::size_t size = 0; size <= room; ++size) {
            Bytes buffer(size);
            const auto result = Esp::seal(sa, buffer, payload_size, 4);
            REQUIRE_FALSE(result.has_value());
            REQUIRE(result.error() == EspError::truncated);
        }
    }
    CHECK(sa.next_sequence() == 1);
}

TEST_CASE("past its limit an SA seals nothing and leaves the payload alone") {
    OutboundSa sa{some_keys(), 1, 1};
    sealed(sa, payload_of(10));
    Bytes buffer(100, 0x11);
    const auto result = Esp::seal(sa, buffer, 10, 4);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error() == EspError::exhausted);
    CHECK(buffer == Bytes(100, 0x11));
}

TEST_CASE("every truncation is refused and moves no window") {
    for (const Cipher cipher : ciphers) {
        OutboundSa outbound{some_keys(cipher)};
        InboundSa inbound{some_keys(cipher)};
        const Bytes packet = sealed(outbound, payload_of(61));
        for (std::size_t size = 0; size < packet.size(); ++size) {
            CAPTURE(size);
            const Bytes cut{packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size)};
            const bool has_form = size >= Esp::min_size && size % 4 == 0;
            REQUIRE(error_of(inbound, cut) == (has_form ? EspError::auth_failed : EspError::truncated));
            REQUIRE(inbound.window().highest() == 0);
        }
        Bytes longer = packet;
        longer.resize(packet.size() + 4);
        CHECK(error_of(inbound, longer) == EspError::auth_failed);
        CHECK(opened_payload(inbound, packet) == payload_of(61));
    }
}

TEST_CASE("every flipped bit is refused and moves no window") {
    for (const Cipher cipher : ciphers) {
        OutboundSa outbound{some_keys(cipher), 1000};
        InboundSa inbound{some_keys(cipher), 64, 999};
        const Bytes packet = sealed(outbound, payload_of(13));
        for (std::size_t bit = 0; bit < packet.size() * 8; ++bit) {
            CAPTURE(bit);
            Bytes flipped = packet;
            flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
            const EspError error = error_of(inbound, flipped);
            // A bit of the sequence number may lead out of the window.
            const bool in_sequence = bit / 8 >= 4 && bit / 8 < 8;
            const bool out_of_window = error == EspError::replayed || error == EspError::too_old;
            REQUIRE((error == EspError::auth_failed || (in_sequence && out_of_window)));
            REQUIRE(inbound.window().highest() == 999);
        }
        CHECK(opened_payload(inbound, packet) == payload_of(13));
        CHECK(inbound.window().highest() == 1000);
    }
}

TEST_CASE("a packet opens once, in any order within the window") {
    OutboundSa outbound{some_keys()};
    InboundSa inbound{some_keys(), 64};
    const std::vector<Bytes> packets = sealed_row(outbound, 100, payload_of(20));

    CHECK(opened_payload(inbound, packets[99]) == payload_of(20));
    CHECK(error_of(inbound, packets[99]) == EspError::replayed);
    CHECK(error_of(inbound, packets[35]) == EspError::too_old);
    for (std::size_t i = 36; i < 99; ++i) {
        REQUIRE(opened_payload(inbound, packets[i]) == payload_of(20));
        REQUIRE(error_of(inbound, packets[i]) == EspError::replayed);
    }
    CHECK(inbound.window().highest() == 100);
}

TEST_CASE("only what is nearer to the past than to the future is called too old") {
    struct Case {
        std::uint64_t highest;
        std::uint64_t sequence;
        EspError error;
    };

    constexpr Case cases[] = {
        {1'000'000, 1, EspError::too_old},
        {1'000'000, 1'000'000 - 64, EspError::too_old},
        {1'000'000, 1'000'001, EspError::auth_failed},
        {1'000'000, 1'000'000'000, EspError::auth_failed},
        {0, 1, EspError::auth_failed},
        {0, 0xffffffff, EspError::auth_failed},  // there is no past that far back
        {5 * two_32, 5 * two_32 - 64, EspError::too_old},
        {5 * two_32, 5 * two_32 + 1, EspError::auth_failed},
        {5 * two_32, 5 * two_32 - two_32 / 4, EspError::too_old},
        {5 * two_32, 5 * two_32 + two_32 / 4, EspError::auth_failed},
    };
    for (const Case& c : cases) {
        CAPTURE(c.highest);
        CAPTURE(c.sequence);
        OutboundSa outbound{some_keys(), c.sequence};
        InboundSa inbound{some_keys(), 64, c.highest};
        Bytes packet = sealed(outbound, payload_of(20));
        packet.back() ^= 1;
        CHECK(error_of(inbound, packet) == c.error);
        CHECK(inbound.window().highest() == c.highest);
    }
}

TEST_CASE("packets cross 2^32 in disorder, and the sequence number stays whole") {
    OutboundSa outbound{some_keys(), two_32 - 40};
    InboundSa inbound{some_keys(), 64, two_32 - 41};
    const std::vector<Bytes> packets = sealed_row(outbound, 96, payload_of(5));
    // In blocks of 32, each backwards: the block around the wrap meets the new half first and the old half
    // late.
    for (std::size_t block = 0; block < packets.size(); block += 32) {
        for (std::size_t i = block + 32; i-- > block;) {
            Bytes packet = packets[i];
            const auto opened = Esp::open_in_place(inbound, packet);
            REQUIRE(opened.has_value());
            REQUIRE(opened->sequence == two_32 - 40 + i);
        }
    }
    CHECK(inbound.window().highest() == two_32 + 55);
}

TEST_CASE("the high half of the sequence number is authenticated, though it does not travel") {
    OutboundSa outbound{some_keys(), two_32 + 5};
    const Bytes packet = sealed(outbound, payload_of(20));

    struct Case {
        std::uint64_t highest;
        bool opens;
    };

    for (const Case& c : {Case{0, false},
                          {4, false},
                          {two_32 - 10, true},
                          {two_32 + 4, true},
                          {2 * two_32, false},
                          {3 * two_32 + 4, false}}) {
        CAPTURE(c.highest);
        InboundSa inbound{some_keys(), 64, c.highest};
        Bytes bytes = packet;
        const auto opened = Esp::open_in_place(inbound, bytes);
        CHECK(opened.has_value() == c.opens);
        if (!opened) CHECK(opened.error() == EspError::auth_failed);
        CHECK(inbound.window().highest() == (c.opens ? two_32 + 5 : c.highest));
    }
}

TEST_CASE("another key, salt, cipher or SPI does not open") {
    OutboundSa outbound{some_keys(Cipher::aes_256_gcm)};
    const Bytes packet = sealed(outbound, payload_of(20));
    SaKeys other_key = some_keys(Cipher::aes_256_gcm, 0x41);
    SaKeys other_salt = some_keys(Cipher::aes_256_gcm);
    other_salt.salt[3] ^= 1;
    for (const SaKeys& keys : {std::move(other_key), std::move(other_salt), some_keys(Cipher::aes_128_gcm),
                               some_keys(Cipher::chacha20_poly1305)}) {
        InboundSa inbound{keys};
        CHECK(error_of(inbound, packet) == EspError::auth_failed);
    }
    InboundSa inbound{some_keys(Cipher::aes_256_gcm)};
    Bytes other_spi = packet;
    other_spi[0] ^= 0x80;
    CHECK(Esp::spi_of(other_spi) == (0xc0ffee01 ^ 0x80000000));
    CHECK(error_of(inbound, other_spi) == EspError::auth_failed);
}

TEST_CASE("a sender may choose its IVs as it likes, and pad up to 255 bytes") {
    const SaKeys keys = some_keys();
    InboundSa inbound{keys};
    for (unsigned pad_size = 2; pad_size <= 255; pad_size += 4) {
        CAPTURE(pad_size);
        Bytes text = payload_of(4);
        for (unsigned i = 1; i <= pad_size; ++i) text.push_back(static_cast<std::uint8_t>(i));
        text.push_back(static_cast<std::uint8_t>(pad_size));
        text.push_back(41);
        REQUIRE(opened_payload(inbound, assembled(keys, pad_size, 0xfeedfacecafe0000 - pad_size, text)) ==
                payload_of(4));
    }
}

TEST_CASE("wrong padding in a genuine packet is named, and uses up its number") {
    struct Case {
        const char* what;
        const char* text;  // payload, padding | pad length, next header
    };

    constexpr Case cases[] = {
        {"padding of zeros", "aabbcc 000000 0304"},
        {"the first byte wrong", "aabbcc 020203 0304"},
        {"the last byte wrong", "aabbcc 010204 0304"},
        {"padding counted down", "aabbcc 030201 0304"},
        {"one longer than there is room for", "0102 0304"},
        {"far longer than there is room for", "0102030405 06ff04"},
        {"a text of nothing but a trailer and a claim", "0000 0304"},
    };
    const SaKeys keys = some_keys();
    InboundSa inbound{keys};
    std::uint64_t sequence = 0;
    for (const Case& c : cases) {
        CAPTURE(c.what);
        ++sequence;
        const Bytes packet = assembled(keys, sequence, sequence, from_hex(c.text));
        CHECK(error_of(inbound, packet) == EspError::bad_padding);
        CHECK(inbound.window().highest() == sequence);
        CHECK(error_of(inbound, packet) == EspError::replayed);
    }
}

TEST_CASE("padding that fills the whole text leaves an empty payload") {
    const SaKeys keys = some_keys();
    InboundSa inbound{keys};
    CHECK(opened_payload(inbound, assembled(keys, 1, 1, from_hex("0102 0204"))).empty());
    CHECK(opened_payload(inbound, assembled(keys, 2, 2, from_hex("010203040506 0604"))).empty());
    CHECK(opened_payload(inbound, assembled(keys, 3, 3, from_hex("0102 0004"))) == Bytes{1, 2});
}

TEST_CASE("a packet opens into another buffer just as in place, and stays as it was") {
    for (const Cipher cipher : ciphers) {
        CAPTURE(weft::to_string(cipher));
        OutboundSa outbound{some_keys(cipher)};
        InboundSa in_place{some_keys(cipher)};
        InboundSa elsewhere{some_keys(cipher)};
        for (std::size_t size = 0; size <= 2000; size += 1 + size / 40) {
            CAPTURE(size);
            const Bytes packet = sealed(outbound, payload_of(size), 41);
            Bytes same = packet;
            Bytes plain(Esp::opened_room(packet.size()) + 5, 0xee);
            const auto opened = Esp::open(elsewhere, packet, plain);
            const auto opened_in_place = Esp::open_in_place(in_place, same);
            REQUIRE(opened.has_value());
            REQUIRE(opened_in_place.has_value());
            REQUIRE(opened->payload_size == size);
            REQUIRE(opened->next_header == opened_in_place->next_header);
            REQUIRE(opened->sequence == opened_in_place->sequence);
            REQUIRE(std::ranges::equal(std::span{plain}.first(plain.size() - 5),
                                       std::span{same}.subspan(Esp::header_size, plain.size() - 5)));
            REQUIRE(std::ranges::equal(std::span{plain}.last(5), Bytes(5, 0xee)));
        }
    }
}

TEST_CASE("room too small for the plain text is refused and moves no window") {
    OutboundSa outbound{some_keys()};
    InboundSa inbound{some_keys()};
    const Bytes packet = sealed(outbound, payload_of(30));
    REQUIRE(Esp::opened_room(packet.size()) == 32);
    for (std::size_t room = 0; room < 32; ++room) {
        Bytes plain(room);
        const auto opened = Esp::open(inbound, packet, plain);
        REQUIRE_FALSE(opened.has_value());
        REQUIRE(opened.error() == EspError::truncated);
    }
    Bytes plain(32);
    CHECK(Esp::open(inbound, packet, plain).has_value());
    for (const std::size_t size : {std::size_t{0}, Esp::min_size - 1}) CHECK(Esp::opened_room(size) == 0);
    CHECK(Esp::opened_room(Esp::min_size) == 4);
}
