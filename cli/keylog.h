// Writes the keys of every security association to a file, in the form of Wireshark's ESP table
// (docs/wireshark.md). Off unless the configuration names a file: whoever can read it can read the traffic.
// Created with mode 0600.
#pragma once

#include <string>

#include "crypto/sa.h"

namespace weft {

class Keylog {
  public:
    explicit Keylog(const std::string& path);  // throws std::runtime_error
    ~Keylog();
    Keylog(const Keylog&) = delete;
    Keylog& operator=(const Keylog&) = delete;

    void append(const SaKeys& keys, bool ipv6_underlay) const;

  private:
    int descriptor_;
};

}  // namespace weft
