// IP datagrams and Ethernet frames as byte vectors, written straight from the RFCs' figures and with a naive
// checksum of their own, so that what vswitch/ computes is held against something that shares no code with
// it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tests/support/packet_builder.h"
#include "vswitch/address.h"

namespace weft::test {

inline void append(Bytes& to, std::span<const std::uint8_t> bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

inline void append16(Bytes& to, unsigned value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8U));
    to.push_back(static_cast<std::uint8_t>(value));
}

inline void append32(Bytes& to, std::uint32_t value) {
    append16(to, value >> 16U);
    append16(to, value & 0xFFFFU);
}

inline void put16(std::span<std::uint8_t> bytes, std::size_t at, unsigned value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

inline unsigned get16(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<unsigned>(bytes[at] << 8U | bytes[at + 1]);
}

inline std::uint32_t get32(std::span<const std::uint8_t> bytes, std::size_t at) {
    return get16(bytes, at) << 16U | get16(bytes, at + 2);
}

// One word at a time, carry by carry. Zero over bytes that contain their own right checksum.
inline unsigned naive_checksum(std::span<const std::uint8_t> bytes) {
    unsigned sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        sum += static_cast<unsigned>(bytes[i] << 8U) + (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
        if (sum > 0xFFFF) sum -= 0xFFFF;
    }
    return ~sum & 0xFFFFU;
}

inline Bytes with_pseudo_header(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                                std::span<const std::uint8_t> transport) {
    Bytes bytes;
    append(bytes, source.bytes());
    append(bytes, destination.bytes());
    append32(bytes, static_cast<std::uint32_t>(transport.size()));
    append32(bytes, protocol);
    append(bytes, transport);
    return bytes;
}

inline unsigned transport_checksum(const IpAddress& source, const IpAddress& destination,
                                   std::uint8_t protocol, std::span<const std::uint8_t> transport) {
    return naive_checksum(with_pseudo_header(source, destination, protocol, transport));
}

struct Ipv4Fields {
    std::uint8_t ttl = 64;
    std::uint16_t identification = 0x1234;
    std::uint16_t flags_fragment = 0;
    Bytes options{};  // a multiple of 4
};

inline Bytes ipv4(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                  std::span<const std::uint8_t> payload, const Ipv4Fields& fields = {}) {
    Bytes bytes{static_cast<std::uint8_t>(0x45 + fields.options.size() / 4), 0};
    append16(bytes, static_cast<unsigned>(20 + fields.options.size() + payload.size()));
    append16(bytes, fields.identification);
    append16(bytes, fields.flags_fragment);
    bytes.push_back(fields.ttl);
    bytes.push_back(protocol);
    append16(bytes, 0);
    append(bytes, source.bytes());
    append(bytes, destination.bytes());
    append(bytes, fields.options);
    put16(bytes, 10, naive_checksum(bytes));
    append(bytes, payload);
    return bytes;
}

inline Bytes ipv6(const IpAddress& source, const IpAddress& destination, std::uint8_t next_header,
                  std::span<const std::uint8_t> payload, std::uint8_t hop_limit = 64) {
    Bytes bytes;
    append32(bytes, 0x60000000);
    append16(bytes, static_cast<unsigned>(payload.size()));
    bytes.push_back(next_header);
    bytes.push_back(hop_limit);
    append(bytes, source.bytes());
    append(bytes, destination.bytes());
    append(bytes, payload);
    return bytes;
}

inline Bytes datagram(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                      std::span<const std::uint8_t> payload, std::uint8_t hops = 64) {
    return source.is_v6() ? ipv6(source, destination, protocol, payload, hops)
                          : ipv4(source, destination, protocol, payload, {.ttl = hops});
}

inline Bytes pattern(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    return bytes;
}

inline Bytes udp(const IpAddress& source, const IpAddress& destination,
                 std::span<const std::uint8_t> payload) {
    Bytes bytes;
    append16(bytes, 4000);
    append16(bytes, 5000);
    append16(bytes, static_cast<unsigned>(8 + payload.size()));
    append16(bytes, 0);
    append(bytes, payload);
    put16(bytes, 6, transport_checksum(source, destination, 17, bytes));
    return bytes;
}

inline Bytes udp_datagram(const IpAddress& source, const IpAddress& destination, std::size_t payload,
                          std::uint8_t hops = 64) {
    return datagram(source, destination, 17, udp(source, destination, pattern(payload)), hops);
}

// An ICMP or ICMPv6 message: type, code, checksum and `body`.
inline Bytes icmp(const IpAddress& source, const IpAddress& destination, std::uint8_t type, std::uint8_t code,
                  std::span<const std::uint8_t> body) {
    Bytes bytes{type, code, 0, 0};
    append(bytes, body);
    put16(bytes, 2,
          source.is_v6() ? transport_checksum(source, destination, 58, bytes) : naive_checksum(bytes));
    return bytes;
}

inline Bytes ping(const IpAddress& source, const IpAddress& destination, std::size_t payload = 56,
                  std::uint8_t hops = 64) {
    Bytes body;
    append32(body, 0xCAFE0001);
    append(body, pattern(payload));
    return datagram(source, destination, source.is_v6() ? 58 : 1,
                    icmp(source, destination, source.is_v6() ? 128 : 8, 0, body), hops);
}

inline Bytes frame(const MacAddress& destination, const MacAddress& source, unsigned ether_type,
                   std::span<const std::uint8_t> payload) {
    Bytes bytes;
    append(bytes, destination.octets);
    append(bytes, source.octets);
    append16(bytes, ether_type);
    append(bytes, payload);
    return bytes;
}

inline Bytes ip_frame(const MacAddress& destination, const MacAddress& source,
                      std::span<const std::uint8_t> datagram) {
    return frame(destination, source, datagram[0] >> 4U == 6 ? 0x86DD : 0x0800, datagram);
}

}  // namespace weft::test
