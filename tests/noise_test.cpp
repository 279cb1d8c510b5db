#include "crypto/noise.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "crypto/aead.h"

using namespace weft;

// NOLINTBEGIN(bugprone-unchecked-optional-access): REQUIRE and the test's course have checked them
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes unhex(std::string_view text) {
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(std::string{text.substr(i, 2)}, nullptr, 16)));
    }
    return bytes;
}

Secret<32> unhex_secret(std::string_view text) {
    const auto bytes = unhex(text);
    return Secret<32>{std::span<const std::uint8_t, 32>{bytes}};
}

PublicKey unhex_public(std::string_view text) {
    PublicKey key;
    const auto bytes = unhex(text);
    std::ranges::copy(bytes, key.bytes.begin());
    return key;
}

struct Vector {
    std::string_view name;
    NoisePattern pattern;
    std::string_view preshared_key;
    std::string_view hash;

    struct Message {
        std::string_view payload;
        std::string_view ciphertext;
    };

    std::vector<Message> messages;  // the first two are the handshake; then initiator and responder in turn
};

constexpr std::string_view prologue = "4a6f686e2047616c74";
constexpr std::string_view initiator_static =
    "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
constexpr std::string_view initiator_ephemeral =
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
constexpr std::string_view responder_static =
    "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
constexpr std::string_view responder_public =
    "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62";
constexpr std::string_view responder_ephemeral =
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";

// The published vectors of the cacophony implementation.
const std::vector<Vector> vectors = {
    {"Noise_IK_25519_ChaChaPoly_BLAKE2s",
     NoisePattern::ik,
     "0000000000000000000000000000000000000000000000000000000000000000",
     "48f3cb8bc9319da4ba1e9933991b1c4ed4034f1f126a76d3a1fbcfd7f94248d4",
     {
         {"4c756477696720766f6e204d69736573",
          "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79440b03ddc7aac5123d06a1b23b71670e32"
          "e76c28239a7ca4ac8f784de7e44c1adbfc6e83fef7352a58d9d56157400c0a737b1d171ce368229c7b752ac25b8faf4e"
          "ca690f6d896f543be02c996ab2b86b76"},
         {"4d757272617920526f746862617264",
          "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843d9b5a8927f0ac9655ef76833bc7e5561"
          "f42e691ac8404efd6fbd6308b6a27c"},
         {"462e20412e20486179656b", "2c256ed08fcd08c2980f954ee4beaccb61c9581340f5dd2fd1cf3b"},
         {"4361726c204d656e676572", "d6033f70eee20945c7c9dba304e397ee3b284ff5e00fd9efb095d3"},
         {"4a65616e2d426170746973746520536179",
          "a9c068ca5d8babf72560652d8e851adbfac35c8a66e810d560863173e96adf4cfe"},
         {"457567656e2042f6686d20766f6e2042617765726b",
          "2a09d8f459e5927e40fdd2eddc99bdafb04e13a26f145cb5cfe9e6ba34c94331ebc17d5156"},
     }},
    {"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
     NoisePattern::ik_psk2,
     "54686973206973206d7920417573747269616e20706572737065637469766521",
     "f5191b875290abcd41347ac3622d9679688a7e980229cb937ef748336cfde0e5",
     {
         {"4c756477696720766f6e204d69736573",
          "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e21de9f98ddd8e2ad57527207feb5"
          "6253c9c94a9e496782ecfcb2a75fbcaf1b52948cc48daefe660c62119ab5000980c84831215f2441eba616548e832985"
          "464cf17e51ee93109008399a21f7e13f"},
         {"4d757272617920526f746862617264",
          "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cb765f2caef0751b8f007572dab03222"
          "17755c0632f365717edbf34d33e87a"},
         {"462e20412e20486179656b", "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7"},
         {"4361726c204d656e676572", "07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef"},
         {"4a65616e2d426170746973746520536179",
          "6ab1467c0448cc78394494abaaf23afce0e234315d6e2624dcbfa8a21c1c4d073d"},
         {"457567656e2042f6686d20766f6e2042617765726b",
          "dfc346c0d2296ae6cf1acf6f12b8456a1dba228cf8d8b774aacf1c47fc53aa80ebc7a4c292"},
     }},
};

// Both ends of one handshake, with the keys of the vectors unless told otherwise.
struct Ends {
    explicit Ends(NoisePattern pattern, std::string_view psk_a = {}, std::string_view psk_b = {})
        : a(unhex_secret(initiator_static)),
          b(unhex_secret(responder_static)),
          b_at_a(*NoiseRemote::make(a, b.public_key(), psk(psk_a))),
          a_at_b(*NoiseRemote::make(b, a.public_key(), psk(psk_b))),
          initiator(pattern, unhex(prologue), a, b_at_a, unhex_secret(initiator_ephemeral)),
          responder(pattern, unhex(prologue), b) {}

    static PresharedKey psk(std::string_view text) {
        return text.empty() ? PresharedKey{} : unhex_secret(text);
    }

    Bytes message_1(const Bytes& payload) {
        Bytes message(payload.size() + noise_message_1_overhead);
        REQUIRE(initiator.write_message(payload, message));
        return message;
    }

    Bytes message_2(const Bytes& payload) {
        Bytes message(payload.size() + noise_message_2_overhead);
        REQUIRE(responder.write_message(unhex_secret(responder_ephemeral), payload, message));
        return message;
    }

    std::optional<Bytes> read_1(const Bytes& message) {
        const auto caller = responder.read_static(message);
        if (!caller || *caller != a.public_key()) return std::nullopt;
        Bytes payload(message.size() - noise_message_1_overhead);
        if (!responder.read_payload(a_at_b, payload)) return std::nullopt;
        return payload;
    }

    std::optional<Bytes> read_2(const Bytes& message) {
        Bytes payload(message.size() - noise_message_2_overhead);
        if (!initiator.read_message(message, payload)) return std::nullopt;
        return payload;
    }

    X25519 a;
    X25519 b;
    NoiseRemote b_at_a;
    NoiseRemote a_at_b;
    NoiseInitiator initiator;
    NoiseResponder responder;
};

Bytes seal_transport(const Secret<32>& key, std::uint8_t counter, Bytes text) {
    std::array<std::uint8_t, aead_nonce_size> nonce{};
    nonce[4] = counter;
    std::array<std::uint8_t, aead_tag_size> tag{};
    Aead{Cipher::chacha20_poly1305, key.bytes(), Aead::Direction::seal}.seal(nonce, {}, text, tag);
    text.insert(text.end(), tag.begin(), tag.end());
    return text;
}

bool same(const Secret<32>& a, const Secret<32>& b) {
    return equal_in_constant_time(a.bytes(), b.bytes());
}

}  // namespace

TEST_CASE("handshakes agree byte for byte with the published vectors") {
    for (const auto& vector : vectors) {
        CAPTURE(vector.name);
        Ends ends{vector.pattern, vector.preshared_key, vector.preshared_key};
        CHECK(ends.b.public_key() == unhex_public(responder_public));

        const auto message_1 = ends.message_1(unhex(vector.messages[0].payload));
        CHECK(message_1 == unhex(vector.messages[0].ciphertext));
        CHECK(ends.read_1(message_1) == unhex(vector.messages[0].payload));

        const auto message_2 = ends.message_2(unhex(vector.messages[1].payload));
        CHECK(message_2 == unhex(vector.messages[1].ciphertext));
        CHECK(ends.read_2(message_2) == unhex(vector.messages[1].payload));

        const auto hash = unhex(vector.hash);
        CHECK(std::ranges::equal(ends.initiator.hash(), hash));
        CHECK(std::ranges::equal(ends.responder.hash(), hash));

        const auto keys = ends.initiator.split();
        const auto mirrored = ends.responder.split();
        CHECK(same(keys.initiator_to_responder, mirrored.initiator_to_responder));
        CHECK(same(keys.responder_to_initiator, mirrored.responder_to_initiator));
        for (std::size_t i = 2; i < vector.messages.size(); ++i) {
            const auto& key = i % 2 == 0 ? keys.initiator_to_responder : keys.responder_to_initiator;
            const auto counter = static_cast<std::uint8_t>((i - 2) / 2);
            CHECK(seal_transport(key, counter, unhex(vector.messages[i].payload)) ==
                  unhex(vector.messages[i].ciphertext));
        }
    }
}

TEST_CASE("no mutated first message is accepted") {
    Ends sender{NoisePattern::ik_psk2};
    const auto message = sender.message_1(unhex("0102030405"));
    for (std::size_t i = 0; i < message.size(); ++i) {
        for (const unsigned flip : {0x01U, 0x80U}) {
            auto mutated = message;
            mutated[i] = static_cast<std::uint8_t>(mutated[i] ^ flip);
            // RFC 7748 section 5: the top bit of a public key has no meaning to X25519; the transcript still
            // binds it.
            Ends receiver{NoisePattern::ik_psk2};
            CHECK_FALSE(receiver.read_1(mutated));
        }
    }
}

TEST_CASE("a mutated second message is refused and does not spoil the handshake") {
    Ends ends{NoisePattern::ik_psk2};
    REQUIRE(ends.read_1(ends.message_1({})));
    const auto message = ends.message_2(unhex("0a0b"));
    for (std::size_t i = 0; i < message.size(); ++i) {
        auto mutated = message;
        mutated[i] ^= 0x40U;
        CHECK_FALSE(ends.read_2(mutated));
    }
    CHECK(ends.read_2(message) == unhex("0a0b"));
}

TEST_CASE("differing pre-shared keys fail at the second message") {
    Ends ends{NoisePattern::ik_psk2, vectors[1].preshared_key, {}};
    REQUIRE(ends.read_1(ends.message_1({})));
    CHECK_FALSE(ends.read_2(ends.message_2({})));
}

TEST_CASE("a message for another prologue, pattern or responder is refused") {
    Ends ends{NoisePattern::ik_psk2};
    const auto message = ends.message_1({});
    NoiseResponder other_prologue{NoisePattern::ik_psk2, unhex("00"), ends.b};
    CHECK_FALSE(other_prologue.read_static(message));
    NoiseResponder other_pattern{NoisePattern::ik, unhex(prologue), ends.b};
    CHECK_FALSE(other_pattern.read_static(message));
    NoiseResponder other_key{NoisePattern::ik_psk2, unhex(prologue), ends.a};
    CHECK_FALSE(other_key.read_static(message));
}

TEST_CASE("a caller that only claims a static key is found out by the payload") {
    Ends honest{NoisePattern::ik_psk2};
    const X25519 thief{unhex_secret(responder_ephemeral)};
    auto forged = *NoiseRemote::make(thief, honest.b.public_key(), {});
    NoiseInitiator initiator{NoisePattern::ik_psk2, unhex(prologue), honest.a, forged,
                             unhex_secret(initiator_ephemeral)};
    Bytes message(noise_message_1_overhead);
    REQUIRE(initiator.write_message({}, message));
    CHECK(honest.responder.read_static(message) == honest.a.public_key());
    CHECK_FALSE(honest.responder.read_payload(honest.a_at_b, {}));
}

TEST_CASE("points of low order are refused wherever they come from") {
    // The orders 1, 2, 4 and 8 (RFC 7748 section 6.1 speaks of them; the coordinates follow from the curve's
    // equation).
    for (const auto* point : {"0000000000000000000000000000000000000000000000000000000000000000",
                              "0100000000000000000000000000000000000000000000000000000000000000",
                              "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                              "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                              "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"}) {
        CAPTURE(point);
        Ends ends{NoisePattern::ik_psk2};
        CHECK_FALSE(ends.a.agree(unhex_public(point)));
        CHECK_FALSE(NoiseRemote::make(ends.a, unhex_public(point), {}));

        Bytes message(noise_message_1_overhead);
        std::ranges::copy(unhex(point), message.begin());
        CHECK_FALSE(ends.responder.read_static(message));
    }
}

TEST_CASE("X25519 computes what RFC 7748 section 5.2 says, every time") {
    struct Product {
        std::string_view scalar;
        std::string_view point;
        std::string_view result;
    };

    constexpr std::array<Product, 2> products = {{
        {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
        {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
    }};
    for (const auto& product : products) {
        const X25519 key{unhex_secret(product.scalar)};
        const auto shared = key.agree(unhex_public(product.point));
        REQUIRE(shared);
        CHECK(same(*shared, unhex_secret(product.result)));
        CHECK(same(*key.agree(unhex_public(product.point)), *shared));
    }
    const X25519 nine{unhex_secret("0900000000000000000000000000000000000000000000000000000000000000")};
    CHECK(nine.public_key() ==
          unhex_public("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"));
}

// Each scalar is the result of the round before, each point its scalar.
TEST_CASE("X25519 comes to the values of RFC 7748 section 5.2 after one and after a thousand rounds") {
    auto scalar = unhex("0900000000000000000000000000000000000000000000000000000000000000");
    auto point = scalar;
    for (int round = 1; round <= 1000; ++round) {
        const X25519 key{Secret<32>{std::span<const std::uint8_t, 32>{scalar}}};
        PublicKey remote;
        std::ranges::copy(point, remote.bytes.begin());
        const auto shared = key.agree(remote);
        REQUIRE(shared);
        point = std::exchange(scalar, {shared->bytes().begin(), shared->bytes().end()});
        if (round == 1)
            CHECK(scalar == unhex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"));
    }
    CHECK(scalar == unhex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
}

TEST_CASE("Alice and Bob of RFC 7748 section 6.1 agree") {
    const X25519 alice{unhex_secret("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")};
    const X25519 bob{unhex_secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")};
    CHECK(alice.public_key() ==
          unhex_public("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    CHECK(bob.public_key() ==
          unhex_public("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
    const auto secret = unhex_secret("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    CHECK(same(*alice.agree(bob.public_key()), secret));
    CHECK(same(*bob.agree(alice.public_key()), secret));
}

TEST_CASE("BLAKE2s gives the digest of RFC 7693 appendix B, in however many parts") {
    const Bytes abc{'a', 'b', 'c'};
    const auto expected = unhex("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
    std::array<std::uint8_t, blake2s_size> digest{};
    blake2s({abc}, digest);
    CHECK(std::ranges::equal(digest, expected));
    blake2s({ByteView{abc}.first(1), {}, ByteView{abc}.subspan(1)}, digest);
    CHECK(std::ranges::equal(digest, expected));
}

// NOLINTEND(bugprone-unchecked-optional-access)
