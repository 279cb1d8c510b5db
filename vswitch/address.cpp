#include "vswitch/address.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>

#include "vswitch/mix.h"

namespace weft {

namespace {

// A decimal number without sign or leading zero, up to `maximum`.
std::optional<std::uint16_t> parse_number(std::string_view text, std::uint16_t maximum) noexcept {
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > maximum) return std::nullopt;
    return value;
}

std::optional<unsigned> hex_digit(char digit) noexcept {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return std::nullopt;
}

// Clears the bits of `octets` from bit `length` on.
std::array<std::uint8_t, 16> masked(std::array<std::uint8_t, 16> octets, unsigned length) noexcept {
    for (unsigned i = 0; i < octets.size(); ++i) {
        const unsigned kept = std::clamp(length, i * 8, i * 8 + 8) - i * 8;
        octets[i] &= static_cast<std::uint8_t>(0xFF00U >> kept);
    }
    return octets;
}

}  // namespace

std::optional<MacAddress> MacAddress::parse(std::string_view text) noexcept {
    MacAddress mac;
    if (text.size() != mac.octets.size() * 3 - 1) return std::nullopt;
    for (std::size_t i = 0; i < mac.octets.size(); ++i) {
        const auto high = hex_digit(text[i * 3]);
        const auto low = hex_digit(text[i * 3 + 1]);
        if (!high || !low) return std::nullopt;
        if (i > 0 && text[i * 3 - 1] != ':') return std::nullopt;
        mac.octets[i] = static_cast<std::uint8_t>(*high << 4U | *low);
    }
    return mac;
}

std::string MacAddress::to_string() const {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const auto octet : octets) {
        if (!text.empty()) text += ':';
        text += digits[octet >> 4U];
        text += digits[octet & 0x0FU];
    }
    return text;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
    std::ranges::copy(text, terminated.begin());

    std::array<std::uint8_t, 4> v4_octets{};
    if (::inet_pton(AF_INET, terminated.data(), v4_octets.data()) == 1) return v4(v4_octets);
    std::array<std::uint8_t, 16> v6_octets{};
    if (::inet_pton(AF_INET6, terminated.data(), v6_octets.data()) == 1) return v6(v6_octets);
    return std::nullopt;
}

std::string IpAddress::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(is_v6_ ? AF_INET6 : AF_INET, octets_.data(), text.data(), text.size());
    return text.data();
}

bool IpAddress::is_unspecified() const noexcept {
    return std::ranges::all_of(octets_, [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_loopback() const noexcept {
    if (is_v4()) return octets_[0] == 127;
    return octets_[15] == 1 &&
           std::all_of(octets_.begin(), octets_.end() - 1, [](auto octet) { return octet == 0; });
}

bool IpAddress::is_multicast() const noexcept {
    return is_v4() ? (octets_[0] & 0xF0U) == 0xE0 : octets_[0] == 0xFF;
}

bool IpAddress::is_link_local() const noexcept {
    return is_v4() ? octets_[0] == 169 && octets_[1] == 254
                   : octets_[0] == 0xFE && (octets_[1] & 0xC0U) == 0x80;
}

bool IpAddress::is_broadcast() const noexcept {
    return *this == v4({255, 255, 255, 255});
}

std::optional<Prefix> Prefix::parse(std::string_view text) noexcept {
    const auto slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    const auto width = static_cast<std::uint8_t>(address->width());
    if (slash == std::string_view::npos) return Prefix{*address, width};
    const auto length = parse_number(text.substr(slash + 1), width);
    if (!length) return std::nullopt;
    return Prefix{*address, static_cast<std::uint8_t>(*length)};
}

std::string Prefix::to_string() const {
    return address.to_string() + '/' + std::to_string(length);
}

Prefix Prefix::network() const noexcept {
    const auto octets = masked(address.octets(), length);
    if (address.is_v6()) return {IpAddress::v6(octets), length};
    return {IpAddress::v4({octets[0], octets[1], octets[2], octets[3]}), length};
}

bool Prefix::contains(const IpAddress& other) const noexcept {
    return address.is_v6() == other.is_v6() &&
           masked(address.octets(), length) == masked(other.octets(), length);
}

bool Prefix::overlaps(const Prefix& other) const noexcept {
    return length <= other.length ? contains(other.address) : other.contains(address);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) noexcept {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);

    const auto address = IpAddress::parse(host);
    const auto port = parse_number(text.substr(colon + 1), 0xFFFF);
    if (!address || !port || address->is_v6() != bracketed) return std::nullopt;
    return Endpoint{*address, *port};
}

std::string Endpoint::to_string() const {
    const std::string host = address.is_v6() ? '[' + address.to_string() + ']' : address.to_string();
    return host + ':' + std::to_string(port);
}

}  // namespace weft

std::size_t std::hash<weft::MacAddress>::operator()(const weft::MacAddress& mac) const noexcept {
    return weft::mix(mac.to_uint64());
}

std::size_t std::hash<weft::IpAddress>::operator()(const weft::IpAddress& address) const noexcept {
    const std::uint8_t* octets = address.octets().data();
    return weft::mix(weft::mix(weft::load_native(octets), weft::load_native(octets + 8)), address.width());
}

std::size_t std::hash<weft::Endpoint>::operator()(const weft::Endpoint& endpoint) const noexcept {
    return weft::mix(std::hash<weft::IpAddress>{}(endpoint.address), endpoint.port);
}
