#include "tests/support/vector_runs.h"

#include <algorithm>
#include <array>
#include <span>

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace weft::testing {

namespace {

constexpr AeadBackend all_backends[] = {AeadBackend::openssl, AeadBackend::ipsec_mb};

std::optional<std::string> inexpressible(const AeadVector& vector) {
    if (!vector.cipher || vector.key.size() != key_size(*vector.cipher))
        return fmt::format("key of {} bits", vector.key.size() * 8);
    if (vector.nonce.size() != aead_nonce_size) return "IV not of 96 bits";
    if (vector.tag.size() != aead_tag_size) return "tag not of 128 bits";
    return std::nullopt;
}

bool has(Cipher cipher, AeadBackend backend) {
    const auto usable = aead_backends(cipher);
    return std::ranges::find(usable, backend) != usable.end();
}

bool seals(const AeadVector& vector, AeadBackend backend) {
    Bytes text = vector.plain;
    std::array<std::uint8_t, aead_tag_size> tag{};
    Aead{*vector.cipher, vector.key, Aead::Direction::seal, backend}.seal(
        std::span<const std::uint8_t, aead_nonce_size>{vector.nonce}, vector.associated, text, tag);
    return text == vector.sealed && std::ranges::equal(tag, vector.tag);
}

bool opens_if_valid(const AeadVector& vector, AeadBackend backend) {
    Bytes text(vector.sealed.size(), 0xee);
    const bool opened = Aead{*vector.cipher, vector.key, Aead::Direction::open, backend}.open(
        std::span<const std::uint8_t, aead_nonce_size>{vector.nonce}, vector.associated, vector.sealed, text,
        std::span<const std::uint8_t, aead_tag_size>{vector.tag});
    if (!vector.valid) return !opened && text == Bytes(text.size(), 0);
    return opened && text == vector.plain;
}

}  // namespace

void VectorRun::count(bool passed, const std::string& what) {
    ++run_;
    if (passed) ++passed_;
    CHECK_MESSAGE(passed, title_, ": ", what);
}

void VectorRun::report() const {
    std::string line = fmt::format("{}: {} passed / {} run", title_, passed_, run_);
    const char* separator = "; not run: ";
    for (const auto& [reason, number] : left_out_) {
        line += fmt::format("{}{} ({})", separator, number, reason);
        separator = ", ";
    }
    MESSAGE(line);
    CHECK(run_ > 0);
}

std::optional<Cipher> aes_gcm_with_key_of(std::size_t bytes) noexcept {
    for (const Cipher cipher : {Cipher::aes_128_gcm, Cipher::aes_256_gcm})
        if (key_size(cipher) == bytes) return cipher;
    return std::nullopt;
}

void AeadRun::run(const AeadVector& vector) {
    const auto reason = inexpressible(vector);
    for (const AeadBackend backend : all_backends) {
        auto& run =
            runs_.try_emplace(backend, fmt::format("{}, {}", title_, to_string(backend))).first->second;
        if (reason) {
            run.leave_out(*reason);
        } else if (!has(*vector.cipher, backend)) {
            run.leave_out("this machine has no such backend for the cipher");
        } else {
            run.count((!vector.valid || seals(vector, backend)) && opens_if_valid(vector, backend),
                      vector.name);
        }
    }
}

void AeadRun::report() const {
    for (const auto& [backend, run] : runs_) {
        if (run.run() > 0) run.report();
    }
    CHECK(std::ranges::any_of(runs_, [](const auto& entry) { return entry.second.run() > 0; }));
}

}  // namespace weft::testing
