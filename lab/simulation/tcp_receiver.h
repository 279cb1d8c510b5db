// The receiving half of a TCP connection: acknowledges every segment at once, selectively what arrives behind
// a hole (RFC 2018), and closes when its peer does.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lab/simulation/tcp_segment.h"

namespace weft::lab {

class TcpReceiver {
  public:
    using Send = std::function<void(const TcpSegment& segment)>;

    TcpReceiver(std::uint32_t initial_sequence, std::uint16_t segment_size, Send send)
        : sequence_(initial_sequence), segment_size_(segment_size), send_(std::move(send)) {}

    void receive(const TcpSegment& segment);

    [[nodiscard]] std::uint64_t received_bytes() const noexcept { return received_; }  // in order

    [[nodiscard]] std::uint64_t duplicates() const noexcept { return duplicates_; }

  private:
    void take(std::uint32_t begin, std::uint32_t end);
    void acknowledge(std::uint8_t flags, std::uint32_t sequence);

    std::uint32_t sequence_;
    std::uint16_t segment_size_;
    Send send_;
    bool open_ = false;
    bool closed_ = false;
    std::uint32_t next_ = 0;                 // the sequence number that is missing
    std::vector<TcpSegment::Block> beyond_;  // what has arrived behind it, the newest first
    std::uint64_t received_ = 0;
    std::uint64_t duplicates_ = 0;
};

}  // namespace weft::lab
