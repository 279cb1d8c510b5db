// The sequence numbers of a manual security association, kept on disk so that none is used twice, whatever
// happens to the daemon. Numbers are reserved in chunks *before* they are used: the file always holds the
// highest number that may have been used, and a new start begins above it.
//
//   file:   "weft-sequence 1\n"  SPI  ' '  highest reserved number  '\n'
//
// Replaced atomically and synced. A file that is damaged or belongs to another SPI is an error: guessing
// would risk a nonce. The file must exist: `0` as the reserved number in a new one is written by hand, once,
// when the key is made (a lost file must not look like a new key).
#pragma once

#include <cstdint>
#include <string>

namespace weft {

class SequenceStore {
  public:
    static constexpr std::uint64_t chunk = std::uint64_t{1} << 20U;

    // Reads the file, throws std::runtime_error (with the cure) if it cannot be trusted, and reserves the
    // first chunk.
    SequenceStore(std::string path, std::uint32_t spi);

    // The first number of this start, and the last one that is reserved.
    [[nodiscard]] std::uint64_t first() const noexcept { return first_; }

    [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }

    // Reserves more if less than half a chunk is left after `used`. True if limit() grew. Throws
    // std::runtime_error if the file cannot be written; limit() is then what it was.
    bool reserve_beyond(std::uint64_t used);

  private:
    void reserve(std::uint64_t limit);

    std::string path_;
    std::uint32_t spi_;
    std::uint64_t first_ = 0;
    std::uint64_t limit_ = 0;
};

}  // namespace weft
