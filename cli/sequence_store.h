// What has to outlive the daemon about a manual security association, since its keys do. Two files:
//
//   FILE            what was sent:      "weft-sequence 1\n"  SPI  ' '  highest reserved number  '\n'
//   FILE.received   what was received:  "weft-received 1\n"  key  ' '  highest number           '\n'
//
// Sent (SequenceStore). No number may be used twice, whatever happens to the daemon. Numbers are reserved in
// chunks *before* they are used: the file always holds the highest number that may have been used, and a new
// start begins above it. The file must exist: `0` as the reserved number in a new one is written by hand,
// once, when the key is made (a lost file must not look like a new key).
//
// Received (ReceivedStore). What came before a restart must not come in again, and the high half of the
// numbers has to be known (RFC 4303 appendix A). The file is written after the fact, once a second at most,
// and exactly when the daemon stops: after a crash, the packets of the last second before it could be
// replayed. It is made when a key is new, that is, when FILE still says 0; later its absence is an error. It
// names the key by eight bytes of a hash: under another key, none of the numbers has come yet.
//
// Each file is replaced atomically and synced. One that is damaged or belongs to another SPI is an error:
// guessing would risk a nonce. FILE.lock is locked as long as the daemon runs, so that no second one uses the
// same numbers. What cannot be noticed: a file that was copied (two nodes with one key), or brought back from
// a backup.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "crypto/sa.h"
#include "vswitch/system_call.h"

namespace weft {

class SequenceStore {
  public:
    static constexpr std::uint64_t chunk = std::uint64_t{1} << 20U;

    // Reads the file, throws std::runtime_error (with the cure) if it cannot be trusted or another process
    // uses it, and reserves the first chunk.
    SequenceStore(std::string path, std::uint32_t spi);
    ~SequenceStore();
    SequenceStore(const SequenceStore&) = delete;
    SequenceStore& operator=(const SequenceStore&) = delete;

    // The first number of this start, and the last one that is reserved.
    [[nodiscard]] std::uint64_t first() const noexcept { return first_; }

    [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }

    // Nothing was ever sent: the key is new.
    [[nodiscard]] bool is_new() const noexcept { return first_ == 1; }

    // Reserves more if less than half a chunk is left after `used`. True if limit() grew. Throws
    // std::runtime_error if the file cannot be written; limit() is then what it was.
    bool reserve_beyond(std::uint64_t used);

  private:
    void lock();
    void read();
    void reserve(std::uint64_t limit);

    std::string path_;
    std::string owner_;  // the SPI
    std::uint64_t first_ = 0;
    std::uint64_t limit_ = 0;
    int lock_ = -1;
};

class ReceivedStore {
  public:
    // `counter_file` is that of the peer's SequenceStore, which has it locked and says whether it is new.
    // Throws std::runtime_error (with the cure) if the file cannot be trusted or written.
    ReceivedStore(const std::string& counter_file, const SaKeys& inbound, bool is_new);

    // As the file has it.
    [[nodiscard]] std::uint64_t highest() const noexcept { return highest_; }

    // Writes a number that has grown. Throws std::runtime_error if it cannot.
    void save(std::uint64_t highest);

  private:
    void read(bool is_new);
    void write(std::uint64_t highest);

    std::string path_;
    std::string key_;
    std::uint64_t highest_ = 0;
};

// Of both: written beside the old file, synchronized, renamed.
inline constexpr std::array sequence_store_system_calls{
    SystemCall{SYS_openat}, SystemCall{SYS_write}, SystemCall{SYS_fsync},
    SystemCall{sys_rename}, SystemCall{SYS_close},
};

}  // namespace weft
