// The newest handshake timestamp of each peer, and this node's own, kept over restarts: a first message that
// was recorded is refused by a responder that was killed and started again, and a clock that was set back at
// boot does not make this node's own messages look like replays.
//
//   file   STATE_DIR/NODE.timestamps: records of 64 bytes
//   first  "weft-timestamps 1\n", zeros
//   then   public key (32) | timestamp (12): TAI64N | zeros (4) | BLAKE2s of these, 16 bytes
//
// A key has one record for ever and it is overwritten in place, so the file grows with the number of keys
// only: never beyond `max_keys`, after which the one longest unused gives way. No record crosses a page or a
// sector, so none is torn by a kill, nor by a disk that loses its power. One descriptor is opened at the
// start, and nothing after that.
//
// Durable against the death of the process, at once: a record is written before the message leaves. Not
// synced: power loss may cost what was written in the last half minute (the kernel's own rhythm). Then
// whoever has recorded a first message of that time can have it answered once more, by a session in which
// nobody speaks and which moves no endpoint. Its own timestamps the node continues a minute later than the
// file says, if its clock does not say more.
//
// A file in which a record is damaged is refused, for the peer whose record it was is not known any more.
// Owner: the control thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "crypto/key.h"
#include "overlay/handshake.h"
#include "vswitch/system.h"

namespace weft {

class TimestampStore {
  public:
    static constexpr std::size_t record_size = 64;
    static constexpr std::size_t max_keys = 65537;  // all peers that a node can have, and itself

    // Makes the directory and the file if they are not there. Throws std::runtime_error (with the cure) if
    // the file cannot be had or trusted, or if another process has it.
    TimestampStore(const std::string& state_dir, const std::string& node);

    // Zero if none was remembered.
    [[nodiscard]] Timestamp newest(const PublicKey& key) const noexcept;

    // What this node's own timestamps have to be newer than.
    [[nodiscard]] Timestamp own(const PublicKey& key, Handshaker::WallTime clock) const noexcept;

    // Throws std::runtime_error if it cannot be written; newest() is then the new one all the same.
    void remember(const PublicKey& key, const Timestamp& newest);

  private:
    struct Entry {
        std::size_t record = 0;  // its place in the file
        Timestamp newest;
    };

    void begin();
    void load(const std::string& bytes);
    [[noreturn]] void refuse(const std::string& why) const;
    std::size_t place_for_new();
    void write(std::size_t record, const void* bytes) const;

    std::string path_;
    Descriptor file_;
    std::map<PublicKey, Entry> entries_;
    std::size_t records_ = 1;  // in the file, the first one included
};

}  // namespace weft
