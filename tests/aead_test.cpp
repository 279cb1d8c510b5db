#include "crypto/aead.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/hex.h"

using weft::Aead;
using weft::AeadBackend;
using weft::Cipher;
using weft::testing::Bytes;
using weft::testing::from_hex;
using weft::testing::to_hex;

namespace {

constexpr Cipher ciphers[] = {Cipher::aes_128_gcm, Cipher::aes_256_gcm, Cipher::chacha20_poly1305};

struct Vector {
    const char* source;
    Cipher cipher;
    const char* key;
    const char* nonce;
    const char* associated;
    const char* plain;
    const char* sealed;
    const char* tag;
};

constexpr const char* gcm_text =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
constexpr const char* gcm_text_60 =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";

// GCM: the test cases of McGrew and Viega's specification, which SP 800-38D refers to.
constexpr Vector vectors[] = {
    {"GCM test case 1", Cipher::aes_128_gcm, "00000000000000000000000000000000", "000000000000000000000000",
     "", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
    {"GCM test case 2", Cipher::aes_128_gcm, "00000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000", "0388dace60b6a392f328c2b971b2fe78",
     "ab6e47d42cec13bdf53a67b21257bddf"},
    {"GCM test case 3", Cipher::aes_128_gcm, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "", gcm_text,
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
     "4d5c2af327cd64a62cf35abd2ba6fab4"},
    {"GCM test case 4", Cipher::aes_128_gcm, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2", gcm_text_60,
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {"GCM test case 13", Cipher::aes_256_gcm,
     "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
     "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"GCM test case 14", Cipher::aes_256_gcm,
     "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {"GCM test case 15", Cipher::aes_256_gcm,
     "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     gcm_text,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"GCM test case 16", Cipher::aes_256_gcm,
     "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2", gcm_text_60,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {"RFC 8439 section 2.8.2", Cipher::chacha20_poly1305,
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
     "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
     "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
     "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
     "637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
     "3ff4def08e4b7a9de576d26586cec64b6116",
     "1ae10b594f09e26a7e902ecbd0600691"},
    {"RFC 8439 appendix A.5", Cipher::chacha20_poly1305,
     "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0", "000000000102030405060708",
     "f33388860000000000004e91",
     "496e7465726e65742d4472616674732061726520647261667420646f63756d65"
     "6e74732076616c696420666f722061206d6178696d756d206f6620736978206d"
     "6f6e74687320616e64206d617920626520757064617465642c207265706c6163"
     "65642c206f72206f62736f6c65746564206279206f7468657220646f63756d65"
     "6e747320617420616e792074696d652e20497420697320696e617070726f7072"
     "6961746520746f2075736520496e7465726e65742d4472616674732061732072"
     "65666572656e6365206d6174657269616c206f7220746f206369746520746865"
     "6d206f74686572207468616e206173202fe2809c776f726b20696e2070726f67"
     "726573732e2fe2809d",
     "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2"
     "4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf"
     "332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
     "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4"
     "b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
     "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
     "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10"
     "49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29"
     "a6ad5cb4022b02709b",
     "eead9d67890cbb22392336fea1851f38"},
};

std::span<const std::uint8_t, 12> as_nonce(const Bytes& bytes) {
    return std::span<const std::uint8_t, 12>{bytes};
}

std::span<std::uint8_t, 16> as_tag(Bytes& bytes) {
    return std::span<std::uint8_t, 16>{bytes};
}

Bytes random_bytes(std::mt19937& random, std::size_t size) {
    Bytes bytes(size);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

// Everything that this machine can use.
struct Way {
    Cipher cipher;
    AeadBackend backend;
};

std::vector<Way> ways() {
    std::vector<Way> all;
    for (const Cipher cipher : ciphers)
        for (const AeadBackend backend : weft::aead_backends(cipher)) all.push_back({cipher, backend});
    return all;
}

std::string name_of(const Way& way) {
    return std::string{weft::to_string(way.cipher)} + " by " + std::string{weft::to_string(way.backend)};
}

// A page of memory, and behind it one that nobody may touch.
class PageEnd {
  public:
    PageEnd() {
        REQUIRE(pages_ != MAP_FAILED);
        REQUIRE(mprotect(static_cast<std::uint8_t*>(pages_) + size_, size_, PROT_NONE) == 0);
    }

    ~PageEnd() { munmap(pages_, 2 * size_); }

    PageEnd(const PageEnd&) = delete;
    PageEnd& operator=(const PageEnd&) = delete;

    [[nodiscard]] std::span<std::uint8_t> last(std::size_t size) const {
        return std::span{static_cast<std::uint8_t*>(pages_), size_}.last(size);
    }

  private:
    std::size_t size_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* pages_ = mmap(nullptr, 2 * size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
};

// Both ends of one key.
struct Pair {
    Pair(const Way& way, const Bytes& key)
        : sealer(way.cipher, key, Aead::Direction::seal, way.backend),
          opener(way.cipher, key, Aead::Direction::open, way.backend) {}

    Aead sealer;
    Aead opener;
};

}  // namespace

TEST_CASE("the published vectors seal and open with every backend") {
    for (const Way& way : ways()) {
        MESSAGE("tried: " << name_of(way));
        for (const Vector& vector : vectors) {
            if (vector.cipher != way.cipher) continue;
            CAPTURE(vector.source);
            Pair pair{way, from_hex(vector.key)};
            const Bytes nonce = from_hex(vector.nonce);
            const Bytes associated = from_hex(vector.associated);
            Bytes text = from_hex(vector.plain);
            Bytes tag(16);
            pair.sealer.seal(as_nonce(nonce), associated, text, as_tag(tag));
            CHECK(to_hex(text) == vector.sealed);
            CHECK(to_hex(tag) == vector.tag);
            REQUIRE(pair.opener.open(as_nonce(nonce), associated, text, text, as_tag(tag)));
            CHECK(to_hex(text) == vector.plain);
        }
    }
}

TEST_CASE("OpenSSL does every cipher, and the backend taken is the first of the list") {
    for (const Cipher cipher : ciphers) {
        const auto backends = weft::aead_backends(cipher);
        CHECK(backends.back() == AeadBackend::openssl);
        const Bytes key(weft::key_size(cipher));
        CHECK(Aead{cipher, key, Aead::Direction::seal}.backend() == backends.front());
        for (const AeadBackend backend : backends)
            CHECK(Aead{cipher, key, Aead::Direction::open, backend}.backend() == backend);
        if (backends.size() == 1) {
            const auto load = [&] { Aead{cipher, key, Aead::Direction::seal, AeadBackend::ipsec_mb}; };
            CHECK_THROWS_WITH_AS(load(), doctest::Contains("cannot use ipsec-mb"), std::runtime_error);
        }
    }
    CHECK(weft::to_string(AeadBackend::openssl) == "openssl");
    CHECK(weft::to_string(AeadBackend::ipsec_mb) == "ipsec-mb");
}

TEST_CASE("what one backend seals, every other opens, in place and elsewhere, at every size") {
    for (const Cipher cipher : ciphers) {
        std::mt19937 random{17};
        const Bytes key = random_bytes(random, weft::key_size(cipher));
        std::vector<Pair> pairs;
        for (const AeadBackend backend : weft::aead_backends(cipher))
            pairs.emplace_back(Way{cipher, backend}, key);
        for (std::size_t size = 0; size <= 2100; ++size) {
            const std::size_t text_size = size <= 2000 ? size : random() % 70'000;
            CAPTURE(weft::to_string(cipher));
            CAPTURE(text_size);
            const Bytes nonce = random_bytes(random, 12);
            const Bytes associated = random_bytes(random, size % 3 == 0 ? random() % 300 : 12);
            const Bytes plain = random_bytes(random, text_size);
            Bytes sealed_first;
            for (Pair& from : pairs) {
                Bytes sealed = plain;
                Bytes tag(16);
                from.sealer.seal(as_nonce(nonce), associated, sealed, as_tag(tag));
                if (sealed_first.empty()) sealed_first = sealed;
                REQUIRE(sealed == sealed_first);
                for (Pair& to : pairs) {
                    Bytes elsewhere(text_size, 0xee);
                    Bytes in_place = sealed;
                    REQUIRE(to.opener.open(as_nonce(nonce), associated, sealed, elsewhere, as_tag(tag)));
                    REQUIRE(to.opener.open(as_nonce(nonce), associated, in_place, in_place, as_tag(tag)));
                    REQUIRE(elsewhere == plain);
                    REQUIRE(in_place == plain);
                }
            }
        }
    }
}

TEST_CASE("no byte outside the text and the tag is written, at any alignment") {
    for (const Way& way : ways()) {
        CAPTURE(name_of(way));
        Pair pair{way, Bytes(weft::key_size(way.cipher), 3)};
        const Bytes nonce(12, 5);
        for (std::size_t size = 0; size <= 300; ++size) {
            CAPTURE(size);
            const std::size_t before = size % 64;
            Bytes row(before + size + 16 + 64, 0xee);
            const std::span text = std::span{row}.subspan(before, size);
            const std::span tag = std::span{row}.subspan(before + size).first<16>();
            Bytes elsewhere(before + size + 64, 0xee);
            pair.sealer.seal(as_nonce(nonce), nonce, text, tag);
            REQUIRE(pair.opener.open(as_nonce(nonce), nonce, text, std::span{elsewhere}.subspan(before, size),
                                     tag));
            REQUIRE(pair.opener.open(as_nonce(nonce), nonce, text, text, tag));
            std::ranges::fill(tag, std::uint8_t{0xee});
            REQUIRE(row == Bytes(row.size(), 0xee));
            REQUIRE(elsewhere == Bytes(elsewhere.size(), 0xee));
        }
    }
}

TEST_CASE("no byte behind nonce, associated data, text or tag is read") {
    const PageEnd nonce;
    const PageEnd associated;
    const PageEnd text;
    const PageEnd tag;
    for (const Way& way : ways()) {
        CAPTURE(name_of(way));
        Pair pair{way, Bytes(weft::key_size(way.cipher), 3)};
        for (std::size_t size = 0; size <= 600; ++size) {
            CAPTURE(size);
            const auto nonce_bytes = nonce.last(12).first<12>();
            const auto tag_bytes = tag.last(16).first<16>();
            const auto associated_bytes = associated.last(size % 40);
            pair.sealer.seal(nonce_bytes, associated_bytes, text.last(size), tag_bytes);
            REQUIRE(
                pair.opener.open(nonce_bytes, associated_bytes, text.last(size), text.last(size), tag_bytes));
        }
    }
}

TEST_CASE("threads that use keys of their own at the same time do not disturb each other") {
    for (const Way& way : ways()) {
        CAPTURE(name_of(way));
        const auto round_trips = [&way](std::uint8_t first, bool& good) {
            Pair pair{way, Bytes(weft::key_size(way.cipher), first)};
            const Bytes nonce(12, first);
            const Bytes plain(999, first);
            good = true;
            for (unsigned i = 0; i < 2000; ++i) {
                Bytes text = plain;
                Bytes tag(16);
                pair.sealer.seal(as_nonce(nonce), nonce, text, as_tag(tag));
                good = good && pair.opener.open(as_nonce(nonce), nonce, text, text, as_tag(tag)) &&
                       text == plain;
            }
        };
        std::array<bool, 2> good{};
        std::thread other{round_trips, std::uint8_t{1}, std::ref(good[0])};
        round_trips(2, good[1]);
        other.join();
        CHECK(good[0]);
        CHECK(good[1]);
    }
}

TEST_CASE("one context serves many packets, whatever their size and their outcome") {
    for (const Way& way : ways()) {
        CAPTURE(name_of(way));
        std::mt19937 random{7};
        const Bytes key = random_bytes(random, weft::key_size(way.cipher));
        Pair pair{way, key};
        const std::size_t sizes[] = {0, 1, 15, 16, 17, 1400, 0, 65'535, 3, 65'536 + 77, 200'000, 0, 64};
        for (const std::size_t size : sizes) {
            for (const std::size_t associated_size :
                 {std::size_t{12}, std::size_t{0}, std::size_t{1}, size}) {
                CAPTURE(size);
                CAPTURE(associated_size);
                const Bytes nonce = random_bytes(random, 12);
                const Bytes associated = random_bytes(random, associated_size);
                const Bytes plain = random_bytes(random, size);
                Bytes text = plain;
                Bytes tag(16);
                pair.sealer.seal(as_nonce(nonce), associated, text, as_tag(tag));

                // A context of its own, used once, must agree.
                Bytes text_again = plain;
                Bytes tag_again(16);
                Aead{way.cipher, key, Aead::Direction::seal, way.backend}.seal(as_nonce(nonce), associated,
                                                                               text_again, as_tag(tag_again));
                REQUIRE(text == text_again);
                REQUIRE(tag == tag_again);

                Bytes forged = text;
                Bytes wrong_tag = tag;
                wrong_tag[size % 16] ^= 1;
                Bytes elsewhere(size, 0xee);
                REQUIRE_FALSE(
                    pair.opener.open(as_nonce(nonce), associated, text, elsewhere, as_tag(wrong_tag)));
                REQUIRE(elsewhere == Bytes(size));
                REQUIRE_FALSE(
                    pair.opener.open(as_nonce(nonce), associated, forged, forged, as_tag(wrong_tag)));
                REQUIRE(forged == Bytes(size));
                REQUIRE(pair.opener.open(as_nonce(nonce), associated, text, elsewhere, as_tag(tag)));
                REQUIRE(elsewhere == plain);
                REQUIRE(pair.opener.open(as_nonce(nonce), associated, text, text, as_tag(tag)));
                REQUIRE(text == plain);
            }
        }
    }
}

TEST_CASE("a flipped bit in nonce, associated data, text or tag does not open") {
    for (const Way& way : ways()) {
        CAPTURE(name_of(way));
        std::mt19937 random{11};
        Pair pair{way, random_bytes(random, weft::key_size(way.cipher))};
        // nonce, associated data, text, tag in one row, so that one loop flips them all
        constexpr std::size_t text_at = 12 + 12;
        constexpr std::size_t tag_at = text_at + 21;
        Bytes row = random_bytes(random, tag_at + 16);
        const auto open = [&pair](Bytes bytes) {
            const std::span all{bytes};
            const std::span text = all.subspan(text_at, tag_at - text_at);
            return pair.opener.open(all.first<12>(), all.subspan<12, 12>(), text, text, all.last<16>());
        };
        const std::span all{row};
        pair.sealer.seal(all.first<12>(), all.subspan<12, 12>(), all.subspan(text_at, tag_at - text_at),
                         all.last<16>());
        REQUIRE(open(row));
        for (std::size_t bit = 0; bit < row.size() * 8; ++bit) {
            Bytes flipped = row;
            flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
            CAPTURE(bit);
            REQUIRE_FALSE(open(flipped));
        }
        CHECK(open(row));
    }
}

TEST_CASE("another key does not open") {
    for (const Way& way : ways()) {
        CAPTURE(name_of(way));
        std::mt19937 random{13};
        Pair ours{way, random_bytes(random, weft::key_size(way.cipher))};
        Pair theirs{way, random_bytes(random, weft::key_size(way.cipher))};
        const Bytes nonce(12);
        Bytes text(40);
        Bytes tag(16);
        theirs.sealer.seal(as_nonce(nonce), {}, text, as_tag(tag));
        CHECK_FALSE(ours.opener.open(as_nonce(nonce), {}, text, text, as_tag(tag)));
    }
}

TEST_CASE("a moved context works on, and the empty one opens nothing") {
    static_assert(!std::is_copy_constructible_v<Aead> && std::is_nothrow_move_constructible_v<Aead>);
    for (const Way& way : ways()) {
        CAPTURE(name_of(way));
        Pair pair{way, Bytes(weft::key_size(way.cipher), 1)};
        const Bytes nonce(12);
        Bytes text(5);
        Bytes tag(16);
        pair.sealer.seal(as_nonce(nonce), {}, text, as_tag(tag));
        const Bytes sealed = text;
        Aead moved = std::move(pair.opener);
        // NOLINTNEXTLINE(bugprone-use-after-move): that is what is tested
        CHECK_FALSE(pair.opener.open(as_nonce(nonce), {}, text, text, as_tag(tag)));
        text = sealed;
        CHECK(moved.open(as_nonce(nonce), {}, text, text, as_tag(tag)));
        CHECK(text == Bytes(5));
    }
}

TEST_CASE("a key of the wrong size is refused with the reason") {
    for (const Way& way : ways()) {
        for (const std::size_t size : {0U, 15U, 24U, 33U}) {
            const auto load = [&] { Aead{way.cipher, Bytes(size), Aead::Direction::open, way.backend}; };
            CHECK_THROWS_WITH_AS(load(), doctest::Contains(std::string{weft::to_string(way.cipher)}.c_str()),
                                 std::runtime_error);
        }
    }
}

TEST_CASE("ciphers have names, and only those") {
    for (const Cipher cipher : ciphers) CHECK(weft::parse_cipher(weft::to_string(cipher)) == cipher);
    CHECK(weft::to_string(Cipher::aes_128_gcm) == "aes-128-gcm");
    CHECK(weft::to_string(Cipher::aes_256_gcm) == "aes-256-gcm");
    CHECK(weft::to_string(Cipher::chacha20_poly1305) == "chacha20-poly1305");
    for (const std::string_view name : {"", "aes", "AES-128-GCM", "aes-128-gcm ", "aes-128-cbc", "none"})
        CHECK(weft::parse_cipher(name) == std::nullopt);
    CHECK(weft::key_size(Cipher::aes_128_gcm) == 16);
    CHECK(weft::key_size(Cipher::aes_256_gcm) == 32);
    CHECK(weft::key_size(Cipher::chacha20_poly1305) == 32);
}

TEST_CASE("the preferred ciphers are all of them, AES-256 last") {
    const auto preferred = weft::preferred_ciphers();
    CHECK(std::ranges::is_permutation(preferred, ciphers));
    CHECK(preferred.back() == Cipher::aes_256_gcm);
    CHECK(preferred == weft::preferred_ciphers());
}
