#include "overlay/socket_address.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>

namespace weft {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

}  // namespace

socklen_t to_socket_address(const Endpoint& endpoint, int family, SocketAddress& address) noexcept {
    const auto bytes = endpoint.address.bytes();
    if (family == AF_INET) {
        if (endpoint.address.is_v6()) return 0;
        address.v4 = {};
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(endpoint.port);
        std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(&address.v4.sin_addr));
        return sizeof(address.v4);
    }
    address.v6 = {};
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(endpoint.port);
    auto* out = static_cast<std::uint8_t*>(address.v6.sin6_addr.s6_addr);
    if (endpoint.address.is_v4()) out = std::copy(mapped_prefix.begin(), mapped_prefix.end(), out);
    std::copy(bytes.begin(), bytes.end(), out);
    return sizeof(address.v6);
}

Endpoint to_endpoint(const SocketAddress& address) noexcept {
    std::array<std::uint8_t, 4> v4{};
    if (address.any.sa_family == AF_INET) {
        const auto* octets = reinterpret_cast<const std::uint8_t*>(&address.v4.sin_addr);
        std::copy_n(octets, v4.size(), v4.begin());
        return {.address = IpAddress::v4(v4), .port = ntohs(address.v4.sin_port)};
    }
    std::array<std::uint8_t, 16> v6{};
    std::copy_n(static_cast<const std::uint8_t*>(address.v6.sin6_addr.s6_addr), v6.size(), v6.begin());
    const std::uint16_t port = ntohs(address.v6.sin6_port);
    if (!std::equal(mapped_prefix.begin(), mapped_prefix.end(), v6.begin()))
        return {.address = IpAddress::v6(v6), .port = port};
    std::copy_n(v6.begin() + mapped_prefix.size(), v4.size(), v4.begin());
    return {.address = IpAddress::v4(v4), .port = port};
}

}  // namespace weft
