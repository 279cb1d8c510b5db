// The Internet checksum (RFC 1071): sums, pseudo-headers (RFC 9293 section 3.1, RFC 8200 section 8.1), and
// its update when a field changes (RFC 1624). Adding costs about as much as reading the bytes: vectors as
// wide as the CPU has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "vswitch/address.h"

namespace weft {

// A sum of 16-bit big-endian words under way, not folded. Every chunk but the last must be of even length.
class ChecksumSum {
  public:
    void add(std::span<const std::uint8_t> bytes) noexcept;

    // The same, and copies them to `to`; the two do not overlap.
    void add_copied(std::span<const std::uint8_t> bytes, std::uint8_t* to) noexcept;

    void add(std::uint32_t value) noexcept { sum_ += value; }  // a 16-bit word, or several already added up

    // The checksum: folded and complemented, in host order.
    [[nodiscard]] std::uint16_t finish() const noexcept;

    // Folded but not complemented: what a field holds when the device is to complete it.
    [[nodiscard]] std::uint16_t partial() const noexcept;

  private:
    std::uint64_t sum_ = 0;
};

// The sum over the pseudo-header of a transport packet of `length` bytes; both addresses are of one family.
ChecksumSum pseudo_header_sum(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                              std::uint32_t length) noexcept;

// Checksum of a whole IPv4 header whose checksum field is zero; 0 if the field is right.
std::uint16_t ipv4_header_checksum(std::span<const std::uint8_t> header) noexcept;

// RFC 1624 equation 3: the checksum after one 16-bit word of the summed bytes changed from `before` to
// `after`.
std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) noexcept;

}  // namespace weft
