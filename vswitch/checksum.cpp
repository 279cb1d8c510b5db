#include "vswitch/checksum.h"

#include <bit>
#include <cstring>

// One version of a function for each width of vectors, chosen when the program is loaded. The choice is made
// before a sanitizer is ready for it.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WEFT_SANITIZED
#endif
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(WEFT_SANITIZED)
#define WEFT_VECTOR_WIDTHS [[gnu::target_clones("arch=x86-64-v4", "avx2", "default")]]
#else
#define WEFT_VECTOR_WIDTHS
#endif

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

using Word = std::uint64_t;
constexpr std::size_t word_size = sizeof(Word);

template <class Integer>
Integer load(const std::uint8_t* from) noexcept {
    Integer value = 0;
    std::memcpy(&value, from, sizeof(value));
    return value;
}

// The two halves of the words are added up apart: no carry is lost, and no lane of a vector needs another.
WEFT_VECTOR_WIDTHS std::uint64_t sum_words(const std::uint8_t* from, std::size_t words) noexcept {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    for (std::size_t i = 0; i < words; ++i) {
        const Word word = load<Word>(from + i * word_size);
        low += word & 0xFFFFFFFFU;
        high += word >> 32U;
    }
    return low + high;
}

WEFT_VECTOR_WIDTHS std::uint64_t copy_words(const std::uint8_t* __restrict from, std::uint8_t* __restrict to,
                                            std::size_t words) noexcept {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    for (std::size_t i = 0; i < words; ++i) {
        const Word word = load<Word>(from + i * word_size);
        std::memcpy(to + i * word_size, &word, word_size);
        low += word & 0xFFFFFFFFU;
        high += word >> 32U;
    }
    return low + high;
}

// What is left behind the last whole word.
std::uint64_t sum_tail(const std::uint8_t* from, std::size_t size) noexcept {
    std::uint64_t sum = 0;
    if ((size & 4U) != 0) {
        sum += load<std::uint32_t>(from);
        from += 4;
    }
    if ((size & 2U) != 0) {
        sum += load<std::uint16_t>(from);
        from += 2;
    }
    if ((size & 1U) != 0) {
        std::uint16_t padded = 0;
        std::memcpy(&padded, from, 1);
        sum += padded;
    }
    return sum;
}

// Native words were added up: the sum's byte order does not matter until the end (RFC 1071 section 2.B).
std::uint16_t to_host(std::uint64_t sum) noexcept {
    const std::uint16_t folded = fold(sum);
    return std::endian::native == std::endian::little ? __builtin_bswap16(folded) : folded;
}

}  // namespace

void ChecksumSum::add(std::span<const std::uint8_t> bytes) noexcept {
    const std::size_t words = bytes.size() / word_size;
    const std::size_t tail = bytes.size() % word_size;
    sum_ += to_host(sum_words(bytes.data(), words) + sum_tail(bytes.data() + words * word_size, tail));
}

void ChecksumSum::add_copied(std::span<const std::uint8_t> bytes, std::uint8_t* to) noexcept {
    const std::size_t words = bytes.size() / word_size;
    const std::size_t tail = bytes.size() % word_size;
    const std::uint8_t* rest = bytes.data() + words * word_size;
    const std::uint64_t sum = copy_words(bytes.data(), to, words);
    std::memcpy(to + words * word_size, rest, tail);
    sum_ += to_host(sum + sum_tail(rest, tail));
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
