#include "cli/keylog.h"

#include <cerrno>
#include <cstring>
#include <span>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft {

Keylog::Keylog(const std::string& path)
    : descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (descriptor_ < 0) throw std::runtime_error(fmt::format("keylog {}: {}", path, std::strerror(errno)));
}

Keylog::~Keylog() {
    ::close(descriptor_);
}

void Keylog::append(const SaKeys& keys, bool ipv6_underlay) const {
    const std::span<const std::uint8_t> key = keys.key.bytes().first(key_size(keys.cipher));
    const bool is_gcm = keys.cipher != Cipher::chacha20_poly1305;
    std::string line =
        fmt::format(R"("{}","*","*","0x{:08x}","{}","0x)", ipv6_underlay ? "IPv6" : "IPv4", keys.spi,
                    is_gcm ? "AES-GCM with 16 octet ICV [RFC4106]" : "ChaCha20 with Poly1305 [RFC7634]");
    constexpr std::string_view rest = R"(","NULL","","64-bit","0")";
    line.reserve(line.size() + 2 * (key.size() + keys.salt.size()) + rest.size() + 1);
    for (const auto byte : key) fmt::format_to(std::back_inserter(line), "{:02x}", byte);
    for (const auto byte : keys.salt) fmt::format_to(std::back_inserter(line), "{:02x}", byte);
    line += rest;
    line += '\n';
    const auto written = ::write(descriptor_, line.data(), line.size());
    wipe({reinterpret_cast<std::uint8_t*>(line.data()), line.size()});
    if (written < 0) throw std::runtime_error(fmt::format("keylog: {}", std::strerror(errno)));
}

}  // namespace weft
