// Addresses: MAC (EUI-48), IPv4/IPv6, prefixes and UDP endpoints. Plain values: comparable, hashable, parsed
// from and printed as the text that iproute2 uses (IPv6 as RFC 5952 says). Parsing returns nothing for
// malformed text and never throws.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft {

struct MacAddress {
    std::array<std::uint8_t, 6> octets{};

    [[nodiscard]] constexpr bool is_group() const noexcept { return (octets[0] & 1U) != 0; }

    [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == MacAddress{}; }

    // 01:80:C2:00:00:00..0F: never forwarded by a bridge (IEEE 802.1Q-2018 table 8-1).
    [[nodiscard]] constexpr bool is_link_local() const noexcept {
        return octets[0] == 0x01 && octets[1] == 0x80 && octets[2] == 0xC2 && octets[3] == 0 &&
               octets[4] == 0 && (octets[5] & 0xF0U) == 0;
    }

    // The address as the low 48 bits, first octet highest.
    [[nodiscard]] constexpr std::uint64_t to_uint64() const noexcept {
        std::uint64_t value = 0;
        for (const auto octet : octets) value = value << 8U | octet;
        return value;
    }

    static std::optional<MacAddress> parse(std::string_view text) noexcept;
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) noexcept = default;
};

inline constexpr MacAddress broadcast_mac{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};

// An IPv4 address occupies the first four bytes, the others are zero.
class IpAddress {
  public:
    constexpr IpAddress() noexcept = default;  // 0.0.0.0

    static constexpr IpAddress v4(std::array<std::uint8_t, 4> octets) noexcept {
        IpAddress address;
        for (std::size_t i = 0; i < 4; ++i) address.octets_[i] = octets[i];
        return address;
    }

    static constexpr IpAddress v6(const std::array<std::uint8_t, 16>& octets) noexcept {
        IpAddress address;
        address.octets_ = octets;
        address.is_v6_ = true;
        return address;
    }

    static std::optional<IpAddress> parse(std::string_view text) noexcept;
    [[nodiscard]] std::string to_string() const;

    [[nodiscard]] constexpr bool is_v6() const noexcept { return is_v6_; }

    [[nodiscard]] constexpr bool is_v4() const noexcept { return !is_v6_; }

    // 4 or 16 bytes, in network order.
    [[nodiscard]] constexpr std::span<const std::uint8_t> bytes() const noexcept {
        return {octets_.data(), is_v6_ ? std::size_t{16} : std::size_t{4}};
    }

    [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& octets() const noexcept { return octets_; }

    // Bits in an address of this family: 32 or 128.
    [[nodiscard]] constexpr unsigned width() const noexcept { return is_v6_ ? 128 : 32; }

    [[nodiscard]] bool is_unspecified() const noexcept;
    [[nodiscard]] bool is_loopback() const noexcept;
    [[nodiscard]] bool is_multicast() const noexcept;   // 224.0.0.0/4, ff00::/8
    [[nodiscard]] bool is_link_local() const noexcept;  // 169.254.0.0/16, fe80::/10
    [[nodiscard]] bool is_broadcast() const noexcept;   // 255.255.255.255

    friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) noexcept = default;

  private:
    std::array<std::uint8_t, 16> octets_{};
    bool is_v6_ = false;
};

// An address and the length of its network part. Used both for networks ("10.0.0.0/8") and for an interface's
// address
// ("10.10.0.1/24"); network() clears the host bits.
struct Prefix {
    IpAddress address;
    std::uint8_t length = 0;

    // "10.0.0.0/8", or a bare address (full length).
    static std::optional<Prefix> parse(std::string_view text) noexcept;
    [[nodiscard]] std::string to_string() const;

    [[nodiscard]] Prefix network() const noexcept;
    [[nodiscard]] bool contains(const IpAddress& other) const noexcept;
    [[nodiscard]] bool overlaps(const Prefix& other) const noexcept;

    friend constexpr auto operator<=>(const Prefix&, const Prefix&) noexcept = default;
};

// A UDP endpoint on the underlay; port in host order.
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;

    static std::optional<Endpoint> parse(
        std::string_view text) noexcept;  // "192.0.2.1:4500", "[2001:db8::1]:4500"
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) noexcept = default;
};

}  // namespace weft

template <>
struct std::hash<weft::MacAddress> {
    std::size_t operator()(const weft::MacAddress& mac) const noexcept;
};

template <>
struct std::hash<weft::IpAddress> {
    std::size_t operator()(const weft::IpAddress& address) const noexcept;
};

template <>
struct std::hash<weft::Endpoint> {
    std::size_t operator()(const weft::Endpoint& endpoint) const noexcept;
};
