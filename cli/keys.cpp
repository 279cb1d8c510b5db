#include "cli/keys.h"

#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace weft {

namespace {

// A secret's base64, wiped when it goes.
struct SecretText {
    std::string text;

    explicit SecretText(std::string content) noexcept : text(std::move(content)) {}

    SecretText(const SecretText&) = delete;
    SecretText& operator=(const SecretText&) = delete;

    ~SecretText() { wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}); }
};

int print_line(const std::string& line) {
    if (std::puts(line.c_str()) >= 0 && std::fflush(stdout) == 0) return 0;
    fmt::print(stderr, "weft: cannot write to standard output\n");
    return 1;
}

int print_secret(const Secret<32>& secret) {
    struct stat out{};
    if (fstat(STDOUT_FILENO, &out) == 0 && S_ISREG(out.st_mode) && (out.st_mode & 077U) != 0) {
        fmt::print(stderr, "weft: warning: the key goes into a file that others may read: use umask 077\n");
    }
    const SecretText line{to_base64(secret)};
    return print_line(line.text);
}

// Standard input, as far as a key can reach: two more characters than its base64 betray what is too long.
std::optional<PrivateKey> read_private_key() {
    SecretText input{std::string(256, '\0')};
    std::size_t size = 0;
    while (size < input.text.size()) {
        const auto got = read(STDIN_FILENO, input.text.data() + size, input.text.size() - size);
        if (got <= 0) break;
        size += static_cast<std::size_t>(got);
    }
    return parse_secret(std::string_view{input.text}.substr(0, size));
}

}  // namespace

PrivateKey generate_private_key() {
    PrivateKey key;
    const auto bytes = key.writable();
    fill_random(bytes);
    bytes[0] &= 0xF8U;
    bytes[31] = static_cast<std::uint8_t>((bytes[31] & 0x7FU) | 0x40U);
    return key;
}

PresharedKey generate_preshared_key() {
    PresharedKey key;
    fill_random(key.writable());
    return key;
}

PublicKey public_key_of(const PrivateKey& key) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair{
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, key.bytes().data(), key.bytes().size()),
        EVP_PKEY_free};
    PublicKey result;
    auto size = result.bytes.size();
    if (!pair || EVP_PKEY_get_raw_public_key(pair.get(), result.bytes.data(), &size) != 1 ||
        size != result.bytes.size()) {
        throw std::runtime_error("cannot compute a public key: this OpenSSL has no X25519");
    }
    return result;
}

int run_genkey() {
    return print_secret(generate_private_key());
}

int run_genpsk() {
    return print_secret(generate_preshared_key());
}

int run_pubkey() {
    const auto key = read_private_key();
    if (!key) {
        fmt::print(
            stderr,
            "weft: standard input is no private key: 44 characters of base64, as `weft genkey` prints\n");
        return 2;
    }
    return print_line(public_key_of(*key).to_string());
}

}  // namespace weft
