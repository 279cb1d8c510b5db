// Vectors that others have published, through weft's own interfaces.
//
//   Debian's python3-cryptography-vectors   NIST's GCM, ChaCha20-Poly1305, RFC 7748; without the package the
//                                           program says so and ends as skipped
//   a folder that WEFT_VECTORS names        Wycheproof's AES-GCM, ChaCha20-Poly1305 and X25519, the ESP
//   packets
//                                           of McGrew and RFC 7634, the Noise handshakes of cacophony;
//                                           optional
//
// Tables short enough to be typed in from the RFCs are with the units: aead_test, esp_test, noise_test.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "crypto/esp.h"
#include "crypto/x25519.h"
#include "tests/support/noise_conversation.h"
#include "tests/support/vector_runs.h"

using namespace weft;
using weft::testing::AeadRun;
using weft::testing::AeadVector;
using weft::testing::Bytes;
using weft::testing::from_hex;
using weft::testing::hex_of;
using weft::testing::Json;
using weft::testing::public_key;
using weft::testing::secret;
using weft::testing::VectorRun;

namespace {

const std::filesystem::path debian{"/usr/lib/python3/dist-packages/cryptography_vectors"};
constexpr int skipped_exit_code = 77;

std::ifstream open_file(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    return file;
}

const char* optional_folder() {
    return std::getenv("WEFT_VECTORS");  // NOLINT(concurrency-mt-unsafe)
}

Json optional_file(const char* name) {
    return Json::parse(open_file(std::filesystem::path{optional_folder()} / name));
}

// ---- Debian's text files: "NAME = VALUE", a record from each "COUNT" on ---------------------------------

using Record = std::map<std::string, std::string>;

std::string trimmed_lower(std::string text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string::npos) return {};
    text = text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

std::string trimmed_value(const std::string& line, std::size_t equals) {
    const auto first = line.find_first_not_of(" \t\r", equals + 1);
    if (first == std::string::npos) return {};
    return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

std::vector<Record> read_records(const std::filesystem::path& path) {
    auto file = open_file(path);
    std::vector<Record> records;
    for (std::string line; std::getline(file, line);) {
        const auto equals = line.find('=');
        const bool group_or_comment = line.starts_with('[') || line.starts_with('#');
        if (group_or_comment || line.empty()) continue;
        const auto name = trimmed_lower(line.substr(0, equals));
        if (name == "count") records.emplace_back();
        if (!records.empty()) {
            records.back()[name] = equals == std::string::npos ? "" : trimmed_value(line, equals);
        }
    }
    return records;
}

// Under one of the names that the files use; hex, or a text between quotation marks.
Bytes bytes_of(const Record& record, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        const auto found = record.find(name);
        if (found == record.end()) continue;
        const std::string& value = found->second;
        if (value.starts_with('"')) return {value.begin() + 1, value.end() - 1};
        return from_hex(value);
    }
    return {};
}

AeadVector aead_vector(const Record& record, std::optional<Cipher> cipher) {
    AeadVector vector{.name = "count " + record.at("count"),
                      .cipher = cipher,
                      .key = bytes_of(record, {"key"}),
                      .nonce = bytes_of(record, {"iv", "nonce"}),
                      .associated = bytes_of(record, {"aad", "ad"}),
                      .plain = bytes_of(record, {"pt", "in", "plaintext"}),
                      .sealed = bytes_of(record, {"ct", "ciphertext"}),
                      .tag = bytes_of(record, {"tag"}),
                      .valid = !record.contains("fail") && !record.contains("result")};
    if (!cipher) vector.cipher = testing::aes_gcm_with_key_of(vector.key.size());
    return vector;
}

void run_aead_file(const std::filesystem::path& path, std::optional<Cipher> cipher) {
    AeadRun run{path.filename().string()};
    for (const auto& record : read_records(path)) run.run(aead_vector(record, cipher));
    run.report();
}

// ---- X25519 ---------------------------------------------------------------------------------------------

bool agrees(const std::string& scalar, const std::string& point, const std::string& result) {
    const auto shared = X25519{secret(scalar)}.agree(public_key(point));
    return shared && equal_in_constant_time(shared->bytes(), secret(result).bytes());
}

// ---- ESP ------------------------------------------------------------------------------------------------

// With a 64-bit sequence number, as weft has it: the packet opens.
bool esp_opens(const Json& vector, Cipher cipher) {
    SaKeys keys;
    Bytes packet = from_hex(vector.at("packet").get<std::string>());
    const Bytes key = from_hex(vector.at("key").get<std::string>());
    const Bytes salt = from_hex(vector.at("salt").get<std::string>());
    keys.spi = Esp::spi_of(packet);
    keys.cipher = cipher;
    std::ranges::copy(key, keys.key.writable().begin());
    std::ranges::copy(salt, keys.salt.begin());
    const auto sequence = std::stoull(vector.at("seq").get<std::string>(), nullptr, 16);
    InboundSa sa{keys, 64, sequence - 1};
    const auto opened = Esp::open_in_place(sa, packet);
    if (!opened) return false;

    Bytes text = from_hex(vector.at("plaintext_with_trailer").get<std::string>());
    text.resize(text.size() - vector.at("pad_len").get<std::size_t>() - 2);
    const std::span payload{packet.data() + Esp::header_size, opened->payload_size};
    return opened->sequence == sequence && opened->next_header == vector.at("next_header") &&
           std::ranges::equal(payload, text);
}

// The encryption of an ESP packet: RFC 4106 sections 4 and 5, RFC 7634 section 2.
AeadVector esp_as_aead(const Json& vector, std::optional<Cipher> cipher) {
    const Bytes packet = from_hex(vector.at("packet").get<std::string>());
    Bytes nonce = from_hex(vector.at("salt").get<std::string>());
    nonce.insert(nonce.end(), packet.begin() + 8, packet.begin() + 16);
    return {.name = "packet " + vector.at("n").dump(),
            .cipher = cipher,
            .key = from_hex(vector.at("key").get<std::string>()),
            .nonce = nonce,
            .associated = from_hex(vector.at("spi").get<std::string>() + vector.at("seq").get<std::string>()),
            .plain = from_hex(vector.at("plaintext_with_trailer").get<std::string>()),
            .sealed = {packet.begin() + 16, packet.end() - 16},
            .tag = {packet.end() - 16, packet.end()}};
}

}  // namespace

TEST_CASE("NIST's vectors of GCM are sealed and opened as published") {
    for (const char* file :
         {"gcmEncryptExtIV128.rsp", "gcmEncryptExtIV256.rsp", "gcmDecrypt128.rsp", "gcmDecrypt256.rsp"})
        run_aead_file(debian / "ciphers/AES/GCM" / file, std::nullopt);
}

TEST_CASE("BoringSSL's and OpenSSL's vectors of ChaCha20-Poly1305 are sealed and opened as published") {
    for (const char* file : {"boringssl.txt", "openssl.txt"})
        run_aead_file(debian / "ciphers/ChaCha20Poly1305" / file, Cipher::chacha20_poly1305);
}

TEST_CASE("X25519 agrees on what RFC 7748 says") {
    VectorRun run{"rfc7748.txt"};
    for (const auto& record : read_records(debian / "asymmetric/X25519/rfc7748.txt")) {
        run.count(agrees(record.at("input_scalar"), record.at("input_u"), record.at("output_u")),
                  "count " + record.at("count"));
    }
    run.report();
}

TEST_CASE("Wycheproof's AEAD vectors are sealed, opened and refused as they should" *
          doctest::skip(optional_folder() == nullptr)) {
    for (const char* file : {"wycheproof_aes_gcm_test.json", "wycheproof_chacha20_poly1305_test.json"}) {
        const Json vectors = optional_file(file);
        const bool chacha = vectors.at("algorithm") == "CHACHA20-POLY1305";
        AeadRun run{file};
        for (const auto& group : vectors.at("testGroups")) {
            for (const auto& test : group.at("tests")) {
                const Bytes key = from_hex(hex_of(test, "key"));
                run.run(
                    {.name = fmt::format("tcId {}", test.at("tcId").get<int>()),
                     .cipher = chacha ? Cipher::chacha20_poly1305 : testing::aes_gcm_with_key_of(key.size()),
                     .key = key,
                     .nonce = from_hex(hex_of(test, "iv")),
                     .associated = from_hex(hex_of(test, "aad")),
                     .plain = from_hex(hex_of(test, "msg")),
                     .sealed = from_hex(hex_of(test, "ct")),
                     .tag = from_hex(hex_of(test, "tag")),
                     .valid = test.at("result") == "valid"});
            }
        }
        run.report();
    }
}

// 'Acceptable' leaves the choice to the implementation. weft takes what is not canonical or on the twist, as
// RFC 7748 section 5 has it, and refuses exactly the agreements on zero (section 6.1).
TEST_CASE("Wycheproof's X25519 agreements are made, those on zero refused" *
          doctest::skip(optional_folder() == nullptr)) {
    VectorRun valid{"wycheproof_x25519_test.json, valid, agreed"};
    VectorRun taken{"wycheproof_x25519_test.json, acceptable, agreed"};
    VectorRun refused{"wycheproof_x25519_test.json, acceptable with a shared secret of zero, refused"};
    const Json vectors = optional_file("wycheproof_x25519_test.json");
    for (const auto& group : vectors.at("testGroups")) {
        for (const auto& test : group.at("tests")) {
            const auto name = fmt::format("tcId {}", test.at("tcId").get<int>());
            const auto shared = hex_of(test, "shared");
            if (shared == std::string(64, '0')) {
                REQUIRE(test.at("result") == "acceptable");
                refused.count(
                    !X25519{secret(hex_of(test, "private"))}.agree(public_key(hex_of(test, "public"))), name);
            } else {
                (test.at("result") == "valid" ? valid : taken)
                    .count(agrees(hex_of(test, "private"), hex_of(test, "public"), shared), name);
            }
        }
    }
    for (const auto* run : {&valid, &taken, &refused}) run->report();
}

TEST_CASE("the published ESP packets open, and are sealed to the same bytes" *
          doctest::skip(optional_folder() == nullptr)) {
    constexpr const char* file = "esp_vectors_mcgrew_rfc7634.json";
    VectorRun opened{fmt::format("{}, Esp::open", file)};
    AeadRun sealed{fmt::format("{}, nonce, ciphertext and ICV", file)};
    for (const auto& vector : optional_file(file)) {
        const Bytes key = from_hex(hex_of(vector, "key"));
        const auto cipher = vector.at("alg") == "CHACHA20-POLY1305"
                                ? std::optional{Cipher::chacha20_poly1305}
                                : testing::aes_gcm_with_key_of(key.size());
        sealed.run(esp_as_aead(vector, cipher));
        if (!cipher) {
            opened.leave_out(fmt::format("key of {} bits", key.size() * 8));
        } else if (!vector.at("esn").get<bool>()) {
            opened.leave_out("32-bit sequence numbers");
        } else {
            opened.count(esp_opens(vector, *cipher), "packet " + vector.at("n").dump());
        }
    }
    opened.report();
    sealed.report();
}

TEST_CASE("both roles of the published Noise handshakes write and read each message" *
          doctest::skip(optional_folder() == nullptr)) {
    const std::map<std::string, NoisePattern> patterns = {
        {"Noise_IK_25519_ChaChaPoly_BLAKE2s", NoisePattern::ik},
        {"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", NoisePattern::ik_psk2}};
    VectorRun run{"noise_cacophony.txt"};
    const Json file = optional_file("noise_cacophony.txt");
    for (const auto& vector : file.at("vectors")) {
        const auto name = hex_of(vector, "protocol_name");
        if (const auto pattern = patterns.find(name); pattern != patterns.end()) {
            run.count(testing::converses(pattern->second, vector), name);
        } else {
            run.leave_out("another pattern, curve, cipher or hash");
        }
    }
    run.report();
    CHECK(run.run() == patterns.size());
}

int main(int argc, char** argv) {
    if (!std::filesystem::exists(debian)) {
        std::printf("skipped: no %s: install python3-cryptography-vectors\n", debian.c_str());
        return skipped_exit_code;
    }
    return doctest::Context(argc, argv).run();
}
