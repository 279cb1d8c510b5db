#include "vswitch/checksum.h"

#include <bit>
#include <cstring>

namespace weft {

namespace {

// End-around carry, twice: any 64-bit sum fits into 16 bits after that.
std::uint16_t fold(std::uint64_t sum) noexcept {
    sum = (sum & 0xFFFFFFFFU) + (sum >> 32U);
    sum = (sum & 0xFFFFFFFFU) + (sum >> 32U);
    sum = (sum & 0xFFFFU) + (sum >> 16U);
    sum = (sum & 0xFFFFU) + (sum >> 16U);
    return static_cast<std::uint16_t>(sum);
}

}  // namespace

// Sums native 32-bit words and swaps once at the end: the sum's byte order does not matter until then (RFC
// 1071 section 2.B).
void ChecksumSum::add(std::span<const std::uint8_t> bytes) noexcept {
    std::uint64_t sum = 0;
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 4; at += 4, left -= 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, at, 4);
        sum += word;
    }
    std::uint32_t tail = 0;
    std::memcpy(&tail, at, left);
    sum += tail;
    const std::uint16_t folded = fold(sum);
    sum_ += std::endian::native == std::endian::little ? __builtin_bswap16(folded) : folded;
}

void ChecksumSum::add_copied(std::span<const std::uint8_t> bytes, std::uint8_t* to) noexcept {
    std::memcpy(to, bytes.data(), bytes.size());
    add(bytes);
}

std::uint16_t ChecksumSum::finish() const noexcept {
    return static_cast<std::uint16_t>(~fold(sum_));
}

std::uint16_t ChecksumSum::partial() const noexcept {
    return fold(sum_);
}

ChecksumSum pseudo_header_sum(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                              std::uint32_t length) noexcept {
    ChecksumSum sum;
    sum.add(source.bytes());
    sum.add(destination.bytes());
    sum.add(std::uint32_t{protocol});
    sum.add(length);
    return sum;
}

std::uint16_t ipv4_header_checksum(std::span<const std::uint8_t> header) noexcept {
    ChecksumSum sum;
    sum.add(header);
    return sum.finish();
}

std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) noexcept {
    std::uint64_t sum = static_cast<std::uint16_t>(~checksum);
    sum += static_cast<std::uint16_t>(~before);
    sum += after;
    return static_cast<std::uint16_t>(~fold(sum));
}

}  // namespace weft
