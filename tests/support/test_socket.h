// UDP and TCP sockets of the kernel's own stack, as the counterpart of a device under test. All are made in
// the network namespace that the thread is in at that moment, throw on failure, and wait at most two seconds
// for anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/system.h"

namespace weft::test {

inline constexpr int patience_ms = 5000;

// True if `fd` becomes readable in time.
bool wait_readable(int fd, int timeout_ms = patience_ms);

class UdpSocket {
  public:
    explicit UdpSocket(const Endpoint& local);

    void send(const Endpoint& to, std::string_view payload) const;

    // With UDP_SEGMENT: one super-frame of segments of `segment_size` bytes.
    void send_segmented(const Endpoint& to, std::string_view payload, std::uint16_t segment_size) const;

    // "" if nothing arrives in time. `from`: the sender.
    std::string receive(Endpoint* from = nullptr, int timeout_ms = patience_ms) const;

    [[nodiscard]] int get() const noexcept { return fd_.get(); }

  private:
    Descriptor fd_;
};

// Non-blocking, so that a test can pump packets between its calls.
class TcpListener {
  public:
    explicit TcpListener(const Endpoint& local);

    [[nodiscard]] int get() const noexcept { return fd_.get(); }

    [[nodiscard]] Descriptor accept() const;

  private:
    Descriptor fd_;
};

Descriptor connect_tcp(const Endpoint& to);

}  // namespace weft::test
