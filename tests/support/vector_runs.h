// Runs of published test vectors: what passed, what failed, and what could not be run and why, for each file
// of them. Nothing is left out in silence: a run's report() names the number of vectors of each kind that
// weft's interfaces cannot express.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "crypto/aead.h"
#include "tests/support/hex.h"

namespace weft::testing {

class VectorRun {
  public:
    explicit VectorRun(std::string title) : title_(std::move(title)) {}

    // `what` names the vector in case that it did not pass, which is a failure of the test as well.
    void count(bool passed, const std::string& what);

    void leave_out(const std::string& reason) { ++left_out_[reason]; }

    [[nodiscard]] std::size_t run() const noexcept { return run_; }

    // "FILE: 10 passed / 10 run; not run: 3 (key of 192 bits)". Running none at all is a failure.
    void report() const;

  private:
    std::string title_;
    std::size_t run_ = 0;
    std::size_t passed_ = 0;
    std::map<std::string, std::size_t> left_out_;
};

struct AeadVector {
    std::string name;
    std::optional<Cipher> cipher;  // nothing: weft has none with such a key
    Bytes key;
    Bytes nonce;
    Bytes associated;
    Bytes plain;
    Bytes sealed;
    Bytes tag;
    bool valid = true;
};

std::optional<Cipher> aes_gcm_with_key_of(std::size_t bytes) noexcept;

// Runs each vector through Aead, with each backend that this machine has for the cipher. A valid vector must
// be sealed to exactly its bytes and opened again; an invalid one must not open, and leaves zeros.
class AeadRun {
  public:
    explicit AeadRun(std::string title) : title_(std::move(title)) {}

    void run(const AeadVector& vector);
    void report() const;

  private:
    std::string title_;
    std::map<AeadBackend, VectorRun> runs_;
};

}  // namespace weft::testing
